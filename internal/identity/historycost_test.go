package identity

import (
	"testing"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/token"
)

// TestFiltersOfEventsCostWhatTheyFind looks for a few events among many others.
func TestFiltersOfEventsCostWhatTheyFind(t *testing.T) {
	t.Parallel()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	db, err := database.Open(t.Context(), database.Options{Store: persistence.NewMemory()})
	must(err)
	t.Cleanup(func() { db.Close() })
	s := &Service{DB: db, Sealer: token.NewSealer([]byte("0123456789abcdef0123456789abcdef"))}
	must(s.Open(t.Context()))
	e, err := s.CreateEnvironment(t.Context(), NewEnvironment{Name: "test"})
	must(err)
	for range 3 {
		for range 20 {
			must(s.Update(t.Context(), func(tx *Tx) error {
				for range 100 {
					if err := tx.Record(e.ID, "session.created", map[string]any{"organization_id": "org_busy"}); err != nil {
						return err
					}
				}
				return nil
			}))
		}
		must(s.Update(t.Context(), func(tx *Tx) error {
			return tx.Record(e.ID, "user.deleted", map[string]any{"organization_id": "org_quiet"})
		}))
	}
	for name, q := range map[string]EventQuery{
		"a rare name":               {Names: []string{"user.deleted", "user.updated"}},
		"an organization":           {Organization: "org_quiet"},
		"both":                      {Organization: "org_quiet", Names: []string{"user.deleted"}},
		"a rare name, from the end": {Names: []string{"user.deleted"}, Before: "event_zzzz"},
	} {
		horizon, err := s.events.horizon(t.Context(), e.ID)
		must(err)
		must(s.View(t.Context(), func(tx *Tx) error {
			l, err := tx.events(e.ID, q, horizon)
			if err == nil && (len(l.Data) != 3 || tx.Usage().DocumentsRead > 10) {
				t.Errorf("%s: %d found, %d rows read of 6003", name, len(l.Data), tx.Usage().DocumentsRead)
			}
			return err
		}))
	}
}
