package directory

import (
	"slices"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
)

// provision makes the environment's users follow a directory's user (the imitated
// service calls it directory provisioning). It does so for addresses whose domain
// the organisation has verified, because a directory could otherwise claim anybody:
//
//   - an active user becomes a user with a verified address, and a member of the
//     organisation whose membership the directory manages;
//   - one that is not active loses the organisation and its sessions there;
//   - its names and roles follow.
//
// It sets u.Membership, which the caller saves.
func (s *Service) provision(tx *identity.Tx, d *Directory, u *User) error {
	_, key, ok := identity.ParseEmail(u.Email)
	if ok {
		org, err := tx.OrganizationByDomain(d.Environment, identity.EmailDomain(key))
		if err != nil {
			return err
		}
		ok = org != nil && org.ID == d.Organization
	}
	if !ok {
		return s.withdraw(tx, d, u)
	}
	m, err := membershipOf(tx, d, u)
	if err != nil {
		return err
	}
	if m != nil {
		// The address may have become another person's.
		person, err := tx.User(d.Environment, m.User)
		if err != nil {
			return err
		}
		if _, k, _ := identity.ParseEmail(person.Email); k != key {
			moved, err := tx.UserByEmail(d.Environment, u.Email)
			if err != nil {
				return err
			}
			if moved != nil {
				if err := s.withdraw(tx, d, u); err != nil {
					return err
				}
				m = nil
			} else if _, err := tx.UpdateUser(d.Environment, person.ID, identity.UserChange{Email: &u.Email, EmailVerified: &person.EmailVerified}); err != nil {
				return err
			}
		}
	}
	if u.State != Active {
		return s.withdraw(tx, d, u)
	}
	if m == nil {
		return s.admit(tx, d, u)
	}
	if err := follow(tx, d, u, m.User); err != nil {
		return err
	}
	c := identity.MembershipChange{}
	if u.withdrawn {
		if u.withdrawn = false; m.Status == identity.MembershipInactive {
			c.Status = new(identity.MembershipActive)
		}
	}
	if !m.DirectoryManaged {
		c.DirectoryManaged = new(true)
	}
	roles, err := validRoles(tx, d, u)
	if err != nil {
		return err
	}
	if d.assigns() && !sameRoles(m.Roles, roles) {
		c.Roles = roles
	}
	if c.Status == nil && c.DirectoryManaged == nil && c.Roles == nil {
		return nil
	}
	_, err = tx.UpdateMembership(d.Environment, m.ID, c)
	return err
}

// membershipOf is the membership that follows a user; nil if there is none any
// more.
func membershipOf(tx *identity.Tx, d *Directory, u *User) (*identity.Membership, error) {
	if u.Membership == "" {
		return nil, nil
	}
	m, err := tx.MembershipByID(d.Environment, u.Membership)
	if apierr.KindOf(err) == apierr.NotFound {
		u.Membership = ""
		return nil, nil
	}
	return m, err
}

// admit makes an active user of the directory a member of its organisation.
func (s *Service) admit(tx *identity.Tx, d *Directory, u *User) error {
	person, err := tx.UserByEmail(d.Environment, u.Email)
	if err != nil {
		return err
	}
	if person == nil {
		person, err = tx.CreateUser(d.Environment, identity.NewUser{Email: u.Email, EmailVerified: true, FirstName: clip(u.FirstName), LastName: clip(u.LastName)})
		if err != nil {
			return err
		}
	}
	roles, err := validRoles(tx, d, u)
	if err != nil {
		return err
	}
	m, err := tx.Membership(d.Environment, person.ID, d.Organization)
	if err != nil {
		return err
	}
	if m == nil {
		if m, err = tx.AddMembership(d.Environment, identity.NewMembership{User: person.ID, Organization: d.Organization, Roles: roles, DirectoryManaged: true}); err != nil {
			return err
		}
		u.Membership = m.ID
		return nil
	}
	// Somebody who was invited or came by themselves is the directory's from now on.
	c := identity.MembershipChange{DirectoryManaged: new(true), Status: new(identity.MembershipActive)}
	if d.assigns() {
		c.Roles = roles
	}
	u.Membership = m.ID
	_, err = tx.UpdateMembership(d.Environment, m.ID, c)
	return err
}

// follow keeps a user's names as the directory has them.
func follow(tx *identity.Tx, d *Directory, u *User, id identity.UserID) error {
	person, err := tx.User(d.Environment, id)
	if err != nil {
		return err
	}
	first, last := clip(u.FirstName), clip(u.LastName)
	if person.FirstName == first && person.LastName == last {
		return nil
	}
	_, err = tx.UpdateUser(d.Environment, id, identity.UserChange{FirstName: &first, LastName: &last})
	return err
}

// clip shortens a name to what users' names may be.
func clip(s string) string {
	if r := []rune(s); len(r) > maxName {
		return string(r[:maxName])
	}
	return s
}

// assigns reports whether the directory decides on roles at all. One that does not
// leaves them to whoever manages the organisation.
func (d *Directory) assigns() bool { return len(d.Roles) > 0 || d.DefaultRole != "" }

// validRoles are a user's roles that exist, since a directory must not stop because
// somebody deleted a role; the environment's default one if there is none.
func validRoles(tx *identity.Tx, d *Directory, u *User) ([]string, error) {
	var out []string
	for _, slug := range u.Roles {
		r, err := tx.Role(d.Environment, d.Organization, slug)
		if apierr.KindOf(err) == apierr.NotFound || err == nil && r.ResourceType != identity.OrganizationResource {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, slug)
	}
	e, err := tx.Environment(d.Environment)
	if err != nil {
		return nil, err
	}
	switch {
	case len(out) == 0:
		out = []string{e.Settings.Defaulted().DefaultRole}
	case e.Settings.SingleRole:
		out = out[:1]
	}
	return out, nil
}

// sameRoles reports whether two members' roles are the same, in whatever order.
func sameRoles(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

// withdraw takes the organisation from whoever a directory's user became. What else
// they are, and their membership's history, stays.
func (s *Service) withdraw(tx *identity.Tx, d *Directory, u *User) error {
	m, err := membershipOf(tx, d, u)
	if err != nil || m == nil || m.Status != identity.MembershipActive {
		return err
	}
	u.withdrawn = true
	_, err = tx.SetMembershipActive(d.Environment, m.ID, false)
	return err
}

// release leaves the membership of a user to itself: its directory is no more.
func (s *Service) release(tx *identity.Tx, d *Directory, u *User) error {
	m, err := membershipOf(tx, d, u)
	if err != nil || m == nil || !m.DirectoryManaged {
		return err
	}
	_, err = tx.UpdateMembership(d.Environment, m.ID, identity.MembershipChange{DirectoryManaged: new(false)})
	return err
}
