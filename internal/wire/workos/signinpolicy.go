package workos

import (
	"net/http"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
)

// policyObject is what an organization asks of its members' sign-ins.
type policyObject struct {
	Object         string             `json:"object"`
	OrganizationID string             `json:"organization_id"`
	MFAPolicy      identity.MFAPolicy `json:"mfa_policy"`
}

// getSignInPolicy is GET /_lentil/v1/organizations/{id}/sign_in_policy.
func (a *API) getSignInPolicy(w http.ResponseWriter, r *http.Request) error {
	out := policyObject{Object: "sign_in_policy", OrganizationID: r.PathValue("id")}
	env, org := environment(r).ID, identity.OrganizationID(r.PathValue("id"))
	err := a.Identity.View(r.Context(), func(tx *identity.Tx) error {
		if _, err := tx.Organization(env, org); err != nil {
			return err
		}
		p, err := tx.OrganizationMFA(env, org)
		out.MFAPolicy = showMFA(p)
		return err
	})
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, out)
	return nil
}

// putSignInPolicy is PUT /_lentil/v1/organizations/{id}/sign_in_policy.
func (a *API) putSignInPolicy(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		MFAPolicy *identity.MFAPolicy `json:"mfa_policy"`
	}
	if err := decodeBody(r, &body); err != nil {
		return err
	}
	if body.MFAPolicy == nil {
		return missing("mfa_policy")
	}
	err := a.Identity.Update(r.Context(), func(tx *identity.Tx) error {
		return tx.SetOrganizationMFA(environment(r).ID, identity.OrganizationID(r.PathValue("id")), readMFA(*body.MFAPolicy))
	})
	if refused, ok := apierr.As(err); ok && refused.Kind == apierr.BadRequest {
		return invalidField("mfa_policy", "invalid", "%s", refused.Message)
	}
	if err != nil {
		return err
	}
	return a.getSignInPolicy(w, r)
}
