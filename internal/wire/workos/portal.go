package workos

import (
	"net/http"
	"net/url"

	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/sso"
)

// portalRoutes are about the admin portal and widgets.
func (a *API) portalRoutes() []Route {
	return []Route{
		{"POST", "/portal/generate_link", "generateLink", "key", corsNone, false, a.generateLink},
	}
}

// PortalPath is where a link to the portal leads; the secret follows as a parameter.
const PortalPath = "/portal/launch"

// generateLink is POST /portal/generate_link.
func (a *API) generateLink(w http.ResponseWriter, r *http.Request) error {
	var b struct {
		Organization string `json:"organization"`
		Intent       string `json:"intent"`
		ReturnURL    string `json:"return_url"`
		SuccessURL   string `json:"success_url"`
	}
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	secret, err := a.SSO.PortalLink(r.Context(), sso.Portal{Environment: environment(r).ID, Organization: identity.OrganizationID(b.Organization),
		Intent: sso.Intent(b.Intent), ReturnURL: b.ReturnURL, SuccessURL: b.SuccessURL})
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusCreated, map[string]string{"link": a.baseURL(r) + PortalPath + "?secret=" + url.QueryEscape(secret)})
	return nil
}
