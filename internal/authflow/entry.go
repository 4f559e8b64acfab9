package authflow

import (
	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
)

// EntryRules says how the members of organizations must sign in.
type EntryRules interface {
	// ConnectionsFor lists the connections of which a member must come through one
	// to enter an organization; none if any method will do.
	ConnectionsFor(tx *identity.Tx, e *identity.Environment, org identity.OrganizationID, u *identity.User) ([]string, error)
}

// The refusals of entering an organization.
var (
	errNotMember = oauth("organization_membership_not_found", "The user is not an active member of this organization.")
	errNoOrg     = oauth("organization_not_found", "There is no such organization.")
)

// mayEnter refuses a session's move into an organization that its user is no member
// of, or that wants another way of signing in than the session began with.
func (f *Flow) mayEnter(tx *identity.Tx, g *grantCall, org identity.OrganizationID) error {
	if _, err := tx.Organization(g.environment.ID, org); apierr.KindOf(err) == apierr.NotFound {
		return errNoOrg
	} else if err != nil {
		return err
	}
	m, err := tx.Membership(g.environment.ID, g.user.ID, org)
	if err != nil {
		return err
	}
	if m == nil || m.Status != identity.MembershipActive {
		return errNotMember
	}
	return f.entryRules(tx, g, org)
}

// entryRules refuses an organization that wants a second factor or its own identity
// provider, unless the session showed the one or came through the other, or is an
// impersonator's.
func (f *Flow) entryRules(tx *identity.Tx, g *grantCall, org identity.OrganizationID) error {
	s := g.session
	policy, err := tx.OrganizationMFA(g.environment.ID, org)
	if err != nil {
		return err
	}
	if policy == identity.MFARequired && s.Second == "" && secondFactorFor(s.Method) {
		return oauth("mfa_enrollment", "This organization wants a second factor. Sign in with organization_id to show or enroll one.")
	}
	if f.Rules == nil || s.Method == identity.MethodImpersonation || s.Method == identity.MethodSSO && s.Organization == org {
		return nil
	}
	connections, err := f.Rules.ConnectionsFor(tx, g.environment, org, g.user)
	if err != nil || len(connections) == 0 {
		return err
	}
	return ssoRequired(g.user.Email, connections)
}

// ssoRequired sends a person to their organization's identity provider.
func ssoRequired(email string, connections []string) error {
	return apierr.New(apierr.BadRequest, "sso_required", "User must authenticate using one of the matching connections.").
		With(&Refusal{OAuth: true, Email: email, ConnectionIDs: connections})
}

// homeFirst refuses a session that a server's own pages begin for somebody whose
// organization has an identity provider for their address; the hosted pages have
// seen to it themselves.
func (f *Flow) homeFirst(tx *identity.Tx, g *grantCall, u *identity.User, m identity.Method) error {
	if f.SSO == nil || m == identity.MethodSSO || m == identity.MethodImpersonation {
		return nil
	}
	home, err := f.SSO.Home(tx, g.environment.ID, u.Email)
	if err != nil || home == nil {
		return err
	}
	connections, err := f.SSO.ConnectionsFor(tx, g.environment, home.Organization, u)
	if err != nil {
		return err
	}
	return ssoRequired(u.Email, connections)
}
