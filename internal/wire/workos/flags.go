package workos

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/lentil-dev/lentil/internal/featureflag"
	"github.com/lentil-dev/lentil/internal/identity"
)

// flagRoutes are about feature flags.
func (a *API) flagRoutes() []Route {
	return []Route{
		{"GET", "/feature-flags", "listFeatureFlags", "key", corsNone, false, a.listFlags},
		{"GET", "/feature-flags/{slug}", "getFeatureFlag", "key", corsNone, false, a.getFlag},
		{"PUT", "/feature-flags/{slug}/enable", "enableFeatureFlag", "key", corsNone, false, a.switchFlag(true)},
		{"PUT", "/feature-flags/{slug}/disable", "disableFeatureFlag", "key", corsNone, false, a.switchFlag(false)},
		{"POST", "/feature-flags/{slug}/targets/{resourceId}", "addFlagTarget", "key", corsNone, false, a.addFlagTarget},
		{"DELETE", "/feature-flags/{slug}/targets/{resourceId}", "removeFlagTarget", "key", corsNone, false, a.removeFlagTarget},
		{"GET", "/organizations/{organizationId}/feature-flags", "listOrganizationFeatureFlags", "key", corsNone, false, a.organizationFlags},
		{"GET", "/user_management/users/{userId}/feature-flags", "listUserFeatureFlags", "key", corsNone, false, a.userFlags},
		// The official clients' runtime evaluator polls this (workos-api.md §6.5).
		{"GET", "/sdk/feature-flags", "", "key", corsNone, false, a.pollFlags},
		// What the vendor's dashboard does; docs/OPERATOR.md.
		{"POST", "/_lentil/v1/feature-flags", "", "key", corsNone, false, a.createFlag},
		{"PUT", "/_lentil/v1/feature-flags/{slug}", "", "key", corsNone, false, a.updateFlag},
		{"DELETE", "/_lentil/v1/feature-flags/{slug}", "", "key", corsNone, false, a.deleteFlag},
		{"POST", "/_lentil/v1/feature-flags/{slug}/targets", "", "key", corsNone, false, a.addCustomTarget},
		{"DELETE", "/_lentil/v1/feature-flags/{slug}/targets/{type}/{id}", "", "key", corsNone, false, a.removeCustomTarget},
	}
}

// flagObject is a flag on the wire.
type flagObject struct {
	Object       string     `json:"object"`
	ID           string     `json:"id"`
	Slug         string     `json:"slug"`
	Name         string     `json:"name"`
	Description  *string    `json:"description"`
	Owner        *flagOwner `json:"owner"`
	Tags         []string   `json:"tags"`
	Enabled      bool       `json:"enabled"`
	DefaultValue bool       `json:"default_value"`
	CreatedAt    string     `json:"created_at"`
	UpdatedAt    string     `json:"updated_at"`
}

// flagOwner is who looks after a flag.
type flagOwner struct {
	Email     string  `json:"email"`
	FirstName *string `json:"first_name"`
	LastName  *string `json:"last_name"`
}

// newFlagObject shows f.
func newFlagObject(f *featureflag.Flag) flagObject {
	o := flagObject{Object: "feature_flag", ID: f.ID, Slug: f.Slug, Name: f.Name, Description: orNull(f.Description), Tags: f.Tags,
		Enabled: f.Enabled, DefaultValue: f.Default, CreatedAt: identity.FormatTime(f.Created), UpdatedAt: identity.FormatTime(f.Updated)}
	if f.Owner != nil {
		o.Owner = &flagOwner{f.Owner.Email, orNull(f.Owner.FirstName), orNull(f.Owner.LastName)}
	}
	return o
}

// listFlags is GET /feature-flags.
func (a *API) listFlags(w http.ResponseWriter, r *http.Request) error {
	page, err := pageOf(r)
	if err != nil {
		return err
	}
	list, err := a.Flags.List(r.Context(), environment(r).ID, page)
	if err != nil {
		return err
	}
	return writeList(w, list, newFlagObject)
}

