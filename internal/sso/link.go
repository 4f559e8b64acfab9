package sso

import (
	"context"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/connector"
	"github.com/lentil-dev/lentil/internal/identity"
)

// Owner is whose account elsewhere it is that came back.
type Owner struct {
	User identity.UserID // tied to the account before; "" if it never was here
	// Email is the address in the form identity takes, "" if there is none.
	Email string
	// Trusted says that the address counts as proven: whoever vouches for it may.
	Trusted bool
}

// Owner says whose the account is. An *apierr.Error says why its person may not
// come in at all.
func (s *Service) Owner(tx *identity.Tx, o *Outcome) (own Owner, err error) {
	c, p := o.Via, o.Person
	email, _, ok := identity.ParseEmail(p.Email)
	if ok {
		own.Email = email
	}
	if c.Social() {
		own.Trusted = ok && p.EmailVerified
	} else if own.Trusted, err = s.vouches(tx, c, own.Email); err != nil {
		return own, err
	}
	f, err := tx.First(tableIdentities, "on_idp", string(c.ID), p.ID)
	if err != nil {
		return own, err
	}
	if f != nil {
		u, err := tx.User(c.Environment, identity.UserID(f.Text("user")))
		if err == nil {
			own.User = u.ID
		} else if apierr.KindOf(err) != apierr.NotFound {
			return own, err
		}
	}
	if own.User == "" && own.Email == "" {
		return own, apierr.New(apierr.BadRequest, "email_missing", "%s did not share an e-mail address, and without one there is no account here.", c.Name)
	}
	return own, s.mayJoin(tx, c, own)
}

// mayJoin refuses, before an account is made, whom the organisation will not have.
func (s *Service) mayJoin(tx *identity.Tx, c *Connection, own Owner) error {
	if c.Organization == "" {
		return nil
	}
	user := own.User
	if user == "" {
		u, err := tx.UserByEmail(c.Environment, own.Email)
		if err != nil {
			return err
		}
		if u != nil {
			user = u.ID
		}
	}
	var m *identity.Membership
	if user != "" {
		var err error
		if m, err = tx.Membership(c.Environment, user, c.Organization); err != nil {
			return err
		}
	}
	switch {
	case m == nil && c.Config.NoJIT:
		return errNoMember
	case m != nil && m.Status == identity.MembershipInactive:
		return errInactive
	}
	return nil
}

// The refusals of people whom an organisation will not have.
var (
	errNoMember = apierr.New(apierr.Forbidden, "organization_membership_not_found", "You are not a member of this organization. Ask its administrator.")
	errInactive = apierr.New(apierr.Forbidden, "organization_membership_inactive", "Your membership in this organization is not active. Ask its administrator.")
)

// ConnectionsFor lists the connections of which a member must come through one to
// enter an organisation: its active ones, for people whose address lies in its
// verified domains. It is authflow's EntryRules.
func (s *Service) ConnectionsFor(tx *identity.Tx, e *identity.Environment, org identity.OrganizationID, u *identity.User) (ids []string, err error) {
	home, err := s.Home(tx, e.ID, u.Email)
	if err != nil || home == nil || home.Organization != org {
		return nil, err
	}
	all, err := s.OfOrganization(tx, e.ID, org)
	for i := range all {
		if all[i].State == Active {
			ids = append(ids, string(all[i].ID))
		}
	}
	return ids, err
}

// vouches reports whether an organisation's connection may speak for an address:
// its domain is verified as the organisation's. It refuses the people of other
// domains where the organisation has verified some and lets no others in.
func (s *Service) vouches(tx *identity.Tx, c *Connection, email string) (bool, error) {
	org, err := tx.Organization(c.Environment, c.Organization)
	if err != nil {
		return false, err
	}
	domain, any := identity.EmailDomain(email), false
	for _, d := range org.Domains {
		if d.State.Verified() {
			if any = true; d.Name == domain {
				return true, nil
			}
		}
	}
	for _, d := range c.Domains { // said by the operator; no proof, so let in and no more
		if d.Name == domain {
			return false, nil
		}
	}
	if any && !org.AllowProfilesOutside {
		return false, apierr.New(apierr.Forbidden, "profile_not_allowed_outside_organization", "The address %.100s does not belong to a domain of %.100s.", email, org.Name)
	}
	return false, nil
}

// Settled is what a sign-in through a connection brought.
type Settled struct {
	Profile      *Profile
	Organization identity.OrganizationID
	Tokens       *connector.Tokens // nil unless applications are to get them
}

