package agent

import (
	"context"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
)

// Claimant is the user whom an application says an agent belongs to.
type Claimant struct {
	Email        string
	ExternalID   string
	Organization identity.OrganizationID // "" to go by the user's memberships
}

// Choice is an organisation that a claimant may choose.
type Choice struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// Claimed is a registration after a claim, and where its user may act.
type Claimed struct {
	Registration
	Status        Status
	Organizations []Choice
}

// no makes a refusal of a claim.
func no(kind apierr.Kind, code, format string, args ...any) *apierr.Error {
	return apierr.New(kind, code, format, args...)
}

// Claim completes the claim of a token for a user of the application, who is made
// if need be. The application's word is taken for the address.
func (s *Service) Claim(ctx context.Context, env identity.EnvironmentID, claimToken string, who Claimant) (c *Claimed, err error) {
	if _, _, ok := identity.ParseEmail(who.Email); !ok || who.ExternalID == "" || len(claimToken) > 256 {
		return nil, no(apierr.BadRequest, "invalid_request", "A claim needs its token and a user with an e-mail address and an external id.")
	}
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		f, err := tx.First(tableRegistrations, "on_claim", hash("claim", claimToken))
		if err != nil {
			return err
		}
		if f == nil || f.Text("environment") != string(env) {
			return no(apierr.BadRequest, "invalid_claim", "There is no such claim.")
		}
		r := readRegistration(f.Record)
		switch st := r.Status(tx.Now()); {
		case !r.Claim.Completed.IsZero():
			return no(apierr.Conflict, "already_claimed", "This agent was claimed already.")
		case st == Revoked:
			return no(apierr.Forbidden, "claim_denied", "The agent's registration was revoked.")
		case st == Expired || !tx.Now().Before(r.Claim.Expires):
			return no(apierr.BadRequest, "claim_expired", "The claim is over; register the agent again.")
		case r.Claim.LoginHint != "" && !strings.EqualFold(r.Claim.LoginHint, who.Email):
			return no(apierr.BadRequest, "wrong_account", "The agent was registered for another account.")
		}
		u, err := claimant(tx, env, who)
		if err != nil {
			return err
		}
		c = &Claimed{Registration: *r}
		if err := c.settle(tx, u, who.Organization); err != nil {
			return err
		}
		c.User, c.verified, c.Claim.Completed, c.Updated = u.ID, true, tx.Now(), tx.Now()
		c.Status = c.Registration.Status(tx.Now())
		if err := tx.Put(f.Doc, registrationRow(&c.Registration, f.Text("claim_hash"))); err != nil {
			return err
		}
		return c.recordClaim(tx)
	})
	return c, err
}

// claimant finds the user of an application's id or makes one.
func claimant(tx *identity.Tx, env identity.EnvironmentID, who Claimant) (*identity.User, error) {
	u, err := tx.UserByExternalID(env, who.ExternalID)
	if err != nil {
		return nil, err
	}
	if u != nil {
		if !strings.EqualFold(u.Email, who.Email) {
			return nil, no(apierr.BadRequest, "email_mismatch", "The user of this external id has another address.")
		}
		return u, nil
	}
	if u, err = tx.UserByEmail(env, who.Email); err != nil {
		return nil, err
	}
	switch {
	case u == nil:
		return tx.CreateUser(env, identity.NewUser{Email: who.Email, EmailVerified: true, ExternalID: who.ExternalID})
	case u.ExternalID != "":
		return nil, no(apierr.Conflict, "email_already_in_use", "The address belongs to a user with another external id.")
	}
	return tx.UpdateUser(env, u.ID, identity.UserChange{ExternalID: &who.ExternalID})
}

// settle decides in which organisation the agent acts from now on: the one named, the
// one it was registered in, or the user's only one. A user of none leaves it where it
// is.
func (c *Claimed) settle(tx *identity.Tx, u *identity.User, named identity.OrganizationID) error {
	members, err := tx.Memberships(c.Environment, u.ID)
	if err != nil {
		return err
	}
	c.Organizations = []Choice{}
	here := false
	for _, m := range members {
		if m.Status != identity.MembershipActive {
			continue
		}
		o, err := tx.Organization(c.Environment, m.Organization)
		if err != nil {
			return err
		}
		c.Organizations = append(c.Organizations, Choice{string(o.ID), o.Name})
		here = here || m.Organization == c.Organization
		if m.Organization == named {
			c.Organization = named
			return nil
		}
	}
	switch {
	case named != "":
		return no(apierr.BadRequest, "invalid_organization", "The user is not a member of this organization.")
	case here || len(c.Organizations) == 0:
	case len(c.Organizations) == 1:
		c.Organization = identity.OrganizationID(c.Organizations[0].ID)
	default:
		return no(apierr.Conflict, "organization_selection_required", "The user is a member of several organizations; send organization_id.").
			With(map[string]any{"organizations": c.Organizations})
	}
	return nil
}

// identityEvent is an agent's identity as events show it.
type identityEvent struct {
	Object string           `json:"object"`
	ID     string           `json:"id"`
	User   *identity.UserID `json:"userland_user_id"`
}

// recordNew writes the events of a new registration.
func (r *Registered) recordNew(tx *identity.Tx, credential string) error {
	now := identity.FormatTime(r.Created)
	method := string(r.Kind)
	if r.Kind == IdentityAssertion {
		method = "id_jag"
	}
	err := tx.Record(r.Environment, "agent.registration.created", struct {
		Object       string                  `json:"object"`
		ID           string                  `json:"id"`
		Identity     identityEvent           `json:"agent_identity"`
		Organization identity.OrganizationID `json:"organization_id"`
		Status       Status                  `json:"status"`
		Kind         Kind                    `json:"kind"`
		Method       string                  `json:"method"`
		CreatedAt    string                  `json:"created_at"`
		UpdatedAt    string                  `json:"updated_at"`
	}{"agent_registration", r.ID, identityEvent{"agent_identity", r.Identity, nil}, r.Organization, Unverified, r.Kind, method, now, now})
	if err != nil {
		return err
	}
	return tx.Record(r.Environment, "agent.registration.credential.issued", map[string]any{"object": "agent_registration_credential", "id": credential,
		"agent_registration_id": r.ID, "detail": map[string]string{"kind": "api_key", "api_key_id": credential}, "created_at": now, "updated_at": now})
}

// recordClaim writes the event of a completed claim.
func (c *Claimed) recordClaim(tx *identity.Tx) error {
	now := identity.FormatTime(c.Updated)
	return tx.Record(c.Environment, "agent.registration.claim.completed", map[string]any{"object": "agent_registration_claim", "id": c.Registration.Claim.ID,
		"agent_registration_id": c.ID, "completed_by_attempt_id": c.Registration.Claim.Attempt,
		"claimed_by":   map[string]string{"user_id": string(c.User), "organization_id": string(c.Organization)},
		"completed_at": now, "created_at": identity.FormatTime(c.Created), "updated_at": now})
}

// Validity is what is told about a credential.
type Validity struct {
	Registration string // "" if it is not valid
	Expires      time.Time
}
