package persistencetest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/lentil-dev/lentil/internal/persistence"
)

func backfill(t *testing.T, open Open) {
	s := fresh(t, open)
	appendAll(t, s,
		persistence.Commit{TS: 10, Revisions: []persistence.Revision{rev(doc(1), 0, "a"), rev(doc(2), 0, "b")}},
		persistence.Commit{TS: 20, Revisions: []persistence.Revision{rev(doc(1), 10, "c")}, Entries: []persistence.IndexWrite{drop("a", doc(1)), put("c", doc(1))}},
		// The entries of the snapshot at 10 come when the log is at 20 already.
		persistence.Commit{Backfill: true, Entries: []persistence.IndexWrite{
			{Index: 40, Key: []byte("a"), Doc: doc(1), TS: 10}, {Index: 40, Key: []byte("b"), Doc: doc(2), TS: 10},
		}},
	)
	want(t, s, 40, 15, persistence.Span{}, "a>1", "b>2")
	want(t, s, 40, 25, persistence.Span{}, "b>2", "c>1")
	if got := logOf(t, s, 0, persistence.Max, persistence.Asc); len(got) != 3 {
		t.Errorf("a backfill shows in the log: %v", got)
	}
	// What it wrote is pruned by the commit that removed it.
	appendAll(t, s, persistence.Commit{TS: 30, Revisions: []persistence.Revision{rev(doc(3), 0, "z")}})
	pruneAll(t, s, 25)
	want(t, s, 40, 25, persistence.Span{}, "b>2", "c>1")
}

func dropIndex(t *testing.T, open Open) {
	s := fresh(t, open)
	appendAll(t, s,
		persistence.Commit{TS: 1, Entries: []persistence.IndexWrite{put("a", doc(1)), {Index: 39, Key: []byte("x"), Doc: doc(1)}, {Index: 41, Key: []byte("x"), Doc: doc(1)}}},
		persistence.Commit{TS: 2, Entries: []persistence.IndexWrite{drop("a", doc(1)), put("b", doc(1))}},
		persistence.Commit{Backfill: true, Drop: []persistence.IndexID{40}},
	)
	want(t, s, 40, 1, persistence.Span{})
	want(t, s, 40, 2, persistence.Span{})
	want(t, s, 39, 2, persistence.Span{}, "x>1")
	want(t, s, 41, 2, persistence.Span{}, "x>1")
}

// pruneAll prunes in small steps until nothing is left to do.
func pruneAll(t *testing.T, s persistence.Store, before persistence.Timestamp) (total int) {
	t.Helper()
	for {
		n, err := s.Prune(t.Context(), before, 3)
		if err != nil {
			t.Fatal(err)
		}
		total += n
		if n < 3 {
			return total
		}
	}
}

func prune(t *testing.T, open Open) {
	s := fresh(t, open)
	appendAll(t, s,
		persistence.Commit{TS: 10, Revisions: []persistence.Revision{rev(doc(1), 0, "a"), rev(doc(2), 0, "b"), rev(doc(3), 0, "c")}, Entries: []persistence.IndexWrite{put("a", doc(1)), put("b", doc(2)), put("c", doc(3))}},
		persistence.Commit{TS: 20, Revisions: []persistence.Revision{rev(doc(1), 10, "A")}, Entries: []persistence.IndexWrite{drop("a", doc(1)), put("A", doc(1))}},
		persistence.Commit{TS: 30, Revisions: []persistence.Revision{rev(doc(2), 10, "")}, Entries: []persistence.IndexWrite{drop("b", doc(2))}},
		persistence.Commit{TS: 40, Revisions: []persistence.Revision{rev(doc(1), 20, "a")}, Entries: []persistence.IndexWrite{drop("A", doc(1)), put("a", doc(1))}},
		persistence.Commit{TS: 50, Revisions: []persistence.Revision{rev(doc(2), 30, "B")}, Entries: []persistence.IndexWrite{put("b", doc(2))}},
		persistence.Commit{TS: 60, Revisions: []persistence.Revision{rev(doc(1), 40, "z")}, Entries: []persistence.IndexWrite{}},
	)
	see := func(at persistence.Timestamp) [2][]string {
		return [2][]string{scan(t, s, 40, at, persistence.Span{}, persistence.Asc), scan(t, s, persistence.Primary(7), at, persistence.Span{}, persistence.Desc)}
	}
	times := []persistence.Timestamp{10, 20, 30, 40, 45, 50, 60, 70}
	before := map[persistence.Timestamp][2][]string{}
	for _, at := range times {
		before[at] = see(at)
	}
	for _, horizon := range []persistence.Timestamp{5, 10, 25, 30, 45, 60} {
		pruneAll(t, s, horizon)
		for _, at := range times {
			if at < horizon {
				continue
			}
			if got := see(at); fmt.Sprint(got) != fmt.Sprint(before[at]) {
				t.Errorf("pruned before %d, at %d: %v, want %v", horizon, at, got, before[at])
			}
		}
		if n := pruneAll(t, s, horizon); n != 0 {
			t.Errorf("pruning before %d again did %d deletions", horizon, n)
		}
	}
	if got := bodyAt(t, s, doc(1), 20); got != "" {
		t.Errorf("a revision that nobody sees is still there: %q", got)
	}
}

func pruneNewest(t *testing.T, open Open) {
	s := fresh(t, open)
	appendAll(t, s,
		persistence.Commit{TS: 10, Revisions: []persistence.Revision{rev(doc(1), 0, "a")}},
		persistence.Commit{TS: 20, Revisions: []persistence.Revision{rev(doc(1), 10, "")}},
	)
	pruneAll(t, s, persistence.Max)
	if ts, err := persistence.Newest(t.Context(), s); ts != 20 || err != nil {
		t.Errorf("Newest = %d, %v", ts, err)
	}
}

