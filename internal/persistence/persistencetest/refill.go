package persistencetest

import (
	"testing"

	"github.com/lentil-dev/lentil/internal/persistence"
)

// backfillRevisions asks for revisions of the past, as a restore writes them: each is
// seen from its own timestamp on, the log does not tell of them, and pruning by the
// commits that replace them forgets them.
func backfillRevisions(t *testing.T, open Open) {
	s := fresh(t, open)
	old := func(id persistence.DocID, ts persistence.Timestamp, body string) persistence.Revision {
		r := rev(id, 0, body)
		r.TS = ts
		return r
	}
	if err := s.Append(t.Context(), []persistence.Commit{
		{Backfill: true, Revisions: []persistence.Revision{old(doc(2), 30, "two"), old(doc(1), 20, "one")}},
		{TS: 40, Revisions: []persistence.Revision{rev(doc(1), 20, "uno")}},
	}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		at       persistence.Timestamp
		one, two string
	}{{10, "", ""}, {20, "one", ""}, {30, "one", "two"}, {40, "uno", "two"}} {
		revs, err := s.Prior(t.Context(), []persistence.DocID{doc(1), doc(2)}, tt.at)
		if err != nil || string(revs[0].Body) != tt.one || string(revs[1].Body) != tt.two {
			t.Errorf("at %d: %v, %v", tt.at, revs, err)
		}
	}
	var told []persistence.Timestamp
	for r, err := range s.Log(t.Context(), 0, persistence.Max, persistence.Asc) {
		if err != nil {
			t.Fatal(err)
		}
		told = append(told, r.TS)
	}
	if len(told) != 1 || told[0] != 40 {
		t.Errorf("the log tells of %v", told)
	}
	if err := s.Append(t.Context(), []persistence.Commit{{TS: 50, Revisions: []persistence.Revision{rev(doc(3), 0, "three")}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Prune(t.Context(), 45, 100); err != nil {
		t.Fatal(err)
	}
	revs, err := s.Prior(t.Context(), []persistence.DocID{doc(1), doc(2)}, 30)
	if err != nil || revs[0].Body != nil || string(revs[1].Body) != "two" {
		t.Errorf("after pruning: %v, %v", revs, err)
	}
}
