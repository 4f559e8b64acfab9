package workos

import (
	"net/http"

	"github.com/lentil-dev/lentil/internal/identity"
)

// redirectURIObject is a registered redirect URI.
type redirectURIObject struct {
	Object    string `json:"object"`
	ID        string `json:"id"`
	URI       string `json:"uri"`
	Default   bool   `json:"default"`
	CreatedAt string `json:"created_at"`
	UpdatedAt string `json:"updated_at"`
}

// newRedirectURIObject shows u.
func newRedirectURIObject(u *identity.RedirectURI) redirectURIObject {
	return redirectURIObject{"redirect_uri", string(u.ID), u.URI, u.Default,
		identity.FormatTime(u.Created), identity.FormatTime(u.Updated)}
}

// listRedirectURIs is GET /user_management/redirect_uris.
func (a *API) listRedirectURIs(w http.ResponseWriter, r *http.Request) error {
	page, err := pageOf(r)
	if err != nil {
		return err
	}
	list, err := a.Identity.RedirectURIs(r.Context(), environment(r).ID, page)
	if err != nil {
		return err
	}
	return writeList(w, list, newRedirectURIObject)
}

// createRedirectURI is POST /user_management/redirect_uris.
func (a *API) createRedirectURI(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		URI string `json:"uri"`
	}
	if err := decodeBody(r, &body); err != nil {
		return err
	}
	if body.URI == "" {
		return missing("uri")
	}
	u, err := a.Identity.AddRedirectURI(r.Context(), environment(r).ID, body.URI)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusCreated, newRedirectURIObject(u))
	return nil
}

// deleteRedirectURI is DELETE /user_management/redirect_uris/{id}.
func (a *API) deleteRedirectURI(w http.ResponseWriter, r *http.Request) error {
	err := a.Identity.DeleteRedirectURI(r.Context(), environment(r).ID, identity.RedirectURIID(r.PathValue("id")))
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// corsOriginObject is a registered origin.
type corsOriginObject struct {
	Object    string `json:"object"`
	ID        string `json:"id"`
	Origin    string `json:"origin"`
	CreatedAt string `json:"created_at"`
	UpdatedAt string `json:"updated_at"`
}

// newCORSOriginObject shows o.
func newCORSOriginObject(o *identity.CORSOrigin) corsOriginObject {
	return corsOriginObject{"cors_origin", string(o.ID), o.Origin,
		identity.FormatTime(o.Created), identity.FormatTime(o.Updated)}
}

// listCORSOrigins is GET /user_management/cors_origins.
func (a *API) listCORSOrigins(w http.ResponseWriter, r *http.Request) error {
	page, err := pageOf(r)
	if err != nil {
		return err
	}
	list, err := a.Identity.CORSOrigins(r.Context(), environment(r).ID, page)
	if err != nil {
		return err
	}
	return writeList(w, list, newCORSOriginObject)
}

// createCORSOrigin is POST /user_management/cors_origins.
func (a *API) createCORSOrigin(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Origin string `json:"origin"`
	}
	if err := decodeBody(r, &body); err != nil {
		return err
	}
	if body.Origin == "" {
		return missing("origin")
	}
	o, err := a.Identity.AddCORSOrigin(r.Context(), environment(r).ID, body.Origin)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusCreated, newCORSOriginObject(o))
	return nil
}

// setHomepage is PUT /user_management/app_homepage_url.
func (a *API) setHomepage(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		URL string `json:"url"`
	}
	if err := decodeBody(r, &body); err != nil {
		return err
	}
	if body.URL == "" {
		return missing("url")
	}
	if err := a.Identity.SetHomepage(r.Context(), environment(r).ID, body.URL); err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, map[string]string{"object": "app_homepage_url", "url": body.URL})
	return nil
}
