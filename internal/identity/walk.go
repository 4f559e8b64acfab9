package identity

import (
	"slices"
	"strings"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/value"
)

// beyond is the part of an index below a prefix that lies strictly beyond an id in
// the direction of an order; an empty id stands for the beginning.
func beyond(prefix []byte, id string, o database.Order) database.Interval {
	in := database.Prefix(prefix)
	if id == "" {
		return in
	}
	k := value.AppendKey(append([]byte(nil), prefix...), value.String(id))
	if o == database.Desc {
		in.Upper = k
	} else {
		in.Lower = database.After(k)
	}
	return in
}

// Beyond is the part of an index whose first fields have the given values that lies
// strictly beyond an id in the direction of an order.
func Beyond(id string, o database.Order, values ...string) database.Interval {
	return beyond(key(values...), id, o)
}

// EachGroupMember calls f for the members of a group beyond the one given, in the
// order of their ids, until it says false.
func (tx *Tx) EachGroupMember(group GroupID, after MembershipID, o database.Order, f func(MembershipID) (bool, error)) error {
	return tx.Each(tableGroupMembers, "on_group", Beyond(string(after), o, string(group)), o, func(r Found) (bool, error) {
		return f(MembershipID(r.Text("membership")))
	})
}

// EachMember calls f for the active members of an organization beyond the one given,
// in the order of their ids, until it says false.
func (tx *Tx) EachMember(id EnvironmentID, org OrganizationID, after MembershipID, o database.Order, f func(*Membership) (bool, error)) error {
	return tx.Each(tableMemberships, "on_organization", Beyond(string(after), o, string(id), string(org), string(MembershipActive)), o, func(r Found) (bool, error) {
		return f(readMembership(r.Record))
	})
}

// GroupsOf lists the groups that a member is in.
func (tx *Tx) GroupsOf(m *Membership) ([]Group, error) { return tx.groupsOf(m) }

// Member puts beside a membership who and what it joins.
func (tx *Tx) Member(m *Membership) (*Member, error) { return tx.member(m) }

// EnvironmentGroup finds a group of any organization of the environment.
func (tx *Tx) EnvironmentGroup(id EnvironmentID, group GroupID) (*Group, error) {
	return tx.Group(id, "", group)
}

// NewID makes an id that is greater than all made before it, so that lists show
// what came in one millisecond in the order of its coming.
func (tx *Tx) NewID(prefix string) string { return tx.newID(prefix) }

// Keyed is an item of a list with the key that the list is in the order of.
type Keyed[T any] struct {
	Key  string
	Item T
}

// Stream gives the first n items of a list strictly beyond a key in an order; an
// empty key stands for the beginning.
type Stream[T any] func(after string, o database.Order, n int) ([]Keyed[T], error)

// MergedPage reads one page of several lists as of one; what has the same key counts
// once.
func MergedPage[T any](p Page, streams ...Stream[T]) (*List[T], error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	o := database.Desc
	if p.up() {
		o = database.Asc
	}
	var read []Keyed[T]
	for _, s := range streams {
		some, err := s(p.Before+p.After, o, p.Limit+1)
		if err != nil {
			return nil, err
		}
		read = append(read, some...)
	}
	slices.SortStableFunc(read, func(a, b Keyed[T]) int {
		if o == database.Desc {
			a, b = b, a
		}
		return strings.Compare(a.Key, b.Key)
	})
	var all []entry[T]
	for _, k := range read {
		if n := len(all); n == 0 || all[n-1].id != k.Key {
			all = append(all, entry[T]{k.Key, k.Item})
		}
	}
	return finish(all, p), nil
}

// SliceStream is a stream of a short list in whatever order.
func SliceStream[T any](list []Keyed[T]) Stream[T] {
	return func(after string, o database.Order, n int) ([]Keyed[T], error) {
		var out []Keyed[T]
		for _, k := range list {
			if c := strings.Compare(k.Key, after); after == "" || c != 0 && (c > 0) == (o == database.Asc) {
				out = append(out, k)
			}
		}
		slices.SortFunc(out, func(a, b Keyed[T]) int {
			if o == database.Desc {
				a, b = b, a
			}
			return strings.Compare(a.Key, b.Key)
		})
		return out[:min(n, len(out))], nil
	}
}
