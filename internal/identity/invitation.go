package identity

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
)

// How long invitations last (workos-api.md §2.3), and what binds the seal of their
// tokens.
const (
	inviteDays        = 7
	maxInviteDays     = 30
	maxInvitesWaiting = 10_000 // of an organization; ours
	purposeInvitation = "identity invitation"
	invitationPrefix  = "invitation_"
)

// InvitationID is "invitation_…".
type InvitationID string

// InvitationState says what became of an invitation.
type InvitationState string

// The states of an invitation.
const (
	InvitationPending  InvitationState = "pending"
	InvitationAccepted InvitationState = "accepted"
	InvitationExpired  InvitationState = "expired"
	InvitationRevoked  InvitationState = "revoked"
)

// Invitation asks somebody to sign up or to join an organization. Whoever holds its
// token reads the mailbox it went to.
type Invitation struct {
	ID           InvitationID
	Environment  EnvironmentID
	Email        string
	Organization OrganizationID // "" for the application as such
	Role         string         // slug; "" for the default one
	Inviter      UserID         // "" if it came from the application
	AcceptedBy   UserID
	Token        string
	Locale       string
	Accepted     time.Time
	Revoked      time.Time
	Expires      time.Time
	Created      time.Time
	Updated      time.Time
}

// State tells an invitation's state at the given time.
func (i *Invitation) State(now time.Time) InvitationState {
	switch {
	case !i.Accepted.IsZero():
		return InvitationAccepted
	case !i.Revoked.IsZero():
		return InvitationRevoked
	case !now.Before(i.Expires):
		return InvitationExpired
	}
	return InvitationPending
}

// Invites reports whether somebody with this address may use the invitation:
// whoever was invited, and people of the same domain unless it gives everybody an
// address (workos-api.md §3).
func (i *Invitation) Invites(email string) bool {
	_, asked, ok := ParseEmail(email)
	_, invited, _ := ParseEmail(i.Email)
	if !ok {
		return false
	}
	return asked == invited || EmailDomain(asked) == EmailDomain(invited) && !ConsumerDomain(EmailDomain(invited))
}

// NewInvitation is what a caller says of an invitation to be made.
type NewInvitation struct {
	Email        string
	Organization OrganizationID
	Role         string
	Inviter      UserID
	Locale       string
	Days         *int // until it expires; 7 if nil
}

// invitationTables are the tables of this file. The time in "lapse" is when a
// pending invitation's place in the organization is to be given up.
var invitationTables = []database.TableDef{
	{Name: tableInvitations, Indexes: []database.IndexDef{
		{Name: "on_environment", Fields: []string{"environment", "id"}},
		{Name: "on_email", Fields: []string{"environment", "email_key", "id"}},
		{Name: "on_organization", Fields: []string{"environment", "organization", "id"}},
		{Name: "on_hash", Fields: []string{"hash"}},
		{Name: "on_lapse", Fields: []string{"lapse"}},
	}},
}

// invitationHash is how a token is found.
func invitationHash(token string) string {
	sum := sha256.Sum256([]byte("lentil invitation\x00" + token))
	return hex.EncodeToString(sum[:])
}

// invitationRow writes an invitation, its token sealed.
func (tx *Tx) invitationRow(i *Invitation) Row {
	_, k, _ := ParseEmail(i.Email)
	lapse := time.Time{}
	if i.Organization != "" && i.State(tx.now) == InvitationPending {
		lapse = i.Expires
	}
	return Row{
		Text("id", i.ID), Text("environment", i.Environment), Text("email", i.Email), Text("email_key", k), Text("organization", i.Organization),
		Text("role", i.Role), Text("inviter", i.Inviter), Text("accepted_by", i.AcceptedBy), Text("hash", invitationHash(i.Token)),
		Text("token", tx.s.Sealer.Seal(purposeInvitation, []byte(i.Token))), Text("locale", i.Locale), Time("accepted", i.Accepted),
		Time("revoked", i.Revoked), Time("expires", i.Expires), Time("lapse", lapse), Time("created", i.Created), Time("updated", i.Updated),
	}
}

