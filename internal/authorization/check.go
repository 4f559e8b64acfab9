package authorization

import (
	"context"
	"slices"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/identity"
)

// asker answers questions about one member within one transaction.
type asker struct {
	tx       *identity.Tx
	m        *identity.Membership
	subjects []string            // the member and the groups it is in
	wide     []string            // what its roles of the whole organisation allow, sorted
	roles    map[string][]string // what roles allow, as far as it was asked
}

// ask begins to answer questions about a member.
func ask(tx *identity.Tx, m *identity.Membership) (*asker, error) {
	a := &asker{tx: tx, m: m, subjects: []string{string(m.ID)}, roles: map[string][]string{}}
	if m.Status != identity.MembershipActive {
		a.subjects = nil
		return a, nil
	}
	groups, err := tx.GroupsOf(m)
	if err != nil {
		return nil, err
	}
	for _, g := range groups {
		a.subjects = append(a.subjects, string(g.ID))
	}
	_, a.wide, err = tx.RolesOf(m)
	return a, err
}

// allows is what a role of the member's organisation allows; nothing if the role is
// no more.
func (a *asker) allows(slug string) ([]string, error) {
	if p, known := a.roles[slug]; known {
		return p, nil
	}
	role, err := a.tx.Role(a.m.Environment, a.m.Organization, slug)
	if apierr.KindOf(err) == apierr.NotFound {
		role, err = &identity.Role{}, nil
	}
	if err != nil {
		return nil, err
	}
	a.roles[slug] = role.Permissions
	return role.Permissions, nil
}

// each calls f with what every role that the member has on a resource allows, by
// itself or through a group, until f says false.
func (a *asker) each(id ResourceID, f func(permissions []string) bool) error {
	for _, subject := range a.subjects {
		more := true
		err := a.tx.Each(tableAssignments, "on_grant", database.Prefix(identity.Key(string(id), subject)), database.Asc, func(r identity.Found) (bool, error) {
			p, err := a.allows(r.Text("role"))
			if err == nil {
				more = f(p)
			}
			return more, err
		})
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// may reports whether the member has a permission on a resource: by a role on it or
// on one above it, or on the whole organisation.
func (a *asker) may(permission string, r *Resource) (bool, error) {
	if a.subjects == nil {
		return false, nil
	}
	if _, ok := slices.BinarySearch(a.wide, permission); ok {
		return true, nil
	}
	way, err := chain(a.tx, r)
	if err != nil {
		return false, err
	}
	found := false
	for _, on := range way {
		err := a.each(on.ID, func(p []string) bool {
			found = slices.Contains(p, permission)
			return !found
		})
		if err != nil || found {
			return found, err
		}
	}
	return false, nil
}

// about finds a permission that is about resources of a type; nil if there is none.
func about(tx *identity.Tx, env identity.EnvironmentID, slug, kind string) (*identity.Permission, error) {
	p, err := tx.Permission(env, slug)
	if apierr.KindOf(err) == apierr.NotFound || err == nil && p.ResourceType != kind {
		return nil, nil
	}
	return p, err
}

// Check reports whether a member may do something with a resource of its
// organisation.
func (s *Service) Check(ctx context.Context, env identity.EnvironmentID, membership identity.MembershipID, permission string, on Ref) (may bool, err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		m, err := tx.MembershipByID(env, membership)
		if err != nil {
			return err
		}
		_, r, err := byRef(tx, env, m.Organization, on)
		if err != nil {
			return err
		}
		may = false
		if p, err := about(tx, env, permission, r.Type); err != nil || p == nil {
			return err
		}
		a, err := ask(tx, m)
		if err != nil {
			return err
		}
		may, err = a.may(permission, r)
		return err
	})
	return may, err
}

// Effective lists all that a member may do with a resource of its organisation.
func (s *Service) Effective(ctx context.Context, env identity.EnvironmentID, membership identity.MembershipID, on Ref, page identity.Page) (l *identity.List[identity.Permission], err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		m, err := tx.MembershipByID(env, membership)
		if err != nil {
			return err
		}
		_, r, err := byRef(tx, env, m.Organization, on)
		if err != nil {
			return err
		}
		a, err := ask(tx, m)
		if err != nil {
			return err
		}
		slugs := slices.Clone(a.wide)
		way, err := chain(tx, r)
		if err != nil {
			return err
		}
		for _, on := range way {
			err := a.each(on.ID, func(p []string) bool {
				slugs = append(slugs, p...)
				return true
			})
			if err != nil {
				return err
			}
		}
		slices.Sort(slugs)
		var all []identity.Keyed[identity.Permission]
		for _, slug := range slices.Compact(slugs) {
			p, err := about(tx, env, slug, r.Type)
			if err != nil {
				return err
			}
			if p != nil {
				all = append(all, identity.Keyed[identity.Permission]{Key: string(p.ID), Item: *p})
			}
		}
		l, err = identity.MergedPage(page, identity.SliceStream(all))
		return err
	})
	return l, err
}
