package workos

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/lentil-dev/lentil/internal/application"
	"github.com/lentil-dev/lentil/internal/identity"
)

// applicationRoutes are about applications.
func (a *API) applicationRoutes() []Route {
	return slices.Concat([]Route{
		{"GET", "/connect/applications", "listApplications", "key", corsNone, false, a.listApplications},
		{"POST", "/connect/applications", "createApplication", "key", corsNone, false, a.createApplication},
		{"GET", "/connect/applications/{id}", "getApplication", "key", corsNone, false, a.getApplication},
		{"PUT", "/connect/applications/{id}", "updateApplication", "key", corsNone, false, a.updateApplication},
		{"DELETE", "/connect/applications/{id}", "deleteApplication", "key", corsNone, false, a.deleteApplication},
		{"GET", "/connect/applications/{id}/client_secrets", "listApplicationClientSecrets", "key", corsNone, false, a.listClientSecrets},
		{"POST", "/connect/applications/{id}/client_secrets", "createApplicationClientSecret", "key", corsNone, false, a.createClientSecret},
		{"DELETE", "/connect/client_secrets/{id}", "deleteClientSecret", "key", corsNone, false, a.deleteClientSecret},
	}, a.connectRoutes(), a.widgetRoutes())
}

// redirectObject is a redirect URI of an application.
type redirectObject struct {
	URI     string `json:"uri"`
	Default bool   `json:"default"`
}

// applicationObject is an application on the wire; which members it has depends on
// its kind.
type applicationObject struct {
	Object       string            `json:"object"`
	ID           string            `json:"id"`
	ClientID     string            `json:"client_id"`
	Description  *string           `json:"description"`
	Name         string            `json:"name"`
	Scopes       []string          `json:"scopes"`
	CreatedAt    string            `json:"created_at"`
	UpdatedAt    string            `json:"updated_at"`
	Type         application.Kind  `json:"application_type"`
	RedirectURIs *[]redirectObject `json:"redirect_uris,omitempty"`
	UsesPKCE     *bool             `json:"uses_pkce,omitempty"`
	FirstParty   *bool             `json:"is_first_party,omitempty"`
	Dynamic      *bool             `json:"was_dynamically_registered,omitempty"`
	Organization *string           `json:"organization_id,omitempty"`
}

// newApplicationObject shows x.
func newApplicationObject(x *application.Application) applicationObject {
	o := applicationObject{Object: "connect_application", ID: x.ID, ClientID: x.ClientID, Description: orNull(x.Description), Name: x.Name,
		Scopes: x.Scopes, CreatedAt: identity.FormatTime(x.Created), UpdatedAt: identity.FormatTime(x.Updated), Type: x.Kind}
	org := string(x.Organization)
	if x.Kind == application.M2M {
		o.Organization = &org
		return o
	}
	list := make([]redirectObject, len(x.RedirectURIs))
	for i, u := range x.RedirectURIs {
		list[i] = redirectObject{u, i == 0}
	}
	o.RedirectURIs, o.UsesPKCE, o.FirstParty = &list, &x.UsesPKCE, &x.FirstParty
	if !x.FirstParty {
		o.Dynamic = &x.Dynamic
		if !x.Dynamic {
			o.Organization = &org
		}
	}
	return o
}

// applicationBody is what is said of an application.
type applicationBody struct {
	Name         member[string]                   `json:"name"`
	Type         application.Kind                 `json:"application_type"`
	Description  member[string]                   `json:"description"`
	Scopes       member[[]string]                 `json:"scopes"`
	RedirectURIs member[[]application.RedirectTo] `json:"redirect_uris"`
	UsesPKCE     bool                             `json:"uses_pkce"`
	FirstParty   member[bool]                     `json:"is_first_party"`
	Organization identity.OrganizationID          `json:"organization_id"`
	ClientID     string                           `json:"client_id"` // seeds only
}

// listApplications is GET /connect/applications.
func (a *API) listApplications(w http.ResponseWriter, r *http.Request) error {
	page, err := pageOf(r)
	if err != nil {
		return err
	}
	q := application.Query{Page: page, Organization: identity.OrganizationID(r.URL.Query().Get("organization_id"))}
	for _, name := range []string{"registration_types", "registration_types[]"} {
		for _, list := range r.URL.Query()[name] {
			for kind := range strings.SplitSeq(list, ",") {
				switch kind {
				case "dynamic":
					q.Dynamic = true
				case "authenticated":
					q.Authenticated = true
				default:
					return invalidField("registration_types", "invalid", "registration_types are dynamic and authenticated.")
				}
			}
		}
	}
	list, err := a.Applications.List(r.Context(), environment(r).ID, q)
	if err != nil {
		return err
	}
	return writeList(w, list, newApplicationObject)
}