// Settle ties an account elsewhere to a user, in the transaction that signs the
// user in: the link, the profile, the membership, the event. The outcome is used up.
func (s *Service) Settle(tx *identity.Tx, o *Outcome, user identity.UserID, ip, agent string) (*Settled, error) {
	c := o.Via
	u, err := tx.User(c.Environment, user)
	if err != nil {
		return nil, err
	}
	f, err := tx.First(tableIdentities, "on_idp", string(c.ID), o.Person.ID)
	if err != nil {
		return nil, err
	}
	if c.Organization != "" { // refused before anything is written
		if err := s.join(tx, c, user, rolesOf(c, o.Person)); err != nil {
			return nil, err
		}
	}
	row := identity.Row{identity.Text("environment", c.Environment), identity.Text("connection", c.ID), identity.Text("type", c.Type), identity.Text("idp_id", o.Person.ID),
		identity.Text("user", user), identity.Time("created", tx.Now())}
	switch {
	case f == nil:
		err = tx.Add(tableIdentities, row)
	case f.Text("user") != string(user): // its user was deleted, or it would be Owner.User
		err = tx.Put(f.Doc, row)
	}
	if err != nil {
		return nil, err
	}
	out := &Settled{Organization: c.Organization}
	if out.Profile, err = putProfile(tx, c, o.Person); err != nil {
		return nil, err
	}
	if c.Config.ReturnTokens {
		out.Tokens = o.Person.Tokens
	}
	if err := recordSucceeded(tx, c, user, u.Email, ip, agent); err != nil {
		return nil, err
	}
	return out, o.Use(tx)
}

// join makes the user a member of the connection's organisation, with the roles
// that the connection's mapping gives.
func (s *Service) join(tx *identity.Tx, c *Connection, user identity.UserID, roles []string) error {
	var known []string
	for _, slug := range roles { // one that was deleted since is no reason to refuse anybody
		if r, err := tx.Role(c.Environment, c.Organization, slug); err == nil && r != nil {
			known = append(known, slug)
		} else if err != nil && apierr.KindOf(err) != apierr.NotFound {
			return err
		}
	}
	m, err := tx.Membership(c.Environment, user, c.Organization)
	if err != nil {
		return err
	}
	if m == nil {
		if c.Config.NoJIT {
			return errNoMember
		}
		_, err := tx.AddMembership(c.Environment, identity.NewMembership{User: user, Organization: c.Organization, Roles: known})
		return err
	}
	switch m.Status {
	case identity.MembershipInactive:
		return errInactive
	case identity.MembershipPending: // invited, and now come
		if m, err = tx.SetMembershipActive(c.Environment, m.ID, true); err != nil {
			return err
		}
	}
	if len(known) > 0 && !same(known, m.Roles) {
		_, err = tx.UpdateMembership(c.Environment, m.ID, identity.MembershipChange{Roles: known})
	}
	return err
}

// same reports whether two lists hold the same texts.
func same(a, b []string) bool {
	seen := map[string]int{}
	for _, s := range a {
		seen[s]++
	}
	for _, s := range b {
		seen[s]--
	}
	for _, n := range seen {
		if n != 0 {
			return false
		}
	}
	return true
}

// Upstream is an account elsewhere that a user signed in with.
type Upstream struct{ IDP, Type string }

// Identities lists the social accounts of a user.
func (s *Service) Identities(ctx context.Context, env identity.EnvironmentID, user identity.UserID) (list []Upstream, err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		list = nil
		if _, err := tx.User(env, user); err != nil {
			return err
		}
		rows, err := tx.All(tableIdentities, "on_user", string(env), string(user))
		for _, r := range rows {
			if p, ok := protocolOf(r.Text("type")); ok && p == OAuth {
				list = append(list, Upstream{IDP: r.Text("idp_id"), Type: r.Text("type")})
			}
		}
		return err
	})
	return list, err
}

// Unlink takes a social account away from a user. Whether another way in remains is for
// the caller to see.
func (s *Service) Unlink(tx *identity.Tx, env identity.EnvironmentID, user identity.UserID, u Upstream) error {
	rows, err := tx.All(tableIdentities, "on_user", string(env), string(user))
	if err != nil {
		return err
	}
	for k := range rows {
		if p, ok := protocolOf(rows[k].Text("type")); ok && p == OAuth && rows[k].Text("type") == u.Type && rows[k].Text("idp_id") == u.IDP {
			return tx.Remove(&rows[k])
		}
	}
	return identity.NotFound("Identity", u.IDP)
}

// Home finds the connection that people of an address must sign in through: that of
// the organisation whose verified domain it is. nil if there is none.
func (s *Service) Home(tx *identity.Tx, env identity.EnvironmentID, email string) (*Connection, error) {
	domain := identity.EmailDomain(email)
	if domain == "" {
		return nil, nil
	}
	org, err := tx.OrganizationByDomain(env, domain)
	if err != nil || org == nil {
		return nil, err
	}
	return s.firstOf(tx, env, org.ID, func(c *Connection) bool { return !c.Config.Optional })
}

// Usable is an organisation's first active connection; nil if it has none.
func (s *Service) Usable(tx *identity.Tx, env identity.EnvironmentID, org identity.OrganizationID) (*Connection, error) {
	return s.firstOf(tx, env, org, func(*Connection) bool { return true })
}

// firstOf is an organisation's first active connection that will do.
func (s *Service) firstOf(tx *identity.Tx, env identity.EnvironmentID, org identity.OrganizationID, will func(*Connection) bool) (*Connection, error) {
	all, err := s.OfOrganization(tx, env, org)
	for i := range all {
		if all[i].State == Active && will(&all[i]) {
			return &all[i], err
		}
	}
	return nil, err
}
