package identity_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
)

// TestOnlyOneWins lets many do at once what one may: whatever the interleaving, the
// others are refused, and by the code that says why.
func TestOnlyOneWins(t *testing.T) {
	t.Parallel()
	s, e := house(t, identity.Settings{})
	o, u := organization(t, s, e, "Foo"), user(t, s, e, "ada@foo.com")
	var pending []identity.DomainID
	for i := range 8 {
		rival := organization(t, s, e, fmt.Sprint("Rival ", i))
		d, err := s.CreateDomain(t.Context(), e.ID, rival.ID, identity.NewDomain{Name: "claimed.com"})
		if err != nil {
			t.Fatal(err)
		}
		pending = append(pending, d.ID)
	}
	i := invite(t, s, e, identity.NewInvitation{Email: "new@foo.com", Organization: o.ID})
	colleagues := make([]identity.UserID, 8)
	for n := range colleagues {
		colleagues[n] = user(t, s, e, fmt.Sprintf("c%d@foo.com", n)).ID
	}
	for name, c := range map[string]struct {
		refusal string
		do      func(n int) error
	}{
		"verified domain of a new organization": {"domain_already_exists", func(n int) error {
			_, err := s.CreateOrganization(t.Context(), e.ID, identity.NewOrganization{Name: fmt.Sprint(n), Domains: []identity.NewDomain{{Name: "one.com", State: identity.DomainVerified}}})
			return err
		}},
		"external id": {"external_id_already_used", func(n int) error {
			_, err := s.CreateOrganization(t.Context(), e.ID, identity.NewOrganization{Name: fmt.Sprint(n), ExternalID: "one"})
			return err
		}},
		"membership": {"organization_membership_already_exists", func(int) error {
			_, err := s.AddMembership(t.Context(), e.ID, identity.NewMembership{User: u.ID, Organization: o.ID})
			return err
		}},
		"address of a user": {"user_creation_error", func(int) error {
			_, err := s.CreateUser(t.Context(), e.ID, identity.NewUser{Email: "one@foo.com"})
			return err
		}},
		"slug of a role": {"role_slug_conflict", func(int) error {
			return s.Update(t.Context(), func(tx *identity.Tx) error {
				_, err := tx.CreateRole(e.ID, "", identity.NewRole{Slug: "one", Name: "One"})
				return err
			})
		}},
		"invitation": {"email_already_invited", func(int) error {
			return s.Update(t.Context(), func(tx *identity.Tx) error {
				_, err := tx.CreateInvitation(e.ID, identity.NewInvitation{Email: "one@bar.com"})
				return err
			})
		}},
		"token of an invitation": {"invite_has_accepted_user_id", func(n int) error {
			return s.Update(t.Context(), func(tx *identity.Tx) error {
				_, _, err := tx.AcceptInvitation(e.ID, i.Token, colleagues[n])
				return err
			})
		}},
		"claim to a domain": {"failed", func(n int) error {
			d, err := s.VerifyDomain(t.Context(), e.ID, pending[n])
			if err == nil && d.State == identity.DomainFailed {
				err = apierr.New(apierr.Conflict, "failed", "Another was first.")
			}
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var wg sync.WaitGroup
			errs := make([]error, 8)
			for n := range errs {
				wg.Go(func() { errs[n] = c.do(n) })
			}
			wg.Wait()
			won := 0
			for _, err := range errs {
				switch {
				case err == nil:
					won++
				case code(err) != c.refusal:
					t.Errorf("refused with %v", err)
				}
			}
			if won != 1 {
				t.Errorf("%d won", won)
			}
		})
	}
}
