package authorization

import (
	"context"
	"slices"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/value"
)

// Below lists the resources directly below one with which a member may do something.
func (s *Service) Below(ctx context.Context, env identity.EnvironmentID, membership identity.MembershipID, permission string, parent Ref, page identity.Page) (l *identity.List[Resource], err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		m, err := tx.MembershipByID(env, membership)
		if err != nil {
			return err
		}
		_, p, err := byRef(tx, env, m.Organization, parent)
		if err != nil {
			return err
		}
		wanted, err := tx.Permission(env, permission)
		if apierr.KindOf(err) == apierr.NotFound {
			l, err = identity.MergedPage[Resource](page)
			return err
		}
		if err != nil {
			return err
		}
		a, err := ask(tx, m)
		if err != nil {
			return err
		}
		// Whoever has it from above has it on all of them.
		all, err := a.may(permission, p)
		if err != nil {
			return err
		}
		if all {
			l, err = identity.PageOf(tx, tableResources, "on_parent_type", []string{string(p.ID), wanted.ResourceType}, page, func(r identity.Record) (Resource, string, bool) {
				return *readResource(r), r.Text("id"), true
			})
			return err
		}
		var streams []identity.Stream[Resource]
		for _, subject := range a.subjects {
			streams = append(streams, a.placeStream(subject, p.ID, wanted))
		}
		l, err = identity.MergedPage(page, streams...)
		return err
	})
	return l, err
}

// placeStream are the resources directly below one on which a subject has a role
// that allows something.
func (a *asker) placeStream(subject string, parent ResourceID, wanted *identity.Permission) identity.Stream[Resource] {
	return func(after string, o database.Order, n int) (out []identity.Keyed[Resource], err error) {
		last := ""
		err = a.tx.Each(tableAssignments, "on_place", identity.Beyond(after, o, subject, string(parent)), o, func(f identity.Found) (bool, error) {
			id := f.Text("resource")
			if id == last {
				return true, nil
			}
			p, err := a.allows(f.Text("role"))
			if err != nil || !slices.Contains(p, wanted.Slug) {
				return err == nil, err
			}
			_, r, err := byID(a.tx, a.m.Environment, ResourceID(id))
			if err != nil {
				return false, err
			}
			if last = id; r.Type == wanted.ResourceType {
				out = append(out, identity.Keyed[Resource]{Key: id, Item: *r})
			}
			return len(out) < n, nil
		})
		return out, err
	}
}

// Who lists the active members who may do something with a resource: those with a
// role on the resource itself, by themselves or through a group, or with inherited
// also those who have it from above.
func (s *Service) Who(ctx context.Context, env identity.EnvironmentID, on At, permission string, inherited bool, page identity.Page) (l *identity.List[identity.Member], err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		_, r, err := at(tx, env, on)
		if err != nil {
			return err
		}
		l, err = identity.MergedPage[identity.Member](page)
		if err != nil {
			return err
		}
		if p, err := about(tx, env, permission, r.Type); err != nil || p == nil {
			return err
		}
		q := &crowd{tx: tx, env: env, org: r.Organization, permission: permission, asker: asker{tx: tx, m: &identity.Membership{Environment: env, Organization: r.Organization}, roles: map[string][]string{}}}
		way := []*Resource{r}
		if inherited {
			if way, err = chain(tx, r); err != nil {
				return err
			}
		}
		var streams []identity.Stream[identity.MembershipID]
		for _, on := range way {
			if on.Parent == "" {
				some, err := q.everywhere()
				if err != nil {
					return err
				}
				streams = append(streams, some...)
				continue
			}
			some, err := q.on(on.ID)
			if err != nil {
				return err
			}
			streams = append(streams, some...)
		}
		ids, err := identity.MergedPage(page, streams...)
		if err != nil {
			return err
		}
		l = &identity.List[identity.Member]{Data: make([]identity.Member, 0, len(ids.Data)), Before: ids.Before, After: ids.After}
		for _, id := range ids.Data {
			m, err := tx.MembershipByID(env, id)
			if err != nil {
				return err
			}
			full, err := tx.Member(m)
			if err != nil {
				return err
			}
			l.Data = append(l.Data, *full)
		}
		return nil
	})
	return l, err
}