// readInvitation is the reverse of invitationRow.
func (tx *Tx) readInvitation(r Record) (*Invitation, error) {
	token, err := tx.s.Sealer.Open(purposeInvitation, r.Text("token"))
	if err != nil {
		return nil, fmt.Errorf("identity: unseal invitation %s: %w", r.Text("id"), err)
	}
	return &Invitation{
		ID: InvitationID(r.Text("id")), Environment: EnvironmentID(r.Text("environment")), Email: r.Text("email"),
		Organization: OrganizationID(r.Text("organization")), Role: r.Text("role"), Inviter: UserID(r.Text("inviter")),
		AcceptedBy: UserID(r.Text("accepted_by")), Token: string(token), Locale: r.Text("locale"), Accepted: r.Time("accepted"),
		Revoked: r.Time("revoked"), Expires: r.Time("expires"), Created: r.Time("created"), Updated: r.Time("updated"),
	}, nil
}

// refuseInvite is the refusal of an invitation.
func refuseInvite(code, format string, args ...any) error {
	return apierr.New(apierr.BadRequest, code, format, args...)
}

// CreateInvitation makes an invitation. A user of that address has a pending
// membership in the organization from now on.
func (tx *Tx) CreateInvitation(id EnvironmentID, n NewInvitation) (*Invitation, error) {
	email, k, ok := ParseEmail(n.Email)
	if !ok {
		return nil, InvalidField("email", "email_invalid", "The email address is not valid.")
	}
	days := inviteDays
	if n.Days != nil {
		days = *n.Days
	}
	switch {
	case days < 1:
		return nil, refuseInvite("expires_in_days_too_short", "An invitation lasts at least one day.")
	case days > maxInviteDays:
		return nil, refuseInvite("expires_in_days_too_long", "An invitation lasts at most %d days.", maxInviteDays)
	case n.Role != "" && n.Organization == "":
		return nil, refuseInvite("invalid_role", "A role needs an organization: give organization_id too.")
	}
	if n.Inviter != "" {
		if _, err := tx.User(id, n.Inviter); err != nil {
			return nil, err
		}
	}
	u, err := tx.UserByEmail(id, email)
	if err != nil {
		return nil, err
	}
	if err := tx.mayInvite(id, n, k, u); err != nil {
		return nil, err
	}
	i := &Invitation{
		ID: InvitationID(tx.newID(invitationPrefix)), Environment: id, Email: email, Organization: n.Organization, Role: n.Role, Inviter: n.Inviter,
		Token: rand.Text(), Locale: n.Locale, Expires: tx.now.Add(time.Duration(days) * 24 * time.Hour), Created: tx.now, Updated: tx.now,
	}
	if err := tx.Add(tableInvitations, tx.invitationRow(i)); err != nil {
		return nil, err
	}
	if n.Organization != "" && u != nil {
		if m, err := tx.Membership(id, u.ID, n.Organization); err != nil {
			return nil, err
		} else if m == nil {
			if _, err := tx.AddMembership(id, NewMembership{User: u.ID, Organization: n.Organization, Roles: i.roles(), Status: MembershipPending}); err != nil {
				return nil, err
			}
		}
	}
	return i, tx.recordInvitation(i, "created")
}

// roles are the roles that the invitation brings; nil for the default.
func (i *Invitation) roles() []string {
	if i.Role == "" {
		return nil
	}
	return []string{i.Role}
}

// mayInvite refuses an invitation of somebody who is in, or is invited, already.
func (tx *Tx) mayInvite(id EnvironmentID, n NewInvitation, emailKey string, u *User) error {
	if n.Organization != "" {
		if _, err := tx.organizationRowOf(id, n.Organization); err != nil {
			return err
		}
		if n.Role != "" {
			if _, err := tx.memberRoles(id, n.Organization, []string{n.Role}); err != nil {
				return err
			}
		}
	}
	if u != nil {
		if n.Organization == "" {
			return refuseInvite("user_already_exists", "There is a user with this email address already.")
		}
		m, err := tx.Membership(id, u.ID, n.Organization)
		if err != nil {
			return err
		}
		if m != nil && m.Status == MembershipActive {
			return refuseInvite("user_already_organization_member", "The user is a member of this organization already.")
		}
	}
	invited, seen := false, 0
	err := tx.Each(tableInvitations, "on_email", prefixOf(string(id), emailKey), database.Desc, func(f Found) (bool, error) {
		open := f.Time("accepted").IsZero() && f.Time("revoked").IsZero() && tx.now.Before(f.Time("expires"))
		invited = open && f.Text("organization") == string(n.Organization)
		seen++
		return !invited && seen < maxInvitesWaiting, nil
	})
	switch {
	case err != nil:
		return err
	case invited && n.Organization != "":
		return refuseInvite("email_already_invited_to_organization", "This email address is invited to the organization already. Resend that invitation, or revoke it first.")
	case invited:
		return refuseInvite("email_already_invited", "This email address is invited already. Resend that invitation, or revoke it first.")
	case seen >= maxInvitesWaiting:
		return refuseInvite("email_already_invited", "This email address was invited %d times, which is enough.", seen)
	}
	return nil
}

