package identity_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/identity"
)

// TestDeletionCascades shows that nothing of an organization or a user outlives it.
func TestDeletionCascades(t *testing.T) {
	t.Parallel()
	s, e := house(t, identity.Settings{})
	var told []identity.Gone
	s.Gone = append(s.Gone, func(_ *identity.Tx, what identity.Gone) error {
		told = append(told, what)
		return nil
	})
	o, kept := organization(t, s, e, "Foo", "foo.com"), organization(t, s, e, "Kept")
	u, other := user(t, s, e, "a@foo.com"), user(t, s, e, "b@foo.com")
	m := join(t, s, e, u.ID, o.ID)
	join(t, s, e, other.ID, o.ID)
	join(t, s, e, u.ID, kept.ID)
	var in, out *identity.Session
	if err := s.Update(t.Context(), func(tx *identity.Tx) (err error) {
		g, err := tx.CreateGroup(e.ID, o.ID, "Team", "")
		if err != nil {
			return err
		}
		if _, err := tx.AddGroupMember(e.ID, o.ID, g.ID, m.ID); err != nil {
			return err
		}
		if _, err := tx.CreateRole(e.ID, o.ID, identity.NewRole{Slug: "org-own", Name: "Own"}); err != nil {
			return err
		}
		if in, _, err = tx.StartSession(e, identity.NewSession{User: u.ID, Organization: o.ID}); err != nil {
			return err
		}
		out, _, err = tx.StartSession(e, identity.NewSession{User: u.ID, Organization: kept.ID})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	from := len(history(t, s, e, 0))
	if err := s.DeleteOrganization(t.Context(), e.ID, o.ID); err != nil {
		t.Fatal(err)
	}
	want := []string{"group.member_removed", "session.revoked", "organization_membership.deleted", "organization_membership.deleted", "group.deleted",
		"organization_role.deleted", "organization_domain.deleted", "organization.deleted"}
	got := history(t, s, e, from)
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(told) != 4 || told[len(told)-1] != (identity.Gone{Environment: e.ID, Organization: o.ID}) { // two members, a group, itself
		t.Errorf("told %+v", told)
	}
	if got, _ := s.Session(t.Context(), e.ID, in.ID); got.Ended.IsZero() {
		t.Error("signed in with an organization that is gone")
	}
	if got, _ := s.Session(t.Context(), e.ID, out.ID); !got.Ended.IsZero() {
		t.Error("signed out of another organization")
	}
	if _, err := s.CreateOrganization(t.Context(), e.ID, identity.NewOrganization{Name: "Heir", Domains: []identity.NewDomain{{Name: "foo.com", State: identity.DomainVerified}}}); err != nil {
		t.Errorf("the domain is not free: %v", err)
	}
	if err := s.DeleteUser(t.Context(), e.ID, u.ID); err != nil {
		t.Fatal(err)
	}
	if l, err := s.Members(t.Context(), e.ID, identity.MembershipQuery{Organization: kept.ID}); err != nil || len(l.Data) != 0 {
		t.Errorf("%+v %v", l, err)
	}
}

// TestDeletionOfManyMembers deletes an organization whose members leave in batches.
func TestDeletionOfManyMembers(t *testing.T) {
	t.Parallel()
	s, e := house(t, identity.Settings{})
	o, kept := organization(t, s, e, "Foo"), organization(t, s, e, "Kept")
	if err := s.Update(t.Context(), func(tx *identity.Tx) error {
		for n := range 450 {
			u, err := tx.CreateUser(e.ID, identity.NewUser{Email: fmt.Sprintf("u%d@foo.com", n)})
			if err != nil {
				return err
			}
			for _, org := range []identity.OrganizationID{o.ID, kept.ID} {
				if _, err := tx.AddMembership(e.ID, identity.NewMembership{User: u.ID, Organization: org}); err != nil {
					return err
				}
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	from := len(history(t, s, e, 0))
	if err := s.DeleteOrganization(t.Context(), e.ID, o.ID); err != nil {
		t.Fatal(err)
	}
	got := history(t, s, e, from)
	if len(got) != 451 || got[450] != "organization.deleted" {
		t.Errorf("%d events, the last %s", len(got), got[len(got)-1])
	}
	l, err := s.Users(t.Context(), e.ID, identity.UserQuery{Organization: kept.ID, Page: identity.Page{Limit: 100}})
	if err != nil || len(l.Data) != 100 || l.After == "" {
		t.Errorf("the other organization: %d %v", len(l.Data), err)
	}
	if err := s.DeleteOrganization(t.Context(), e.ID, o.ID); apierr.KindOf(err) != apierr.NotFound {
		t.Errorf("again: %v", err)
	}
}

// TestDeleteEnvironmentLeavesNothing shows that no row of any table is left that names
// the environment, and that another's rows stay.
func TestDeleteEnvironmentLeavesNothing(t *testing.T) {
	t.Parallel()
	s, kept := house(t, identity.Settings{})
	e, err := s.CreateEnvironment(t.Context(), identity.NewEnvironment{Name: "Live", Kind: identity.Production})
	if err != nil {
		t.Fatal(err)
	}
	for _, env := range []*identity.Environment{kept, e} {
		o := organization(t, s, env, "Foo", "foo.com")
		u := user(t, s, env, "a@foo.com")
		join(t, s, env, u.ID, o.ID)
		if _, _, err := s.CreateAPIKey(t.Context(), env.ID, "key", map[identity.EnvironmentKind]string{identity.Production: "sk_live_", identity.Development: "sk_test_"}[env.Kind]+string(env.ID)); err != nil {
			t.Fatal(err)
		}
		if _, err := s.AddRedirectURI(t.Context(), env.ID, "https://app.example.com/callback"); err != nil {
			t.Fatal(err)
		}
		if err := s.Update(t.Context(), func(tx *identity.Tx) error {
			_, _, err := tx.StartSession(env, identity.NewSession{User: u.ID})
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	rows := func(id identity.EnvironmentID) (n int) {
		if err := s.View(t.Context(), func(tx *identity.Tx) error {
			for _, table := range tx.Tables() {
				if table.System() {
					continue
				}
				if err := tx.Each(table.Name, database.ByID, database.Interval{}, database.Asc, func(f identity.Found) (bool, error) {
					if f.Text("environment") == string(id) || table.Name == "environments" && f.Text("id") == string(id) {
						n++
					}
					return true, nil
				}); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := rows(kept.ID)
	if rows(e.ID) < 8 || before < 8 {
		t.Fatalf("there are %d and %d rows to begin with", rows(e.ID), before)
	}
	if err := s.DeleteEnvironment(t.Context(), e.ID); err != nil {
		t.Fatal(err)
	}
	if n := rows(e.ID); n != 0 {
		t.Errorf("%d rows are left", n)
	}
	if n := rows(kept.ID); n != before {
		t.Errorf("another environment has %d rows, %d before", n, before)
	}
	if err := s.DeleteEnvironment(t.Context(), e.ID); apierr.KindOf(err) != apierr.NotFound {
		t.Errorf("again: %v", err)
	}
}