func appendWhileScanning(t *testing.T, open Open) {
	s := fresh(t, open)
	const n = 700
	for i := range n {
		id := persistence.DocID{Table: 7, Internal: [16]byte{0: byte(i >> 8), 1: byte(i)}}
		appendAll(t, s, persistence.Commit{TS: persistence.Timestamp(i + 1), Revisions: []persistence.Revision{{Doc: id, Body: []byte("old")}}})
	}
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		for i := range n {
			id := persistence.DocID{Table: 7, Internal: [16]byte{0: byte(i >> 8), 1: byte(i)}}
			extra := id
			extra.Internal[2] = 1
			c := persistence.Commit{TS: persistence.Timestamp(n + i + 1), Revisions: []persistence.Revision{{Doc: id, Prev: persistence.Timestamp(i + 1), Body: []byte("new")}, {Doc: extra, Body: []byte("new")}}}
			if err := s.Append(t.Context(), []persistence.Commit{c}); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	for round := range 6 {
		seen := 0
		for e, err := range s.Scan(t.Context(), persistence.Primary(7), n, persistence.Span{}, persistence.Order(round%2 == 1)) {
			if err != nil || string(e.Body) != "old" {
				t.Fatalf("row %d: %q, %v", seen, e.Body, err)
			}
			seen++
		}
		if seen != n {
			t.Errorf("saw %d rows of %d", seen, n)
		}
	}
	wg.Wait()
}

// Reopen holds a store that outlives its closing against what persistence promises of it;
// again opens one that was closed.
func Reopen(t *testing.T, open Open, again func(t *testing.T, closed persistence.Store) persistence.Store) {
	t.Helper()
	s := open(t)
	appendAll(t, s, persistence.Commit{TS: 10, Revisions: []persistence.Revision{rev(doc(1), 0, "a")}, Entries: []persistence.IndexWrite{put("a", doc(1))}})
	if err := s.SetCell(t.Context(), "x", []byte("y")); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = again(t, s)
	defer s.Close()
	want(t, s, 40, 10, persistence.Span{}, "a>1")
	want(t, s, persistence.Primary(7), 10, persistence.Span{}, "1=a")
	if b, err := s.Cell(t.Context(), "x"); string(b) != "y" || err != nil {
		t.Errorf("cell %q, %v", b, err)
	}
	if ts, err := persistence.Newest(t.Context(), s); ts != 10 || err != nil {
		t.Errorf("Newest = %d, %v", ts, err)
	}
	appendAll(t, s, persistence.Commit{TS: 11, Revisions: []persistence.Revision{rev(doc(1), 10, "b")}})
	want(t, s, persistence.Primary(7), 11, persistence.Span{}, "1=b")
}

// random compares a store with a list of snapshots, over a random history that
// is pruned now and then.
func random(t *testing.T, open Open) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 1))
	s := fresh(t, open)
	keys := []string{"a", "a\x00", "a\xff", "b", "ba", "c", "\x00", "\xff", "k9\x09"}
	now := map[byte]string{}
	in := map[byte]string{} // key of the document in the index
	wrote := map[byte]persistence.Timestamp{}
	var docs, index []map[byte]string
	docs, index = append(docs, map[byte]string{}), append(index, map[byte]string{})
	horizon := persistence.Timestamp(0)
	for ts := persistence.Timestamp(1); ts <= 150; ts++ {
		c := persistence.Commit{TS: ts}
		for _, b := range rng.Perm(6)[:1+rng.IntN(3)] {
			id := byte(b)
			body := ""
			if rng.IntN(3) > 0 {
				body = fmt.Sprintf("%d.%d", ts, id)
			} else if now[id] == "" {
				continue
			}
			c.Revisions = append(c.Revisions, rev(doc(id), wrote[id], body))
			wrote[id] = ts
			key := keys[rng.IntN(len(keys))] + string(append(make([]byte, 15), id))
			if in[id] != "" && (in[id] != key || body == "") {
				c.Entries = append(c.Entries, drop(in[id], doc(id)))
			}
			if body != "" && in[id] != key {
				c.Entries = append(c.Entries, put(key, doc(id)))
			}
			if now[id], in[id] = body, key; body == "" {
				delete(now, id)
				delete(in, id)
			}
		}
		appendAll(t, s, c)
		docs, index = append(docs, maps.Clone(now)), append(index, maps.Clone(in))
		if rng.IntN(10) == 0 {
			horizon += persistence.Timestamp(rng.IntN(int(ts-horizon) + 1))
			pruneAll(t, s, horizon)
		}
		at := horizon + persistence.Timestamp(rng.IntN(int(ts-horizon)+1))
		var rows, entries []string
		for _, id := range slices.Sorted(maps.Keys(docs[at])) {
			rows = append(rows, fmt.Sprintf("%d=%s", id, docs[at][id]))
		}
		want(t, s, persistence.Primary(7), at, persistence.Span{}, rows...)
		byKey := map[string]byte{}
		for id, key := range index[at] {
			byKey[key] = id
		}
		for _, key := range slices.Sorted(maps.Keys(byKey)) {
			entries = append(entries, fmt.Sprintf("%s>%d", key, byKey[key]))
		}
		want(t, s, 40, at, persistence.Span{}, entries...)
		if t.Failed() {
			t.Fatalf("at commit %d, seed %d", ts, seed)
		}
	}
}
