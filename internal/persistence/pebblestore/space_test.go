package pebblestore

import (
	"testing"

	"github.com/lentil-dev/lentil/internal/persistence"
)

// TestStorePruneGivesSpaceBack: what was pruned does not wait in memory until the
// next 16 MiB of writes, with the garbage on the disk.
func TestStorePruneGivesSpaceBack(t *testing.T) {
	t.Parallel()
	s, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	doc := persistence.DocID{Table: 10001, Internal: [16]byte{1}}
	const commits = worthFlushing
	batch := make([]persistence.Commit, commits)
	for i := range batch {
		batch[i] = persistence.Commit{TS: persistence.Timestamp(i + 1), Revisions: []persistence.Revision{{Doc: doc, Prev: persistence.Timestamp(i), Body: []byte("body")}}}
	}
	if err := s.Append(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	for n := 2000; n >= 2000; {
		if n, err = s.Prune(t.Context(), commits, 2000); err != nil {
			t.Fatal(err)
		}
	}
	if left := s.garbage.Load(); left != 0 {
		t.Errorf("%d deletions are left to chance", left)
	}
	if err := s.db.Flush(); err != nil { // waits for the one that was begun
		t.Fatal(err)
	}
	got, err := s.Prior(t.Context(), []persistence.DocID{doc}, commits)
	if err != nil || string(got[0].Body) != "body" {
		t.Errorf("%+v, %v", got, err)
	}
}
