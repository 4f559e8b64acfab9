package authorization

import (
	"context"
	"strings"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/value"
)

// keyed is an assignment in a list.
type keyed = identity.Keyed[Assignment]

// from is the part of an index of assignments that a cursor's first ULID leads to,
// that ULID included, in the direction of an order.
func from(cursor, prefix string, o database.Order, values ...string) database.Interval {
	base := identity.Key(values...)
	in := database.Prefix(base)
	first, _, _ := strings.Cut(strings.TrimPrefix(cursor, prefix), "_")
	if first == "" {
		return in
	}
	k := value.AppendKey(base, value.String(first))
	if o == database.Desc {
		in.Upper = database.After(k)
	} else {
		in.Lower = k
	}
	return in
}

// past reports whether a key lies strictly beyond a cursor.
func past(key, cursor string, o database.Order) bool {
	c := strings.Compare(key, cursor)
	return cursor == "" || c != 0 && (c > 0) == (o == database.Asc)
}

// through is a group's assignment as one of its members has it.
func through(a Assignment, m identity.MembershipID) Assignment {
	a.Through = a.ID
	a.ID = AssignmentID(memberPrefix + strings.TrimPrefix(string(a.ID), groupPrefix) + "_" + ulid(string(m)))
	a.Subject = string(m)
	return a
}

// key is an assignment as an item of a list.
func key(a Assignment) keyed { return keyed{Key: string(a.ID), Item: a} }

// subjectStream are the rows of a subject, on one resource if only is not empty;
// shown makes of each what is listed.
func subjectStream(tx *identity.Tx, env identity.EnvironmentID, subject, prefix string, only ResourceID, shown func(Assignment) Assignment) identity.Stream[Assignment] {
	return func(after string, o database.Order, n int) (out []keyed, err error) {
		err = tx.Each(tableAssignments, "on_subject", from(after, prefix, o, subject), o, func(f identity.Found) (bool, error) {
			a := readAssignment(f.Record)
			if only != "" && a.Resource.ID != only {
				return true, nil
			}
			k := key(shown(*a))
			if !past(k.Key, after, o) {
				return true, nil
			}
			if err := k.Item.withResource(tx, env); err != nil {
				return false, err
			}
			out = append(out, k)
			return len(out) < n, nil
		})
		return out, err
	}
}

// itself shows an assignment as it is.
func itself(a Assignment) Assignment { return a }

// OfMember lists the roles that a member has, by itself and through groups, on one
// resource if it is named.
func (s *Service) OfMember(ctx context.Context, env identity.EnvironmentID, membership identity.MembershipID, on Ref, page identity.Page) (l *identity.List[Assignment], err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		m, err := tx.MembershipByID(env, membership)
		if err != nil {
			return err
		}
		top, err := root(tx, env, m.Organization)
		if err != nil {
			return err
		}
		only := ResourceID("")
		if !on.IsZero() {
			_, r, err := byRef(tx, env, m.Organization, on)
			if err != nil {
				return err
			}
			only = r.ID
		}
		whole, err := wholes(tx, top, memberPrefix, string(m.ID), m.Roles)
		if err != nil {
			return err
		}
		streams := []identity.Stream[Assignment]{subjectStream(tx, env, string(m.ID), memberPrefix, only, itself)}
		groups, err := tx.GroupsOf(m)
		if err != nil {
			return err
		}
		for _, g := range groups {
			of, err := wholes(tx, top, groupPrefix, string(g.ID), g.Roles)
			if err != nil {
				return err
			}
			for _, a := range of {
				whole = append(whole, through(a, m.ID))
			}
			streams = append(streams, subjectStream(tx, env, string(g.ID), memberPrefix, only, func(a Assignment) Assignment { return through(a, m.ID) }))
		}
		if only == "" || only == top.ID {
			streams = append(streams, slice(whole))
		}
		l, err = identity.MergedPage(page, streams...)
		return err
	})
	return l, err
}

