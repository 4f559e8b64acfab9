package workos

import (
	"net/http"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
)

// keyRoutes are about API keys: those that applications give to organizations and
// users, and, for operators, those of the environment itself.
func (a *API) keyRoutes() []Route {
	return []Route{
		{"POST", "/api_keys/validations", "createValidation", "key", corsNone, false, a.validateAPIKey},
		{"DELETE", "/api_keys/{id}", "deleteApiKey", "key", corsNone, false, a.deleteAPIKey},
		{"POST", "/api_keys/{id}/expire", "expireApiKey", "key", corsNone, false, a.expireAPIKey},
		{"GET", "/user_management/users/{userId}/api_keys", "listUserApiKeys", "key", corsNone, false, a.listAPIKeys},
		{"POST", "/user_management/users/{userId}/api_keys", "createUserApiKey", "key", corsNone, false, a.createAPIKey},
		{"GET", "/organizations/{organizationId}/api_keys", "listOrganizationApiKeys", "key", corsNone, false, a.listAPIKeys},
		{"POST", "/organizations/{organizationId}/api_keys", "createOrganizationApiKey", "key", corsNone, false, a.createAPIKey},
		{"GET", "/_lentil/v1/api_keys", "", "key", corsNone, false, a.listEnvironmentKeys},
		{"POST", "/_lentil/v1/api_keys", "", "key", corsNone, false, a.createEnvironmentKey},
		{"DELETE", "/_lentil/v1/api_keys/{id}", "", "key", corsNone, false, a.deleteEnvironmentKey},
	}
}

// optionalTime reads a time that may be absent or null.
func optionalTime(field string, s *string) (time.Time, error) {
	if s == nil || *s == "" {
		return time.Time{}, nil
	}
	t, ok := parseISO(*s)
	if !ok {
		return t, invalidField(field, "invalid_date", "%s must be an ISO 8601 time such as 2026-01-31T12:00:00.000Z.", field)
	}
	return t, nil
}

// validateAPIKey is POST /api_keys/validations: 200 also for a text that is no key.
func (a *API) validateAPIKey(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Value string `json:"value"`
	}
	if err := decodeBody(r, &body); err != nil {
		return err
	}
	env := environment(r).ID
	k, err := look(a, r, func(tx *identity.Tx, _ identity.EnvironmentID) (*identity.OwnedKey, error) {
		return tx.ValidateOwnedKey(env, body.Value)
	})
	if err == nil && k != nil { // written down once a minute at most
		k, err = change(a, r, func(tx *identity.Tx, _ identity.EnvironmentID) (*identity.OwnedKey, error) {
			return tx.ValidateOwnedKey(env, body.Value)
		})
	}
	if err != nil {
		return err
	}
	out := map[string]any{"api_key": nil}
	if k != nil {
		out["api_key"] = identity.ShowOwnedKey(k)
	}
	writeJSON(w, http.StatusOK, out)
	return nil
}

// listAPIKeys is GET …/api_keys of an organization or a user.
func (a *API) listAPIKeys(w http.ResponseWriter, r *http.Request) error {
	page, err := pageOf(r)
	if err != nil {
		return err
	}
	org, user := identity.OrganizationID(r.PathValue("organizationId")), identity.UserID(r.PathValue("userId"))
	if user != "" {
		org = identity.OrganizationID(r.URL.Query().Get("organization_id"))
	}
	list, err := look(a, r, func(tx *identity.Tx, env identity.EnvironmentID) (*identity.List[identity.OwnedKey], error) {
		return tx.OwnedKeys(env, org, user, page)
	})
	if err != nil {
		return err
	}
	return writeList(w, list, identity.ShowOwnedKey)
}