// createApplication is POST /connect/applications.
func (a *API) createApplication(w http.ResponseWriter, r *http.Request) error {
	var b applicationBody
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	if b.Type == application.OAuth && !b.FirstParty.given {
		return missing("is_first_party")
	}
	if !seeding(r) {
		b.ClientID = ""
	}
	x, err := a.Applications.Create(r.Context(), environment(r).ID, application.Application{ClientID: b.ClientID,
		Kind: b.Type, Name: b.Name.value, Description: b.Description.value, Scopes: b.Scopes.value, RedirectURIs: application.InOrder(b.RedirectURIs.value),
		UsesPKCE: b.UsesPKCE, FirstParty: b.FirstParty.value, Organization: b.Organization,
	})
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusCreated, newApplicationObject(x))
	return nil
}

// getApplication is GET /connect/applications/{id}; the id may be the client id.
func (a *API) getApplication(w http.ResponseWriter, r *http.Request) error {
	x, err := a.Applications.Get(r.Context(), environment(r).ID, r.PathValue("id"))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, newApplicationObject(x))
	return nil
}

// updateApplication is PUT /connect/applications/{id}. The official clients send
// null for what was not given, so null leaves all but the description as it is.
func (a *API) updateApplication(w http.ResponseWriter, r *http.Request) error {
	var b applicationBody
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	c := application.Change{Description: b.Description.pointer()}
	if b.Name.given && b.Name.value != "" {
		c.Name = &b.Name.value
	}
	if b.Scopes.value != nil {
		c.Scopes = &b.Scopes.value
	}
	if b.RedirectURIs.value != nil {
		list := application.InOrder(b.RedirectURIs.value)
		c.RedirectURIs = &list
	}
	x, err := a.Applications.Update(r.Context(), environment(r).ID, r.PathValue("id"), c)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, newApplicationObject(x))
	return nil
}

// deleteApplication is DELETE /connect/applications/{id}.
func (a *API) deleteApplication(w http.ResponseWriter, r *http.Request) error {
	return noContent(w, a.Applications.Delete(r.Context(), environment(r).ID, r.PathValue("id")))
}

// secretObject is a client secret on the wire, with its text only when it is made.
type secretObject struct {
	Object     string  `json:"object"`
	ID         string  `json:"id"`
	SecretHint string  `json:"secret_hint"`
	LastUsedAt *string `json:"last_used_at"`
	CreatedAt  string  `json:"created_at"`
	UpdatedAt  string  `json:"updated_at"`
	Secret     string  `json:"secret,omitempty"`
}

// newSecretObject shows s.
func newSecretObject(s *application.Secret, text string) secretObject {
	return secretObject{"connect_application_secret", s.ID, s.Hint, timeOrNull(s.LastUsed), identity.FormatTime(s.Created), identity.FormatTime(s.Updated), text}
}

// listClientSecrets is GET /connect/applications/{id}/client_secrets: a bare list.
func (a *API) listClientSecrets(w http.ResponseWriter, r *http.Request) error {
	list, err := a.Applications.Secrets(r.Context(), environment(r).ID, r.PathValue("id"))
	if err != nil {
		return err
	}
	out := make([]secretObject, len(list))
	for i := range list {
		out[i] = newSecretObject(&list[i], "")
	}
	writeJSON(w, http.StatusOK, out)
	return nil
}

// createClientSecret is POST /connect/applications/{id}/client_secrets.
func (a *API) createClientSecret(w http.ResponseWriter, r *http.Request) error {
	var b struct {
		Secret string `json:"secret"` // seeds only
	}
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	create := a.Applications.CreateSecret
	if seeding(r) && b.Secret != "" {
		create = func(ctx context.Context, env identity.EnvironmentID, app string) (*application.Secret, string, error) {
			return a.Applications.PinSecret(ctx, env, app, b.Secret)
		}
	}
	s, text, err := create(r.Context(), environment(r).ID, r.PathValue("id"))
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, http.StatusCreated, newSecretObject(s, text))
	return nil
}

// deleteClientSecret is DELETE /connect/client_secrets/{id}.
func (a *API) deleteClientSecret(w http.ResponseWriter, r *http.Request) error {
	return noContent(w, a.Applications.DeleteSecret(r.Context(), environment(r).ID, r.PathValue("id")))
}