// slice is a stream of a few assignments.
func slice(list []Assignment) identity.Stream[Assignment] {
	out := make([]keyed, len(list))
	for i, a := range list {
		out[i] = key(a)
	}
	return identity.SliceStream(out)
}

// OfGroup lists the roles that a group has.
func (s *Service) OfGroup(ctx context.Context, env identity.EnvironmentID, group identity.GroupID, page identity.Page) (l *identity.List[Assignment], err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		g, err := tx.EnvironmentGroup(env, group)
		if err != nil {
			return err
		}
		top, err := root(tx, env, g.Organization)
		if err != nil {
			return err
		}
		whole, err := wholes(tx, top, groupPrefix, string(g.ID), g.Roles)
		if err != nil {
			return err
		}
		l, err = identity.MergedPage(page, subjectStream(tx, env, string(g.ID), groupPrefix, "", itself), slice(whole))
		return err
	})
	return l, err
}

// OnResource lists who has roles on a resource itself, members of groups one by one;
// only one role if it is named.
func (s *Service) OnResource(ctx context.Context, env identity.EnvironmentID, a At, role string, page identity.Page) (l *identity.List[Assignment], err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		_, r, err := at(tx, env, a)
		if err != nil {
			return err
		}
		stream := resourceStream(tx, r, role)
		if r.Parent == "" {
			stream = wholeStream(tx, r, role)
		}
		l, err = identity.MergedPage(page, stream)
		return err
	})
	return l, err
}

// resourceStream are the assignments on a resource below an organisation's own.
func resourceStream(tx *identity.Tx, r *Resource, role string) identity.Stream[Assignment] {
	return func(after string, o database.Order, n int) (out []keyed, err error) {
		add := func(a Assignment) bool {
			if k := key(a); past(k.Key, after, o) {
				out = append(out, k)
			}
			return len(out) < n
		}
		err = tx.Each(tableAssignments, "on_resource", from(after, memberPrefix, o, string(r.ID)), o, func(f identity.Found) (bool, error) {
			a := readAssignment(f.Record)
			a.Resource = *r
			if role != "" && a.Role != role {
				return true, nil
			}
			if !strings.HasPrefix(string(a.ID), groupPrefix) {
				return add(*a), nil
			}
			// The cursor may lie within this group: its members before it are passed over.
			begin := identity.MembershipID("")
			if rest, ok := strings.CutPrefix(after, memberPrefix+ulid(string(a.ID))+"_"); ok {
				begin = identity.MembershipID("om_" + rest)
			}
			more := true
			err := tx.EachGroupMember(identity.GroupID(a.Subject), begin, o, func(m identity.MembershipID) (bool, error) {
				more = add(through(*a, m))
				return more, nil
			})
			return more, err
		})
		return out, err
	}
}

// wholeStream are the roles that members have on the whole organisation by
// themselves.
func wholeStream(tx *identity.Tx, top *Resource, role string) identity.Stream[Assignment] {
	return func(after string, o database.Order, n int) (out []keyed, err error) {
		one := func(m *identity.Membership) (bool, error) {
			list, err := wholes(tx, top, memberPrefix, string(m.ID), m.Roles)
			if err != nil {
				return false, err
			}
			some, err := slice(list)(after, o, len(list))
			for _, k := range some {
				if role == "" || k.Item.Role == role {
					out = append(out, k)
				}
			}
			return len(out) < n, err
		}
		// The member at the cursor may have more roles beyond it.
		begin := identity.MembershipID("")
		if first, _, _ := strings.Cut(strings.TrimPrefix(after, memberPrefix), "_"); first != "" {
			begin = identity.MembershipID("om_" + first)
			if m, err := tx.MembershipByID(top.Environment, begin); err == nil && m.Organization == top.Organization {
				if more, err := one(m); err != nil || !more {
					return out, err
				}
			}
		}
		return out, tx.EachMember(top.Environment, top.Organization, begin, o, one)
	}
}
