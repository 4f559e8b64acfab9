package authflow

import (
	"context"
	"slices"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
)

// A server that shows pages of its own is told one by one what else a sign-in needs:
// each refusal carries a pending authentication token, which stands for what was
// shown so far, and the grant that answers it continues from there (workos-api.md
// §1.6). A token is used up by the answer; the next refusal brings another.

// pendingLifetime is how long each of these steps may take (workos-api.md §2.3).
const pendingLifetime = 10 * time.Minute

// maxPendingWrong is how many wrong answers one token survives.
const maxPendingWrong = 10

// evidence is what has been shown so far.
type evidence struct {
	User          identity.UserID
	Method        identity.Method
	Second        string // the second factor, as amr spells it
	Mailbox       bool   // the person reads the address's mail
	Organization  identity.OrganizationID
	Invitation    string // token of the invitation that came along
	Authenticated time.Time
	Kinds         []string // what authentication events to write at the end
	IPAddress     string
	UserAgent     string
}

// pendingRow writes evidence.
func pendingRow(secret string, e *identity.Environment, ev *evidence, expires time.Time) identity.Row {
	return identity.Row{
		identity.Text("hash", secretHash("pending authentication", secret)), identity.Text("environment", e.ID), identity.Text("user", ev.User),
		identity.Text("method", ev.Method), identity.Text("second", ev.Second), identity.Flag("mailbox", ev.Mailbox), identity.Text("organization", ev.Organization),
		identity.Text("invitation", ev.Invitation), identity.Time("authenticated", ev.Authenticated), identity.Texts("kinds", ev.Kinds),
		identity.Text("ip_address", ev.IPAddress), identity.Text("user_agent", ev.UserAgent), identity.Number("wrong", 0), identity.Time("expires", expires),
	}
}

// readPending is the reverse of pendingRow.
func readPending(r identity.Record) *evidence {
	return &evidence{
		User: identity.UserID(r.Text("user")), Method: identity.Method(r.Text("method")), Second: r.Text("second"), Mailbox: r.Flag("mailbox"),
		Organization: identity.OrganizationID(r.Text("organization")), Invitation: r.Text("invitation"), Authenticated: r.Time("authenticated"),
		Kinds: r.Texts("kinds"), IPAddress: r.Text("ip_address"), UserAgent: r.Text("user_agent"),
	}
}

// The refusals of the chain.
var (
	errPending   = plain("invalid_pending_authentication_token", "The pending authentication token is invalid or has expired.")
	errCodeWrong = plain("invalid_one_time_code", "Invalid one-time code.")
)

// pending finds what a token stands for. The row is to be removed, or its wrong
// answers counted.
func (g *grantCall) pending(tx *identity.Tx) (*identity.Found, *evidence, error) {
	if !secretLooksRight(g.PendingAuthenticationToken) {
		return nil, nil, errPending
	}
	row, err := tx.First(tablePending, "on_hash", secretHash("pending authentication", g.PendingAuthenticationToken))
	if err != nil {
		return nil, nil, err
	}
	if row == nil || row.Text("environment") != string(g.environment.ID) || !tx.Now().Before(row.Time("expires")) {
		return nil, nil, errPending
	}
	if row.Number("wrong") >= maxPendingWrong {
		return nil, nil, plain("one_time_code_too_many_attempts", "The one-time code was entered wrongly too often.")
	}
	return row, readPending(row.Record), nil
}

// shown is what a grant has shown: evidence, or the refusal of an answer that is to
// be remembered.
type shown struct {
	evidence *evidence
	refusal  error
}

// settle runs a grant of the chain: show says, in the transaction, what the grant
// shows, and conclude what follows from it.
func (f *Flow) settle(ctx context.Context, g *grantCall, show func(tx *identity.Tx) (shown, error)) error {
	var refusal error
	var letters []letter
	err := f.Identity.Update(ctx, func(tx *identity.Tx) error {
		refusal, letters = nil, nil
		if err := g.enter(tx); err != nil {
			return err
		}
		s, err := show(tx)
		if err != nil {
			return err
		}
		if s.refusal != nil { // and the transaction stands: the answer is counted
			refusal = s.refusal
			return nil
		}
		if g.IPAddress != "" {
			s.evidence.IPAddress = g.IPAddress
		}
		if g.UserAgent != "" {
			s.evidence.UserAgent = g.UserAgent
		}
		refusal, letters, err = f.conclude(tx, g, s.evidence)
		return err
	})
	if err != nil {
		return err
	}
	for _, l := range letters {
		_, k, _ := identity.ParseEmail(l.Email)
		if retry := f.limits.take(accountKey("send", string(g.environment.ID), k), limitSend, time.Now()); retry > 0 {
			return apierr.New(apierr.RateLimited, "too_many_requests", "%s", tooMuch("", retry).Message).With(&Refusal{OAuth: true})
		}
		if f.mailBusy() {
			return errMailBusy
		}
	}
	f.post(letters)
	return refusal
}