// organizationFlags is GET /organizations/{organizationId}/feature-flags.
func (a *API) organizationFlags(w http.ResponseWriter, r *http.Request) error {
	page, err := pageOf(r)
	if err != nil {
		return err
	}
	list, err := a.Flags.OfOrganization(r.Context(), environment(r).ID, identity.OrganizationID(r.PathValue("organizationId")), page)
	if err != nil {
		return err
	}
	return writeList(w, list, newFlagObject)
}

// userFlags is GET /user_management/users/{userId}/feature-flags.
func (a *API) userFlags(w http.ResponseWriter, r *http.Request) error {
	page, err := pageOf(r)
	if err != nil {
		return err
	}
	list, err := a.Flags.OfUser(r.Context(), environment(r).ID, identity.UserID(r.PathValue("userId")), page)
	if err != nil {
		return err
	}
	return writeList(w, list, newFlagObject)
}

// getFlag is GET /feature-flags/{slug}.
func (a *API) getFlag(w http.ResponseWriter, r *http.Request) error {
	f, err := a.Flags.Get(r.Context(), environment(r).ID, r.PathValue("slug"))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, newFlagObject(f))
	return nil
}

// switchFlag is PUT /feature-flags/{slug}/enable and /disable.
func (a *API) switchFlag(on bool) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		f, err := a.Flags.SetEnabled(r.Context(), environment(r).ID, r.PathValue("slug"), on)
		if err != nil {
			return err
		}
		writeJSON(w, http.StatusOK, newFlagObject(f))
		return nil
	}
}

// addFlagTarget is POST /feature-flags/{slug}/targets/{resourceId}.
func (a *API) addFlagTarget(w http.ResponseWriter, r *http.Request) error {
	t, err := featureflag.ParseTarget(r.PathValue("resourceId"))
	if err != nil {
		return err
	}
	return noContent(w, a.Flags.AddTarget(r.Context(), environment(r).ID, r.PathValue("slug"), t))
}

// removeFlagTarget is DELETE /feature-flags/{slug}/targets/{resourceId}.
func (a *API) removeFlagTarget(w http.ResponseWriter, r *http.Request) error {
	t, err := featureflag.ParseTarget(r.PathValue("resourceId"))
	if err != nil {
		return err
	}
	return noContent(w, a.Flags.RemoveTarget(r.Context(), environment(r).ID, r.PathValue("slug"), t))
}

// noContent answers 204 unless err says otherwise.
func noContent(w http.ResponseWriter, err error) error {
	if err == nil {
		w.WriteHeader(http.StatusNoContent)
	}
	return err
}

// polledTarget is a target as the runtime evaluator reads it.
type polledTarget struct {
	Type    string `json:"type,omitempty"`
	ID      string `json:"id"`
	Enabled bool   `json:"enabled"`
}

// polledFlag is a flag as the runtime evaluator reads it.
type polledFlag struct {
	Slug         string        `json:"slug"`
	Enabled      bool          `json:"enabled"`
	DefaultValue bool          `json:"default_value"`
	Targets      polledTargets `json:"targets"`
}

// polledTargets are a flag's targets by kind.
type polledTargets struct {
	Users         []polledTarget `json:"users"`
	Organizations []polledTarget `json:"organizations"`
	Custom        []polledTarget `json:"custom_targets"`
}

// pollFlags is GET /sdk/feature-flags: all flags with their rules. The answer's
// ETag lets pollers ask for changes only.
func (a *API) pollFlags(w http.ResponseWriter, r *http.Request) error {
	all, err := a.Flags.Snapshot(r.Context(), environment(r).ID)
	if err != nil {
		return err
	}
	out := map[string]polledFlag{}
	for _, f := range all {
		p := polledFlag{f.Slug, f.Enabled, f.Default, polledTargets{[]polledTarget{}, []polledTarget{}, []polledTarget{}}}
		for _, t := range f.Targets {
			switch t.Kind {
			case featureflag.KindUser:
				p.Targets.Users = append(p.Targets.Users, polledTarget{ID: t.ID, Enabled: true})
			case featureflag.KindOrganization:
				p.Targets.Organizations = append(p.Targets.Organizations, polledTarget{ID: t.ID, Enabled: true})
			default:
				p.Targets.Custom = append(p.Targets.Custom, polledTarget{t.Kind, t.ID, true})
			}
		}
		out[f.Slug] = p
	}
	b, err := json.Marshal(out)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(b)
	tag := `"` + hex.EncodeToString(sum[:12]) + `"`
	h := w.Header()
	h.Set("ETag", tag)
	h.Set("Cache-Control", "private, no-cache")
	known := strings.Split(r.Header.Get("If-None-Match"), ",")
	if slices.ContainsFunc(known, func(s string) bool { return strings.TrimPrefix(strings.TrimSpace(s), "W/") == tag }) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	writeJSON(w, http.StatusOK, json.RawMessage(b))
	return nil
}

