package workos

import (
	"net/http"
	"time"

	"github.com/lentil-dev/lentil/internal/agent"
	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
)

// agentRoutes are about agents.
func (a *API) agentRoutes() []Route {
	return []Route{
		{"PATCH", "/agents/claims/attempts", "linkClaimAttemptToExternalUser", "key", corsNone, false, a.claimAgent},
		{"POST", "/agents/credentials/validate", "validateCredential", "key", corsNone, false, a.validateAgent},
		{"GET", "/agents/registrations/{id}", "getRegistration", "key", corsNone, false, a.getAgent},
		// Agents register through the application; docs/OPERATOR.md.
		{"POST", "/_lentil/v1/agents/registrations", "", "key", corsNone, false, a.registerAgent},
		{"POST", "/_lentil/v1/agents/registrations/{id}/revoke", "", "key", corsNone, false, a.revokeAgent},
	}
}

// agentIssuer is the issuer of agents' access tokens.
func (a *API) agentIssuer(r *http.Request) string { return a.baseURL(r) + "/agents" }

// agentObject is a registration on the wire.
type agentObject struct {
	ID           string        `json:"id"`
	Identity     agentIdentity `json:"agent_identity"`
	Organization string        `json:"organization_id"`
	Status       agent.Status  `json:"status"`
	Kind         agent.Kind    `json:"kind"`
	Claim        *agentClaim   `json:"claim"`
	CreatedAt    string        `json:"created_at"`
	UpdatedAt    string        `json:"updated_at"`
}

// agentIdentity is whom an agent acts as.
type agentIdentity struct {
	ID        string  `json:"id"`
	User      *string `json:"userland_user_id"`
	CreatedAt string  `json:"created_at"`
	UpdatedAt string  `json:"updated_at"`
}

// agentClaim is how a person takes an agent over.
type agentClaim struct {
	ID         string           `json:"id"`
	Completion *agentCompletion `json:"claim_completion"`
	CreatedAt  string           `json:"created_at"`
	UpdatedAt  string           `json:"updated_at"`
	ExpiresAt  string           `json:"expires_at"`
}

// agentCompletion tells that somebody did.
type agentCompletion struct {
	ID        string `json:"id"`
	CreatedAt string `json:"created_at"`
	UpdatedAt string `json:"updated_at"`
	ExpiresAt string `json:"expires_at"`
	ClaimedAt string `json:"claimed_at"`
}

// newAgentObject shows x.
func newAgentObject(x *agent.Registration, st agent.Status) agentObject {
	created, updated, expires := identity.FormatTime(x.Created), identity.FormatTime(x.Updated), identity.FormatTime(x.Claim.Expires)
	o := agentObject{ID: x.ID, Identity: agentIdentity{x.Identity, orNull(string(x.User)), created, updated}, Organization: string(x.Organization), Status: st, Kind: x.Kind,
		Claim: &agentClaim{ID: x.Claim.ID, CreatedAt: created, UpdatedAt: updated, ExpiresAt: expires}, CreatedAt: created, UpdatedAt: updated}
	if !x.Claim.Completed.IsZero() {
		at := identity.FormatTime(x.Claim.Completed)
		o.Claim.Completion = &agentCompletion{x.Claim.Attempt, at, at, expires, at}
	}
	return o
}

// claimAgent is PATCH /agents/claims/attempts.
func (a *API) claimAgent(w http.ResponseWriter, r *http.Request) error {
	var b struct {
		Type  string `json:"type"`
		Token string `json:"claim_attempt_token"`
		User  struct {
			Email      string `json:"email"`
			ExternalID string `json:"external_id"`
		} `json:"user"`
		Organization identity.OrganizationID `json:"organization_id"`
	}
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	if b.Type != "link_external_user" {
		return apierr.New(apierr.BadRequest, "invalid_request", "type must be link_external_user.")
	}
	c, err := a.Agents.Claim(r.Context(), environment(r).ID, b.Token, agent.Claimant{Email: b.User.Email, ExternalID: b.User.ExternalID, Organization: b.Organization})
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, struct {
		ID            string         `json:"id"`
		Status        agent.Status   `json:"status"`
		UserCode      string         `json:"user_code"`
		Organizations []agent.Choice `json:"organizations"`
	}{c.Registration.Claim.ID, c.Status, c.Registration.Claim.UserCode, c.Organizations})
	return nil
}

// validateAgent is POST /agents/credentials/validate.
func (a *API) validateAgent(w http.ResponseWriter, r *http.Request) error {
	var b struct {
		Type       string `json:"type"`
		Credential string `json:"credential"`
		Audience   string `json:"audience"`
	}
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	var v agent.Validity
	var err error
	switch b.Type {
	case "api_key":
		v, err = a.Agents.ValidateKey(r.Context(), environment(r).ID, b.Credential)
	case "access_token":
		v, err = a.Agents.ValidateToken(r.Context(), a.agentIssuer(r), environment(r).ID, b.Credential, b.Audience)
	default:
		err = apierr.New(apierr.BadRequest, "invalid_request", "type must be api_key or access_token.")
	}
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, struct {
		Valid        bool    `json:"valid"`
		Registration *string `json:"registration_id"`
		ExpiresAt    *string `json:"expires_at"`
	}{v.Registration != "", orNull(v.Registration), timeOrNull(v.Expires)})
	return nil
}

// getAgent is GET /agents/registrations/{id}.
func (a *API) getAgent(w http.ResponseWriter, r *http.Request) error {
	x, st, err := a.Agents.Get(r.Context(), environment(r).ID, r.PathValue("id"))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, newAgentObject(x, st))
	return nil
}

// registerAgent is POST /_lentil/v1/agents/registrations.
func (a *API) registerAgent(w http.ResponseWriter, r *http.Request) error {
	var b struct {
		Organization identity.OrganizationID `json:"organization_id"`
		Kind         agent.Kind              `json:"kind"`
		LoginHint    string                  `json:"login_hint"`
		ExpiresIn    int                     `json:"expires_in"`
	}
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	x, err := a.Agents.Register(r.Context(), a.agentIssuer(r), environment(r).ID,
		agent.New{Organization: b.Organization, Kind: b.Kind, LoginHint: b.LoginHint, Life: time.Duration(b.ExpiresIn) * time.Second})
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, http.StatusCreated, struct {
		Registration agentObject `json:"registration"`
		Key          string      `json:"api_key"`
		Token        string      `json:"access_token"`
		Claim        string      `json:"claim_attempt_token"`
		UserCode     string      `json:"user_code"`
	}{newAgentObject(&x.Registration, agent.Unverified), x.Key, x.Token, x.ClaimToken, x.Registration.Claim.UserCode})
	return nil
}

// revokeAgent is POST /_lentil/v1/agents/registrations/{id}/revoke.
func (a *API) revokeAgent(w http.ResponseWriter, r *http.Request) error {
	return noContent(w, a.Agents.Revoke(r.Context(), environment(r).ID, r.PathValue("id")))
}