// crowd finds the members who have a permission.
type crowd struct {
	tx         *identity.Tx
	env        identity.EnvironmentID
	org        identity.OrganizationID
	permission string
	asker      asker // for what roles allow
}

// active reports whether a member is one of the organisation's active ones.
func (q *crowd) active(id identity.MembershipID) (bool, error) {
	m, err := q.tx.MembershipByID(q.env, id)
	if apierr.KindOf(err) == apierr.NotFound {
		return false, nil
	}
	return err == nil && m.Status == identity.MembershipActive, err
}

// on are streams of those who have the permission by a role on a resource: one of
// members, and one for each group that has it.
func (q *crowd) on(id ResourceID) ([]identity.Stream[identity.MembershipID], error) {
	streams := []identity.Stream[identity.MembershipID]{func(after string, o database.Order, n int) (out []identity.Keyed[identity.MembershipID], err error) {
		last := ""
		err = q.tx.Each(tableAssignments, "on_grant", within(string(id), "om_", after, o), o, func(f identity.Found) (bool, error) {
			subject := f.Text("subject")
			p, err := q.asker.allows(f.Text("role"))
			if err != nil || subject == last || !slices.Contains(p, q.permission) {
				return err == nil, err
			}
			last = subject
			ok, err := q.active(identity.MembershipID(subject))
			if ok {
				out = append(out, identity.Keyed[identity.MembershipID]{Key: subject, Item: identity.MembershipID(subject)})
			}
			return len(out) < n, err
		})
		return out, err
	}}
	groups := map[string]bool{}
	err := q.tx.Each(tableAssignments, "on_grant", within(string(id), "group_", "", database.Asc), database.Asc, func(f identity.Found) (bool, error) {
		p, err := q.asker.allows(f.Text("role"))
		if g := f.Text("subject"); err == nil && slices.Contains(p, q.permission) && !groups[g] {
			groups[g] = true
			streams = append(streams, q.group(identity.GroupID(g)))
		}
		return true, err
	})
	return streams, err
}

// group is a stream of a group's active members.
func (q *crowd) group(id identity.GroupID) identity.Stream[identity.MembershipID] {
	return func(after string, o database.Order, n int) (out []identity.Keyed[identity.MembershipID], err error) {
		err = q.tx.EachGroupMember(id, identity.MembershipID(after), o, func(m identity.MembershipID) (bool, error) {
			ok, err := q.active(m)
			if ok {
				out = append(out, identity.Keyed[identity.MembershipID]{Key: string(m), Item: m})
			}
			return len(out) < n, err
		})
		return out, err
	}
}

// everywhere are streams of those who have the permission by a role on the whole
// organisation; none if no such role allows it.
func (q *crowd) everywhere() ([]identity.Stream[identity.MembershipID], error) {
	roles, err := q.tx.Roles(q.env, q.org)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(roles, func(r identity.Role) bool {
		return r.ResourceType == identity.OrganizationResource && slices.Contains(r.Permissions, q.permission)
	}) {
		return nil, nil
	}
	return []identity.Stream[identity.MembershipID]{func(after string, o database.Order, n int) (out []identity.Keyed[identity.MembershipID], err error) {
		err = q.tx.EachMember(q.env, q.org, identity.MembershipID(after), o, func(m *identity.Membership) (bool, error) {
			_, p, err := q.tx.RolesOf(m)
			if err == nil && slices.Contains(p, q.permission) {
				out = append(out, identity.Keyed[identity.MembershipID]{Key: string(m.ID), Item: m.ID})
			}
			return len(out) < n, err
		})
		return out, err
	}}, nil
}

// within is the part of on_grant that has a resource and subjects of a kind, beyond
// a subject in the direction of an order.
func within(resource, kind, after string, o database.Order) database.Interval {
	base := identity.Key(resource)
	edge := func(s string) []byte { return value.AppendKey(slices.Clone(base), value.String(s)) }
	in := database.Interval{Lower: edge(kind), Upper: edge(kind[:len(kind)-1] + "`")} // "`" follows "_"
	switch {
	case after == "":
	case o == database.Desc:
		in.Upper = edge(after)
	default:
		in.Lower = database.After(edge(after))
	}
	return in
}