// createAPIKey is POST …/api_keys of an organization or a user. The answer has the
// key's text, this once.
func (a *API) createAPIKey(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Name           string                  `json:"name"`
		OrganizationID identity.OrganizationID `json:"organization_id"`
		Permissions    []string                `json:"permissions"`
		ExpiresAt      *string                 `json:"expires_at"`
	}
	if err := decodeBody(r, &body); err != nil {
		return err
	}
	n := identity.NewOwnedKey{Organization: identity.OrganizationID(r.PathValue("organizationId")), User: identity.UserID(r.PathValue("userId")),
		Name: body.Name, Permissions: body.Permissions}
	if n.User != "" {
		n.Organization = body.OrganizationID
	}
	var err error
	if n.Expires, err = optionalTime("expires_at", body.ExpiresAt); err != nil {
		return err
	}
	var value string
	k, err := change(a, r, func(tx *identity.Tx, env identity.EnvironmentID) (k *identity.OwnedKey, err error) {
		k, value, err = tx.CreateOwnedKey(env, n)
		return k, err
	})
	if err != nil {
		return err
	}
	out := identity.ShowOwnedKey(k)
	out["value"] = value
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, http.StatusCreated, out)
	return nil
}

// expireAPIKey is POST /api_keys/{id}/expire.
func (a *API) expireAPIKey(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		ExpiresAt *string `json:"expires_at"`
	}
	if err := decodeBody(r, &body); err != nil {
		return err
	}
	at, err := optionalTime("expires_at", body.ExpiresAt)
	if err != nil {
		return err
	}
	k, err := change(a, r, func(tx *identity.Tx, env identity.EnvironmentID) (*identity.OwnedKey, error) {
		return tx.ExpireOwnedKey(env, identity.APIKeyID(r.PathValue("id")), at)
	})
	return show(w, http.StatusOK, k, err, identity.ShowOwnedKey)
}

// deleteAPIKey is DELETE /api_keys/{id}.
func (a *API) deleteAPIKey(w http.ResponseWriter, r *http.Request) error {
	return a.erase(w, r, http.StatusNoContent, func(tx *identity.Tx, env identity.EnvironmentID) error {
		return tx.DeleteOwnedKey(env, identity.APIKeyID(r.PathValue("id")))
	})
}

// environmentKeyObject is a key of the environment itself.
type environmentKeyObject struct {
	Object     string  `json:"object"`
	ID         string  `json:"id"`
	Name       string  `json:"name"`
	Obfuscated string  `json:"obfuscated_value"`
	Value      string  `json:"value,omitempty"` // when it is made
	LastUsedAt *string `json:"last_used_at"`
	CreatedAt  string  `json:"created_at"`
}

// newEnvironmentKeyObject shows k.
func newEnvironmentKeyObject(k *identity.APIKey) environmentKeyObject {
	return environmentKeyObject{"environment_api_key", string(k.ID), k.Name, k.Obfuscated, "", timeOrNull(k.LastUsed), identity.FormatTime(k.Created)}
}

// listEnvironmentKeys lists the keys that open this API.
func (a *API) listEnvironmentKeys(w http.ResponseWriter, r *http.Request) error {
	keys, err := a.Identity.APIKeys(r.Context(), environment(r).ID)
	if err != nil {
		return err
	}
	return writeList(w, &identity.List[identity.APIKey]{Data: keys}, newEnvironmentKeyObject)
}

// createEnvironmentKey makes a key that opens this API; its text is shown this once.
// Tests may choose the text.
func (a *API) createEnvironmentKey(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	if err := decodeBody(r, &body); err != nil {
		return err
	}
	if body.Name == "" || len(body.Name) > 255 {
		return invalidField("name", "name_required", "A key needs a name of at most 255 characters.")
	}
	e := environment(r)
	if body.Value != "" && e.Kind == identity.Production {
		return errForTests("Choosing API keys")
	}
	k, value, err := a.Identity.CreateAPIKey(r.Context(), e.ID, body.Name, body.Value)
	if err != nil {
		return err
	}
	out := newEnvironmentKeyObject(k)
	out.Value = value
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, http.StatusCreated, out)
	return nil
}

// deleteEnvironmentKey ends a key at once; not the one that the request came with, so
// that nobody locks everybody out.
func (a *API) deleteEnvironmentKey(w http.ResponseWriter, r *http.Request) error {
	c := r.Context().Value(callerKey{}).(*caller)
	id := identity.APIKeyID(r.PathValue("id"))
	if id == c.key.ID {
		return apierr.New(apierr.Conflict, "api_key_in_use", "This is the key that the request came with; use another one to delete it.")
	}
	if err := a.Identity.DeleteAPIKey(r.Context(), c.env.ID, id); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
