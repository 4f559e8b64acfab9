package identity

import (
	"context"

	"github.com/lentil-dev/lentil/internal/apierr"
)

// Member is a membership with what is shown beside it.
type Member struct {
	Membership
	UserData         User
	OrganizationName string
}

// member puts beside a membership who and what it joins.
func (tx *Tx) member(m *Membership) (*Member, error) {
	u, err := tx.User(m.Environment, m.User)
	if err != nil {
		return nil, err
	}
	o, err := tx.organizationRowOf(m.Environment, m.Organization)
	if err != nil {
		return nil, err
	}
	return &Member{Membership: *m, UserData: *u, OrganizationName: o.Text("name")}, nil
}

// MembershipQuery narrows a list of memberships.
type MembershipQuery struct {
	Page
	User         UserID         // this or
	Organization OrganizationID // this is needed
	Statuses     []MembershipStatus
}

// Members lists memberships of a user, of an organization, or the one of both.
// Without statuses, only the active ones
// (https://workos.com/docs/reference/authkit/organization-membership).
func (s *Service) Members(ctx context.Context, id EnvironmentID, q MembershipQuery) (l *List[Member], err error) {
	if q.User == "" && q.Organization == "" {
		return nil, apierr.New(apierr.BadRequest, "missing_user_id_or_organization_id", "Give user_id or organization_id, or both.")
	}
	if len(q.Statuses) == 0 {
		q.Statuses = []MembershipStatus{MembershipActive}
	}
	index, prefix := "on_organization", []string{string(id), string(q.Organization)}
	if q.User != "" {
		index, prefix = "on_user", []string{string(id), string(q.User)}
	}
	var prefixes [][]string
	for _, status := range q.Statuses {
		prefixes = append(prefixes, append(prefix[:2:2], string(status)))
	}
	err = s.View(ctx, func(tx *Tx) error {
		if q.Organization != "" {
			if _, err := tx.organizationRowOf(id, q.Organization); err != nil {
				return err
			}
		}
		if q.User != "" {
			if _, err := tx.User(id, q.User); err != nil {
				return err
			}
		}
		memberships, err := pageMerged(tx, tableMemberships, index, prefixes, q.Page, func(r Record) (Membership, string, bool) {
			m := readMembership(r)
			return *m, string(m.ID), q.Organization == "" || m.Organization == q.Organization
		})
		if err != nil {
			return err
		}
		l, err = tx.members(memberships)
		return err
	})
	return l, err
}

// members puts beside each membership of a page who and what it joins.
func (tx *Tx) members(l *List[Membership]) (*List[Member], error) {
	out := &List[Member]{Data: make([]Member, 0, len(l.Data)), Before: l.Before, After: l.After}
	for i := range l.Data {
		m, err := tx.member(&l.Data[i])
		if err != nil {
			return nil, err
		}
		out.Data = append(out.Data, *m)
	}
	return out, nil
}

// Member finds a membership with what is shown beside it.
func (s *Service) Member(ctx context.Context, id EnvironmentID, membership MembershipID) (out *Member, err error) {
	err = s.View(ctx, func(tx *Tx) error {
		m, err := tx.MembershipByID(id, membership)
		if err != nil {
			return err
		}
		out, err = tx.member(m)
		return err
	})
	return out, err
}

// changeMember runs a change of a membership in a transaction of its own.
func (s *Service) changeMember(ctx context.Context, change func(*Tx) (*Membership, error)) (out *Member, err error) {
	err = s.Update(ctx, func(tx *Tx) error {
		m, err := change(tx)
		if err != nil {
			return err
		}
		out, err = tx.member(m)
		return err
	})
	return out, err
}

// AddMembership is Tx.AddMembership in a transaction of its own.
func (s *Service) AddMembership(ctx context.Context, id EnvironmentID, n NewMembership) (*Member, error) {
	return s.changeMember(ctx, func(tx *Tx) (*Membership, error) { return tx.AddMembership(id, n) })
}

// UpdateMembership is Tx.UpdateMembership in a transaction of its own.
func (s *Service) UpdateMembership(ctx context.Context, id EnvironmentID, m MembershipID, c MembershipChange) (*Member, error) {
	return s.changeMember(ctx, func(tx *Tx) (*Membership, error) { return tx.UpdateMembership(id, m, c) })
}

// SetMembershipActive is Tx.SetMembershipActive in a transaction of its own.
func (s *Service) SetMembershipActive(ctx context.Context, id EnvironmentID, m MembershipID, active bool) (*Member, error) {
	return s.changeMember(ctx, func(tx *Tx) (*Membership, error) { return tx.SetMembershipActive(id, m, active) })
}

// RemoveMembership is Tx.RemoveMembership in a transaction of its own.
func (s *Service) RemoveMembership(ctx context.Context, id EnvironmentID, m MembershipID) error {
	return s.Update(ctx, func(tx *Tx) error { return tx.RemoveMembership(id, m) })
}
