package pebblestore

import (
	"math/rand/v2"
	"testing"
	"time"

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

// TestStoreReclaims: deletions that lie above what they delete, and that Pebble leaves
// there, do not keep the space for long.
func TestStoreReclaims(t *testing.T) {
	t.Parallel()
	s, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	const docs, body = 3000, 1000
	random := rand.NewChaCha8([32]byte{})
	write := func(round int) {
		var batch []persistence.Commit
		for i := range docs {
			r := persistence.Revision{Doc: persistence.DocID{Table: 10001, Internal: [16]byte{byte(i >> 8), byte(i)}}, Body: make([]byte, body)}
			_, _ = random.Read(r.Body) // never fails; does not compress
			if round > 0 {
				r.Prev = persistence.Timestamp((round-1)*docs + i + 1)
			}
			batch = append(batch, persistence.Commit{TS: persistence.Timestamp(round*docs + i + 1), Revisions: []persistence.Revision{r}})
		}
		if err := s.Append(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
	size := func() int64 { return int64(s.db.Metrics().Total().TablesSize) }
	write(0)
	if err := s.db.Compact(t.Context(), []byte{0}, []byte{0xff}, false); err != nil { // to where deletions are far
		t.Fatal(err)
	}
	write(1) // stays in memory, and goes to one file with the deletions: few among much
	prune := func() (n int) {
		if n, err = s.Prune(t.Context(), 2*docs, 2000); err != nil {
			t.Fatal(err)
		}
		return n
	}
	for prune() > 0 {
	}
	if err := s.db.Flush(); err != nil {
		t.Fatal(err)
	}
	// Pebble learns in the background what the deletions are worth.
	for tries := 0; size() > docs*body*5/4; tries++ {
		if tries == 5000 {
			t.Fatalf("%d bytes for %d of documents", size(), docs*body)
		}
		<-time.After(time.Millisecond)
		prune()
	}
	got, err := s.Prior(t.Context(), []persistence.DocID{{Table: 10001}}, 2*docs)
	if err != nil || got[0].TS != docs+1 || len(got[0].Body) != body {
		t.Errorf("the newest revision: %d, %d bytes, %v", got[0].TS, len(got[0].Body), err)
	}
}