// invitationBy finds the row of an invitation of the environment.
func (tx *Tx) invitationBy(id EnvironmentID, invitation InvitationID) (*Found, *Invitation, error) {
	f, err := tx.First(tableInvitations, "on_environment", string(id), string(invitation))
	if err != nil {
		return nil, nil, err
	}
	if f == nil {
		return nil, nil, notFound("Invitation", string(invitation))
	}
	i, err := tx.readInvitation(f.Record)
	return f, i, err
}

// Invitation finds an invitation, whatever became of it.
func (tx *Tx) Invitation(id EnvironmentID, invitation InvitationID) (*Invitation, error) {
	_, i, err := tx.invitationBy(id, invitation)
	return i, err
}

// InvitationByToken finds an invitation, whatever became of it, by its token.
func (tx *Tx) InvitationByToken(id EnvironmentID, token string) (*Invitation, error) {
	_, i, err := tx.tokenRow(id, token)
	return i, err
}

// tokenRow finds the row of an invitation by its token.
func (tx *Tx) tokenRow(id EnvironmentID, token string) (*Found, *Invitation, error) {
	var f *Found
	var err error
	if token != "" && len(token) <= 256 {
		f, err = tx.First(tableInvitations, "on_hash", invitationHash(token))
	}
	if err != nil {
		return nil, nil, err
	}
	if f == nil || f.Text("environment") != string(id) {
		return nil, nil, apierr.New(apierr.NotFound, "entity_not_found", "There is no invitation with this token.")
	}
	i, err := tx.readInvitation(f.Record)
	return f, i, err
}

// AcceptInvitation lets a user in who holds the token of an invitation: the
// membership becomes active, and if the invitation went to the user's own address,
// that counts as verified; a colleague's address must be verified already. Doing so again is no error for the same user. m is nil
// for an invitation without an organization.
func (tx *Tx) AcceptInvitation(id EnvironmentID, token string, user UserID) (i *Invitation, m *Membership, err error) {
	f, i, err := tx.tokenRow(id, token)
	if err != nil {
		return nil, nil, err
	}
	u, err := tx.User(id, user)
	if err != nil {
		return nil, nil, err
	}
	_, invited, _ := ParseEmail(i.Email)
	_, own, _ := ParseEmail(u.Email)
	if !i.Invites(u.Email) || own != invited && !u.EmailVerified {
		return nil, nil, refuseInvite("invitation_cannot_be_used_for_email", "This invitation is for another email address than yours.")
	}
	if i.AcceptedBy == user {
		if i.Organization != "" {
			m, err = tx.Membership(id, user, i.Organization)
		}
		if err != nil || i.Organization == "" || m != nil && m.Status == MembershipActive {
			return i, m, err
		}
	}
	if m, err = tx.accept(f, i, u); err != nil {
		return nil, nil, err
	}
	if !u.EmailVerified { // own is invited

		yes := true
		if _, err := tx.UpdateUser(id, user, UserChange{EmailVerified: &yes}); err != nil {
			return nil, nil, err
		}
	}
	return i, m, nil
}

// AcceptInvitationFor accepts an invitation on behalf of the user it went to, as
// the application says they did.
func (tx *Tx) AcceptInvitationFor(id EnvironmentID, invitation InvitationID) (*Invitation, error) {
	f, i, err := tx.invitationBy(id, invitation)
	if err != nil {
		return nil, err
	}
	u, err := tx.UserByEmail(id, i.Email)
	if err != nil {
		return nil, err
	}
	if u == nil && i.State(tx.now) == InvitationPending {
		return nil, refuseInvite("invalid_invite", "There is no user with the invited email address yet; create the user first, or let them sign up with the invitation.")
	}
	_, err = tx.accept(f, i, u)
	return i, err
}

