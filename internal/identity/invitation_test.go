package identity_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
)

// invite makes an invitation.
func invite(t *testing.T, s *identity.Service, e *identity.Environment, n identity.NewInvitation) (i *identity.Invitation) {
	t.Helper()
	if err := s.Update(t.Context(), func(tx *identity.Tx) (err error) {
		i, err = tx.CreateInvitation(e.ID, n)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return i
}

// accept accepts an invitation by its token.
func accept(t *testing.T, s *identity.Service, e *identity.Environment, token string, u identity.UserID) (m *identity.Membership, err error) {
	t.Helper()
	err = s.Update(t.Context(), func(tx *identity.Tx) error {
		_, m, err = tx.AcceptInvitation(e.ID, token, u)
		return err
	})
	return m, err
}

func TestInvitationAcceptedByToken(t *testing.T) {
	t.Parallel()
	s, e := house(t, identity.Settings{})
	o := organization(t, s, e, "Foo")
	i := invite(t, s, e, identity.NewInvitation{Email: "Ada@foo.com", Organization: o.ID, Role: "admin"})
	ada, err := s.CreateUser(t.Context(), e.ID, identity.NewUser{Email: "ada@foo.com"})
	if err != nil {
		t.Fatal(err)
	}
	stranger := user(t, s, e, "eve@evil.com")
	if _, err := accept(t, s, e, i.Token, stranger.ID); code(err) != "invitation_cannot_be_used_for_email" {
		t.Errorf("by a stranger: %v", err)
	}
	if _, err := accept(t, s, e, i.Token+"x", ada.ID); apierr.KindOf(err) != apierr.NotFound {
		t.Errorf("with a wrong token: %v", err)
	}
	for range 2 { // doing so again is no error
		m, err := accept(t, s, e, i.Token, ada.ID)
		if err != nil || m == nil || m.Status != identity.MembershipActive || m.Roles[0] != "admin" {
			t.Fatalf("%+v %v", m, err)
		}
	}
	if u, _ := s.User(t.Context(), e.ID, ada.ID); !u.EmailVerified {
		t.Error("whoever holds the token reads the mailbox, yet it is not verified")
	}
	bob := user(t, s, e, "bob@foo.com")
	if _, err := accept(t, s, e, i.Token, bob.ID); code(err) != "invite_has_accepted_user_id" {
		t.Errorf("by another, later: %v", err)
	}
	i = invite(t, s, e, identity.NewInvitation{Email: "dan@foo.com", Organization: o.ID})
	claims, err := s.CreateUser(t.Context(), e.ID, identity.NewUser{Email: "claims-to-be@foo.com"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := accept(t, s, e, i.Token, claims.ID); code(err) != "invitation_cannot_be_used_for_email" {
		t.Errorf("by somebody who has not shown to be of the domain: %v", err)
	}
	// A colleague may use an invitation, whoever else has a mailbox there may not.
	i = invite(t, s, e, identity.NewInvitation{Email: "carol@foo.com", Organization: o.ID})
	if m, err := accept(t, s, e, i.Token, bob.ID); err != nil || m.User != bob.ID {
		t.Errorf("by a colleague: %+v %v", m, err)
	}
	i = invite(t, s, e, identity.NewInvitation{Email: "carol@gmail.com", Organization: o.ID})
	mallory := user(t, s, e, "mallory@gmail.com")
	if _, err := accept(t, s, e, i.Token, mallory.ID); code(err) != "invitation_cannot_be_used_for_email" {
		t.Errorf("by somebody of the same provider: %v", err)
	}
	other, err := s.CreateEnvironment(t.Context(), identity.NewEnvironment{Name: "other"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := accept(t, s, other, i.Token, mallory.ID); apierr.KindOf(err) != apierr.NotFound {
		t.Errorf("in another environment: %v", err)
	}
}

func TestInvitationLapses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, e := house(t, identity.Settings{})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		defer func() { cancel(); <-done }()
		o, u := organization(t, s, e, "Foo"), user(t, s, e, "ada@foo.com")
		day := 1
		i := invite(t, s, e, identity.NewInvitation{Email: u.Email, Organization: o.ID, Days: &day})
		pending := identity.MembershipQuery{User: u.ID, Statuses: []identity.MembershipStatus{identity.MembershipPending}}
		if l, err := s.Members(t.Context(), e.ID, pending); err != nil || len(l.Data) != 1 {
			t.Fatalf("%+v %v", l, err)
		}
		if _, err := s.AddMembership(t.Context(), e.ID, identity.NewMembership{User: u.ID, Organization: o.ID}); code(err) != "cannot_reactivate_pending_organization_membership" {
			t.Errorf("added while invited: %v", err)
		}
		if _, err := s.SetMembershipActive(t.Context(), e.ID, mustMember(t, s, e, pending).ID, true); code(err) != "cannot_reactivate_pending_organization_membership" {
			t.Errorf("activated while invited: %v", err)
		}
		time.Sleep(24*time.Hour + 2*time.Minute) // of the bubble
		synctest.Wait()
		if l, err := s.Members(t.Context(), e.ID, pending); err != nil || len(l.Data) != 0 {
			t.Errorf("after its end: %+v %v", l, err)
		}
		if _, err := accept(t, s, e, i.Token, u.ID); code(err) != "invite_not_pending" {
			t.Errorf("late: %v", err)
		}
		invite(t, s, e, identity.NewInvitation{Email: u.Email, Organization: o.ID})
		if err := s.DeleteOrganization(t.Context(), e.ID, o.ID); err != nil {
			t.Fatal(err)
		}
		if l, err := s.Invitations(t.Context(), e.ID, identity.InvitationQuery{}); err != nil || len(l.Data) != 0 {
			t.Errorf("outlived its organization: %+v %v", l, err)
		}
	})
}

// mustMember is the one membership of a query.
func mustMember(t *testing.T, s *identity.Service, e *identity.Environment, q identity.MembershipQuery) *identity.Member {
	t.Helper()
	l, err := s.Members(t.Context(), e.ID, q)
	if err != nil || len(l.Data) != 1 {
		t.Fatalf("%+v %v", l, err)
	}
	return &l.Data[0]
}