// conclude begins the session if nothing more is needed, else says what is. The
// order is that of the pages: address, second factor, organization.
func (f *Flow) conclude(tx *identity.Tx, g *grantCall, ev *evidence) (refusal error, letters []letter, err error) {
	e := g.environment
	u, err := tx.User(e.ID, ev.User)
	if apierr.KindOf(err) == apierr.NotFound { // deleted meanwhile
		return nil, nil, errPending
	}
	if err != nil {
		return nil, nil, err
	}
	if err := f.homeFirst(tx, g, u, ev.Method); err != nil {
		return nil, nil, err
	}
	if ev.Invitation != "" {
		i, err := invited(tx, e, ev.Invitation, u)
		if err != nil {
			return nil, nil, err
		}
		// Its token was mailed to the address and came back. If it is an organization's,
		// that is where the person wants to go.
		if _, to, _ := identity.ParseEmail(i.Email); to == emailKey(u.Email) {
			ev.Mailbox = true
		}
		if i.Organization != "" {
			ev.Organization = i.Organization
		}
	}
	if !u.EmailVerified {
		if !ev.Mailbox {
			return f.askMailbox(tx, g, ev, u)
		}
		yes := true
		if u, err = tx.UpdateUser(e.ID, u.ID, identity.UserChange{EmailVerified: &yes}); err != nil {
			return nil, nil, err
		}
	}
	if refusal, err := askSecond(tx, g, ev, u, e.Settings.MFA); refusal != nil || err != nil {
		return refusal, nil, err
	}
	if ev.Invitation != "" {
		if _, _, err := tx.AcceptInvitation(e.ID, ev.Invitation, u.ID); err != nil {
			return nil, nil, invitationRefused(err)
		}
	}
	if refusal, err := f.chooseOrganization(tx, g, ev, u); refusal != nil || err != nil {
		return refusal, nil, err
	}
	if ev.Organization != "" { // which may want more than the environment does
		policy, err := tx.OrganizationMFA(e.ID, ev.Organization)
		if err != nil {
			return nil, nil, err
		}
		if policy == identity.MFARequired {
			if refusal, err := askSecond(tx, g, ev, u, policy); refusal != nil || err != nil {
				return refusal, nil, err
			}
		}
	}
	for _, kind := range ev.Kinds {
		if err := tx.RecordAuthentication(e.ID, authentication(kind, "succeeded", u, ev.IPAddress, ev.UserAgent, u.Email)); err != nil {
			return nil, nil, err
		}
	}
	return nil, nil, f.start(tx, g, identity.NewSession{User: u.ID, Organization: ev.Organization, Method: ev.Method, Second: ev.Second, Authenticated: ev.Authenticated,
		IPAddress: ev.IPAddress, UserAgent: ev.UserAgent})
}

// wait stores evidence and gives the token that stands for it.
func wait(tx *identity.Tx, g *grantCall, ev *evidence) (secret string, err error) {
	secret = newSecret()
	return secret, tx.Add(tablePending, pendingRow(secret, g.environment, ev, tx.Now().Add(pendingLifetime)))
}

// askMailbox mails a code and asks for it.
func (f *Flow) askMailbox(tx *identity.Tx, g *grantCall, ev *evidence, u *identity.User) (refusal error, letters []letter, err error) {
	c, err := tx.CreateCode(g.environment.ID, identity.NewCode{Kind: identity.CodeEmailVerification, User: u.ID, Email: u.Email})
	if err != nil {
		return nil, nil, plainly(err)
	}
	secret, err := wait(tx, g, ev)
	if err != nil {
		return nil, nil, err
	}
	refusal = apierr.New(apierr.Forbidden, "email_verification_required", "Email ownership must be verified before authentication.").
		With(&Refusal{PendingAuthenticationToken: secret, Email: u.Email, EmailVerificationID: string(c.ID)})
	return refusal, []letter{{Environment: *g.environment, Kind: letterVerify, Email: u.Email, User: u.ID, Code: c.Code}}, nil
}

// secondFactorFor tells whether a method is one of those that a second factor adds
// to: an identity provider and a passkey have seen to that themselves.
func secondFactorFor(m identity.Method) bool {
	return m != identity.MethodSSO && m != identity.MethodPasskey && m != identity.MethodImpersonation
}

