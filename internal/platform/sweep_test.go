package platform_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/platform"
)

func TestExpiredCredentialsDoNotPileUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, persistence.NewMemory())
		owner, err := p.Owner(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		add := func(n platform.NewCredential) {
			t.Helper()
			n.Operator = owner.ID
			if _, _, err := p.CreateCredential(t.Context(), n); err != nil {
				t.Fatal(err)
			}
		}
		rows := func() (n int) {
			t.Helper()
			if err := p.Identity.View(t.Context(), func(tx *identity.Tx) error {
				found, err := tx.All("platform_credentials", "on_scope", "operator:"+string(owner.ID))
				n = len(found)
				return err
			}); err != nil {
				t.Fatal(err)
			}
			return n
		}
		add(platform.NewCredential{Kind: platform.PersonalToken, Name: "for ever"})
		for range 15 {
			add(platform.NewCredential{Kind: platform.LinkToken})
		}
		time.Sleep(time.Hour) // of the bubble's clock
		add(platform.NewCredential{Kind: platform.SessionToken})
		add(platform.NewCredential{Kind: platform.SessionToken})
		if n := rows(); n != 3 {
			t.Errorf("%d rows are left", n)
		}
	})
}