// accept writes down that an invitation was accepted by a user, and makes them a
// member.
func (tx *Tx) accept(f *Found, i *Invitation, u *User) (m *Membership, err error) {
	switch {
	case i.AcceptedBy != "":
		return nil, refuseInvite("invite_has_accepted_user_id", "This invitation was accepted already.")
	case i.State(tx.now) != InvitationPending:
		return nil, refuseInvite("invite_not_pending", "This invitation is %s; ask for a new one.", i.State(tx.now))
	}
	if i.Organization != "" {
		if m, err = tx.Membership(i.Environment, u.ID, i.Organization); err != nil {
			return nil, err
		}
		active := MembershipActive
		switch {
		case m == nil:
			m, err = tx.AddMembership(i.Environment, NewMembership{User: u.ID, Organization: i.Organization, Roles: i.roles()})
		case m.Status != MembershipActive:
			m, err = tx.UpdateMembership(i.Environment, m.ID, MembershipChange{Roles: i.roles(), Status: &active})
		}
		if err != nil {
			return nil, err
		}
	}
	i.Accepted, i.AcceptedBy, i.Updated = tx.now, u.ID, tx.later(i.Updated)
	if err := tx.Put(f.Doc, tx.invitationRow(i)); err != nil {
		return nil, err
	}
	return m, tx.recordInvitation(i, "accepted")
}

// ResendInvitation says that an invitation is to be mailed again.
func (tx *Tx) ResendInvitation(id EnvironmentID, invitation InvitationID, locale string) (*Invitation, error) {
	f, i, err := tx.invitationBy(id, invitation)
	if err != nil {
		return nil, err
	}
	if s := i.State(tx.now); s != InvitationPending {
		return nil, refuseInvite("invite_"+string(s), "This invitation is %s; send a new one.", s)
	}
	if locale != "" {
		i.Locale = locale
	}
	i.Updated = tx.later(i.Updated)
	if err := tx.Put(f.Doc, tx.invitationRow(i)); err != nil {
		return nil, err
	}
	return i, tx.recordInvitation(i, "resent")
}

// RevokeInvitation ends an invitation.
func (tx *Tx) RevokeInvitation(id EnvironmentID, invitation InvitationID) (*Invitation, error) {
	f, i, err := tx.invitationBy(id, invitation)
	if err != nil {
		return nil, err
	}
	if s := i.State(tx.now); s != InvitationPending {
		return nil, refuseInvite("invite_not_pending", "This invitation is %s already.", s)
	}
	i.Revoked, i.Updated = tx.now, tx.later(i.Updated)
	if err := tx.Put(f.Doc, tx.invitationRow(i)); err != nil {
		return nil, err
	}
	if err := tx.giveUpPlace(i); err != nil {
		return nil, err
	}
	return i, tx.recordInvitation(i, "revoked")
}

// giveUpPlace removes the pending membership of an invitation that nobody can
// accept any more.
func (tx *Tx) giveUpPlace(i *Invitation) error {
	if i.Organization == "" {
		return nil
	}
	u, err := tx.UserByEmail(i.Environment, i.Email)
	if err != nil || u == nil {
		return err
	}
	f, err := tx.memberRow(i.Environment, u.ID, i.Organization)
	if err != nil || f == nil || readMembership(f.Record).Status != MembershipPending {
		return err
	}
	return tx.removeMember(f)
}

// recordInvitation writes what happened to an invitation, without its token.
func (tx *Tx) recordInvitation(i *Invitation, what string) error {
	return tx.recordSecret(i.Environment, "invitation."+what, invitationData(i, tx.now), map[string]string{"token": i.Token})
}

// invitationData is an invitation as events show it: without its token.
func invitationData(i *Invitation, now time.Time) map[string]any {
	when := func(t time.Time) *string {
		if t.IsZero() {
			return nil
		}
		return nullable(FormatTime(t))
	}
	return map[string]any{
		"object": "invitation", "id": i.ID, "email": i.Email, "state": i.State(now), "accepted_at": when(i.Accepted), "revoked_at": when(i.Revoked),
		"expires_at": FormatTime(i.Expires), "organization_id": nullable(i.Organization), "inviter_user_id": nullable(i.Inviter),
		"accepted_user_id": nullable(i.AcceptedBy), "role_slug": nullable(i.Role), "created_at": FormatTime(i.Created), "updated_at": FormatTime(i.Updated),
	}
}