// askSecond asks for a code of the user's app, or to enrol one; nil if neither is
// called for.
func askSecond(tx *identity.Tx, g *grantCall, ev *evidence, u *identity.User, policy identity.MFAPolicy) (refusal, err error) {
	if policy == identity.MFAOff || ev.Second != "" || !secondFactorFor(ev.Method) {
		return nil, nil
	}
	all, err := tx.Factors(g.environment.ID, u.ID)
	if err != nil {
		return nil, err
	}
	factors := slices.DeleteFunc(all, func(f identity.Factor) bool { return f.Type != identity.FactorTOTP })
	if len(factors) == 0 && policy != identity.MFARequired {
		return nil, nil
	}
	secret, err := wait(tx, g, ev)
	if err != nil {
		return nil, err
	}
	if len(factors) == 0 {
		return apierr.New(apierr.Forbidden, "mfa_enrollment", "The user must enroll in MFA to finish authenticating.").
			With(&Refusal{PendingAuthenticationToken: secret, User: u}), nil
	}
	return apierr.New(apierr.Forbidden, "mfa_challenge", "The user must complete an MFA challenge to finish authenticating.").
		With(&Refusal{PendingAuthenticationToken: secret, User: u, Factors: factors}), nil
}

// chooseOrganization settles which organization the session is for: the one that was
// chosen, or the only one, or none if there are none; else it asks.
func (f *Flow) chooseOrganization(tx *identity.Tx, g *grantCall, ev *evidence, u *identity.User) (refusal, err error) {
	active, err := activeMemberships(tx, g.environment.ID, u.ID)
	if err != nil {
		return nil, err
	}
	switch {
	case ev.Organization != "":
		if !slices.ContainsFunc(active, func(m identity.Membership) bool { return m.Organization == ev.Organization }) {
			return nil, plain("invalid_organization_id", "The user is not an active member of this organization.")
		}
	case len(active) == 1:
		ev.Organization = active[0].Organization
	case len(active) > 1:
		var choices []OrganizationChoice
		for _, m := range active {
			o, err := tx.Organization(g.environment.ID, m.Organization)
			if err != nil {
				return nil, err
			}
			choices = append(choices, OrganizationChoice{o.ID, o.Name})
		}
		secret, err := wait(tx, g, ev)
		if err != nil {
			return nil, err
		}
		return apierr.New(apierr.Forbidden, "organization_selection_required", "The user must choose an organization to finish their authentication.").
			With(&Refusal{PendingAuthenticationToken: secret, User: u, Organizations: choices}), nil
	}
	if ev.Organization == "" || f.Rules == nil || ev.Method == identity.MethodSSO || ev.Method == identity.MethodImpersonation {
		return nil, nil
	}
	connections, err := f.Rules.ConnectionsFor(tx, g.environment, ev.Organization, u)
	if err != nil || len(connections) == 0 {
		return nil, err
	}
	return nil, ssoRequired(u.Email, connections)
}

// activeMemberships lists the organizations that a user may enter, oldest membership
// first.
func activeMemberships(tx *identity.Tx, env identity.EnvironmentID, user identity.UserID) ([]identity.Membership, error) {
	all, err := tx.Memberships(env, user)
	return slices.DeleteFunc(all, func(m identity.Membership) bool { return m.Status != identity.MembershipActive }), err
}

// invited finds an invitation that a user may accept, or has accepted already.
func invited(tx *identity.Tx, e *identity.Environment, token string, u *identity.User) (*identity.Invitation, error) {
	i, err := tx.InvitationByToken(e.ID, token)
	if err != nil {
		return nil, invitationRefused(err)
	}
	switch {
	case i.State(tx.Now()) != identity.InvitationPending && i.AcceptedBy != u.ID:
		return nil, errInvitation
	case !i.Invites(u.Email):
		return nil, oauth("invitation_cannot_be_used_for_email", "The invitation is for another email address.")
	}
	return i, nil
}

// errInvitation is the refusal of an invitation that is unknown, used or over.
var errInvitation = oauth("invitation_invalid", "The invitation is invalid, was used, or has expired.")

// invitationRefused says in the words of this endpoint why an invitation does not let
// somebody in.
func invitationRefused(err error) error {
	e, ok := apierr.As(err)
	switch {
	case !ok || e.Kind == apierr.Internal || e.Kind == apierr.Overloaded:
		return err
	case e.Code == "invitation_cannot_be_used_for_email":
		return oauth(e.Code, "%s", e.Message)
	}
	return errInvitation
}

// emailKey is an address in comparable form.
func emailKey(email string) string {
	_, k, _ := identity.ParseEmail(email)
	return k
}

// plainly gives a refusal from below the form {code, message}.
func plainly(err error) error {
	if e, ok := apierr.As(err); ok {
		if _, shaped := e.Details.(*Refusal); !shaped {
			return e.With(&Refusal{})
		}
	}
	return err
}
