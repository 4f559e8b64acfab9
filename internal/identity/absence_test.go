package identity_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/token"
)

// A client whose answer was lost because the house was killed asks again when there is
// a house again, be that after an hour; only time with a house counts for reuse.
func TestRefreshThatWasLostWithTheHouseIsRepeated(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name           string
		before, after  time.Duration // with a house: from the exchange to the end, from the start to the repetition
		reuse, forward bool          // forward: the environment's clock is ahead
	}{
		{name: "at once", before: time.Second, after: time.Second},
		{name: "with a clock that is ahead", before: time.Second, after: time.Second, forward: true},
		{name: "not for ever", before: time.Second, after: 31 * time.Second, reuse: true},
		{name: "the time before counts", before: 20 * time.Second, after: 11 * time.Second, reuse: true},
		{name: "it was reuse before", before: 31 * time.Second, after: time.Second, reuse: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				store := persistence.NewMemory()
				open := func() *identity.Service {
					db, err := database.Open(t.Context(), database.Options{Store: store})
					if err != nil {
						t.Fatal(err)
					}
					t.Cleanup(func() { db.Close() })
					s := &identity.Service{DB: db, Sealer: token.NewSealer([]byte("0123456789abcdef0123456789abcdef"))}
					if err := s.Open(t.Context()); err != nil {
						t.Fatal(err)
					}
					return s
				}
				s := open()
				set := identity.Settings{}
				if c.forward {
					set.Clock = 24 * time.Hour
				}
				e, err := s.CreateEnvironment(t.Context(), identity.NewEnvironment{Name: "test", Settings: set})
				if err != nil {
					t.Fatal(err)
				}
				ctx := identity.At(t.Context(), e)
				_, sent := start(t, s, e)
				lost, err := refresh(ctx, s, e, sent)
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(c.before)
				user(t, s, e, "last@example.com") // what others did until the end
				time.Sleep(time.Hour)
				s = open()
				time.Sleep(c.after)
				again, err := refresh(ctx, s, e, sent)
				switch {
				case c.reuse && code(err) != "invalid_grant":
					t.Errorf("reuse: %v", err)
				case !c.reuse && (err != nil || again != lost):
					t.Errorf("%v; the same successor: %v", err, again == lost)
				}
			})
		})
	}
}