// flagBody is what an operator says of a flag.
type flagBody struct {
	Slug        string           `json:"slug"`
	Name        member[string]   `json:"name"`
	Description member[string]   `json:"description"`
	Tags        member[[]string] `json:"tags"`
	Enabled     member[bool]     `json:"enabled"`
	Default     member[bool]     `json:"default_value"`
	Owner       *flagOwnerBody   `json:"owner"`
	Targets     []targetBody     `json:"targets"`
}

// flagOwnerBody is who looks after a flag.
type flagOwnerBody struct {
	Email     string `json:"email"`
	FirstName string `json:"first_name"`
	LastName  string `json:"last_name"`
}

// targetBody names a target.
type targetBody struct {
	Type string `json:"type"`
	ID   string `json:"id"`
}

// apply puts what was given into f.
func (b *flagBody) apply(f *featureflag.Flag) {
	if b.Name.given {
		f.Name = b.Name.value
	}
	if b.Description.given {
		f.Description = b.Description.value
	}
	if b.Tags.given {
		f.Tags = append([]string{}, b.Tags.value...)
	}
	if b.Enabled.given {
		f.Enabled = b.Enabled.value
	}
	if b.Default.given {
		f.Default = b.Default.value
	}
	if b.Owner != nil {
		f.Owner = &featureflag.Owner{Email: b.Owner.Email, FirstName: b.Owner.FirstName, LastName: b.Owner.LastName}
	}
}

// createFlag is POST /_lentil/v1/feature-flags.
func (a *API) createFlag(w http.ResponseWriter, r *http.Request) error {
	var b flagBody
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	f := featureflag.Flag{Slug: b.Slug, Name: b.Slug}
	b.apply(&f)
	var targets []featureflag.Target
	for _, t := range b.Targets {
		targets = append(targets, featureflag.Target{Kind: t.Type, ID: t.ID})
	}
	made, err := a.Flags.Create(r.Context(), environment(r).ID, f, targets)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusCreated, newFlagObject(made))
	return nil
}

// updateFlag is PUT /_lentil/v1/feature-flags/{slug}: members that are absent stay.
func (a *API) updateFlag(w http.ResponseWriter, r *http.Request) error {
	var b flagBody
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	f, err := a.Flags.Change(r.Context(), environment(r).ID, r.PathValue("slug"), func(f *featureflag.Flag) { b.apply(f) })
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, newFlagObject(f))
	return nil
}

// deleteFlag is DELETE /_lentil/v1/feature-flags/{slug}.
func (a *API) deleteFlag(w http.ResponseWriter, r *http.Request) error {
	return noContent(w, a.Flags.Delete(r.Context(), environment(r).ID, r.PathValue("slug")))
}

// addCustomTarget is POST /_lentil/v1/feature-flags/{slug}/targets.
func (a *API) addCustomTarget(w http.ResponseWriter, r *http.Request) error {
	var b targetBody
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	return noContent(w, a.Flags.AddTarget(r.Context(), environment(r).ID, r.PathValue("slug"), featureflag.Target{Kind: b.Type, ID: b.ID}))
}

// removeCustomTarget is DELETE /_lentil/v1/feature-flags/{slug}/targets/{type}/{id}.
func (a *API) removeCustomTarget(w http.ResponseWriter, r *http.Request) error {
	t := featureflag.Target{Kind: r.PathValue("type"), ID: r.PathValue("id")}
	return noContent(w, a.Flags.RemoveTarget(r.Context(), environment(r).ID, r.PathValue("slug"), t))
}
