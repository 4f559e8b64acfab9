package directory

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/token"
)

// check fails the test on an error.
func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// newService makes the room with one directory of an organisation that has verified
// example.com, on the in-memory store.
func newService(t testing.TB, n New) (*Service, *Directory) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	db, err := database.Open(ctx, database.Options{Store: persistence.NewMemory()})
	check(t, err)
	done := make(chan error, 1)
	go func() { done <- db.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done; db.Close() })
	s := &Service{Identity: &identity.Service{DB: db, Sealer: token.NewSealer([]byte("a master key of thirty-two bytes"))}}
	check(t, s.Identity.Open(ctx))
	check(t, s.Open(ctx))
	e, err := s.Identity.CreateEnvironment(ctx, identity.NewEnvironment{Name: "soup", Kind: identity.Development})
	check(t, err)
	o, err := s.Identity.CreateOrganization(ctx, e.ID, identity.NewOrganization{Name: "Example", Domains: []identity.NewDomain{{Name: "example.com", State: identity.DomainVerified}}})
	check(t, err)
	n.Organization = o.ID
	d, _, err := s.Create(ctx, e.ID, n)
	check(t, err)
	return s, d
}

// rolesIn are the roles of whoever has an address, as a member.
func rolesIn(t testing.TB, s *Service, d *Directory, email string) (roles []string) {
	t.Helper()
	check(t, s.Identity.View(t.Context(), func(tx *identity.Tx) error {
		u, err := tx.UserByEmail(d.Environment, email)
		if err != nil || u == nil {
			return err
		}
		m, err := tx.Membership(d.Environment, u.ID, d.Organization)
		if err == nil && m != nil {
			roles = m.Roles
		}
		return err
	}))
	return roles
}

func TestConfigureAppliesAChangedMapping(t *testing.T) {
	t.Parallel()
	s, d := newService(t, New{})
	var ids []UserID
	for i := range sweepBatch + 20 { // more than one step
		u, err := s.CreateUser(t.Context(), d, Attributes{"userName": fmt.Sprintf("u%d@elsewhere.org", i)})
		check(t, err)
		ids = append(ids, u.ID)
	}
	last, err := s.CreateUser(t.Context(), d, Attributes{"userName": "ann@example.com"})
	check(t, err)
	_, err = s.CreateGroup(t.Context(), d, Attributes{"displayName": "Cooks"}, append(ids, last.ID))
	check(t, err)
	d, err = s.Configure(t.Context(), d.Environment, d.ID, Settings{Roles: map[string]string{"Cooks": "admin"}})
	check(t, err)
	if got := rolesIn(t, s, d, "ann@example.com"); slices.Contains(got, "admin") {
		t.Fatal("one step reached all: the test shows nothing")
	}
	check(t, s.finish(t.Context()))
	if got := rolesIn(t, s, d, "ann@example.com"); !slices.Equal(got, []string{"admin"}) {
		t.Errorf("roles %v", got)
	}
	if u, err := s.User(t.Context(), d.Environment, ids[0]); err != nil || !slices.Equal(u.Roles, []string{"admin"}) {
		t.Errorf("%v, %v", u, err)
	}
	// Back again: the directory has no say in roles any more, and leaves them.
	_, err = s.Configure(t.Context(), d.Environment, d.ID, Settings{Roles: map[string]string{}})
	check(t, err)
	check(t, s.finish(t.Context()))
	if u, err := s.User(t.Context(), d.Environment, ids[0]); err != nil || len(u.Roles) != 0 {
		t.Errorf("%v, %v", u, err)
	}
}

func TestDeleteGoesOnInTheBackground(t *testing.T) {
	t.Parallel()
	s, d := newService(t, New{})
	const more = sweepBatch*sweepFirst + 10
	for i := range more {
		_, err := s.CreateUser(t.Context(), d, Attributes{"userName": fmt.Sprintf("u%d@elsewhere.org", i)})
		check(t, err)
	}
	check(t, s.Delete(t.Context(), d.Environment, d.ID))
	got, _, err := s.Directory(t.Context(), d.Environment, d.ID)
	check(t, err)
	if got.State != Deleting {
		t.Fatalf("state %s", got.State)
	}
	if _, err := s.CreateUser(t.Context(), d, Attributes{"userName": "late"}); apierr.KindOf(err) != apierr.NotFound {
		t.Errorf("a deleted directory takes users: %v", err)
	}
	if _, _, err := s.RotateToken(t.Context(), d.Environment, d.ID); apierr.KindOf(err) != apierr.NotFound {
		t.Errorf("a deleted directory gets a token: %v", err)
	}
	check(t, s.finish(t.Context()))
	if _, _, err = s.Directory(t.Context(), d.Environment, d.ID); apierr.KindOf(err) != apierr.NotFound {
		t.Errorf("it is still there: %v", err)
	}
	check(t, s.Identity.View(t.Context(), func(tx *identity.Tx) error {
		f, err := tx.First(tableUsers, onDirectory, string(d.ID))
		if f != nil {
			t.Error("a user is left")
		}
		return err
	}))
}

func TestAccountOfAnUnverifiedAddressGainsNothing(t *testing.T) {
	t.Parallel()
	s, d := newService(t, New{})
	// Somebody registered the address before its owner came.
	squatter, err := s.Identity.CreateUser(t.Context(), d.Environment, identity.NewUser{Email: "ann@example.com"})
	check(t, err)
	u, err := s.CreateUser(t.Context(), d, Attributes{"userName": "ann@example.com"})
	check(t, err)
	if u.Membership == "" {
		t.Error("no membership")
	}
	for _, change := range []Attributes{{"userName": "ann@example.com", "title": "Cook"}, {"userName": "anna@example.com"}} {
		_, err = s.ChangeUser(t.Context(), d, u.ID, 0, func(Attributes) (Attributes, error) { return change, nil })
		check(t, err)
		person, err := s.Identity.User(t.Context(), d.Environment, squatter.ID)
		check(t, err)
		if person.EmailVerified {
			t.Errorf("%v verified the address for whoever registered it", change)
		}
	}
}
