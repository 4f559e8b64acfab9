package workos

import (
	"net/http"

	"github.com/lentil-dev/lentil/internal/identity"
)

// operatorRoutes are about what an operator does beyond the public API.
func (a *API) operatorRoutes() []Route {
	return []Route{
		{"GET", "/_lentil/v1/settings", "", "key", corsNone, false, a.getSettings},
		{"PATCH", "/_lentil/v1/settings", "", "key", corsNone, false, a.patchSettings},
		{"GET", "/_lentil/v1/signing_keys", "", "key", corsNone, false, a.listSigningKeys},
		{"POST", "/_lentil/v1/signing_keys/rotate", "", "key", corsNone, false, a.rotateSigningKey},
		{"DELETE", "/_lentil/v1/signing_keys/{id}", "", "key", corsNone, false, a.revokeSigningKey},
		{"DELETE", "/_lentil/v1/roles/{slug}", "", "key", corsNone, false, a.deleteRole},
		{"PUT", "/_lentil/v1/roles/priority", "", "key", corsNone, false, a.orderRoles},
		{"PUT", "/_lentil/v1/organizations/{id}/entitlements", "", "key", corsNone, false, a.setEntitlements},
		{"GET", "/_lentil/v1/branding", "", "key", corsNone, false, a.getBranding},
		{"PATCH", "/_lentil/v1/branding", "", "key", corsNone, false, a.patchBranding},
		{"GET", "/_lentil/v1/organizations/{id}/sign_in_policy", "", "key", corsNone, false, a.getSignInPolicy},
		{"PUT", "/_lentil/v1/organizations/{id}/sign_in_policy", "", "key", corsNone, false, a.putSignInPolicy},
		{"GET", "/_lentil/v1/operations", "", "key", corsNone, false, a.listOperations},
		{"POST", "/_lentil/v1/impersonations", "", "key", corsNone, false, a.createImpersonation},
		{"GET", "/_lentil/v1/impersonations", "", "key", corsNone, false, a.listImpersonations},
		{"POST", "/_lentil/v1/sessions/revoke", "", "key", corsNone, false, a.revokeSessions},
		{"POST", "/_lentil/v1/imports", "", "key", corsNone, false, a.importUsers},
		{"POST", "/_lentil/v1/imports/archive", "", "key", corsNone, false, a.importArchive},
		{"GET", "/_lentil/v1/export", "", "key", corsNone, false, a.exportArchive},
		{"GET", "/_lentil/v1/export/users", "", "key", corsNone, false, a.exportUsers},
	}
}

// setEntitlements is PUT /_lentil/v1/organizations/{id}/entitlements.
func (a *API) setEntitlements(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Entitlements []string `json:"entitlements"`
	}
	if err := decodeBody(r, &body); err != nil {
		return err
	}
	org := identity.OrganizationID(r.PathValue("id"))
	now, err := a.Identity.SetEntitlements(r.Context(), environment(r).ID, org, body.Entitlements)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, map[string]any{"object": "entitlements", "organization_id": org, "entitlements": append([]string{}, now...)})
	return nil
}
