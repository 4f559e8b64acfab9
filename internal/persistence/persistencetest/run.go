package persistencetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/lentil-dev/lentil/internal/persistence"
)

// Open opens a new store for a test.
type Open func(t *testing.T) persistence.Store

// Run holds a store against what persistence promises while it is open; Reopen asks the
// rest.
func Run(t *testing.T, open Open) {
	for _, q := range []struct {
		name string
		ask  func(t *testing.T, open Open)
	}{
		{"Empty", empty},
		{"Versions", versions},
		{"Spans", spans},
		{"KeysThatContainEachOther", nested},
		{"ManyVersionsOfOneKey", manyVersions},
		{"LargeKeysAndBodies", large},
		{"Log", log},
		{"Cells", cells},
		{"Backfill", backfill},
		{"BackfillOfRevisions", backfillRevisions},
		{"Drop", dropIndex},
		{"PruneKeepsWhatIsSeen", prune},
		{"PruneKeepsTheNewestCommit", pruneNewest},
		{"AppendWhileScanning", appendWhileScanning},
		{"StopEarly", stopEarly},
		{"ClosedRefuses", closedRefuses},
		{"Random", random},
	} {
		t.Run(q.name, func(t *testing.T) {
			t.Parallel()
			q.ask(t, open)
		})
	}
}

// fresh opens a new store and closes it when the test ends.
func fresh(t *testing.T, open Open) persistence.Store {
	t.Helper()
	s := open(t)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

// doc names a document by one byte, in table 7.
func doc(b byte) persistence.DocID {
	return persistence.DocID{Table: 7, Internal: [16]byte{15: b}}
}

// rev is a revision with a body; without one, a deletion.
func rev(id persistence.DocID, prev persistence.Timestamp, body string) persistence.Revision {
	r := persistence.Revision{Doc: id, Prev: prev}
	if body != "" {
		r.Body = []byte(body)
	}
	return r
}

// put is an index entry in index 40, drop its removal.
func put(key string, id persistence.DocID) persistence.IndexWrite {
	return persistence.IndexWrite{Index: 40, Key: []byte(key), Doc: id}
}

// drop removes an entry of index 40.
func drop(key string, id persistence.DocID) persistence.IndexWrite {
	return persistence.IndexWrite{Index: 40, Key: []byte(key), Doc: id, Deleted: true}
}

// appendAll appends commits one batch each.
func appendAll(t *testing.T, s persistence.Store, commits ...persistence.Commit) {
	t.Helper()
	for _, c := range commits {
		if err := s.Append(t.Context(), []persistence.Commit{c}); err != nil {
			t.Fatal(err)
		}
	}
}

// scan lists "key>document" or "document=body" of an index.
func scan(t *testing.T, s persistence.Store, ix persistence.IndexID, at persistence.Timestamp, span persistence.Span, o persistence.Order) []string {
	t.Helper()
	out := []string{}
	for e, err := range s.Scan(t.Context(), ix, at, span, o) {
		if err != nil {
			t.Fatal(err)
		}
		if _, primary := ix.Table(); primary {
			if !bytes.Equal(e.Key, e.Doc.Internal[:]) {
				t.Errorf("primary key %x of document %s", e.Key, e.Doc)
			}
			out = append(out, fmt.Sprintf("%d=%s", e.Doc.Internal[15], e.Body))
			continue
		}
		out = append(out, fmt.Sprintf("%s>%d", e.Key, e.Doc.Internal[15]))
	}
	return out
}

// want compares a listing in both directions.
func want(t *testing.T, s persistence.Store, ix persistence.IndexID, at persistence.Timestamp, span persistence.Span, rows ...string) {
	t.Helper()
	if got := scan(t, s, ix, at, span, persistence.Asc); !slices.Equal(got, rows) {
		t.Errorf("at %d, up: got %v, want %v", at, got, rows)
	}
	slices.Reverse(rows)
	if got := scan(t, s, ix, at, span, persistence.Desc); !slices.Equal(got, rows) {
		t.Errorf("at %d, down: got %v, want %v", at, got, rows)
	}
}

// bodyAt is a document's body at a timestamp, "" if there is none.
func bodyAt(t *testing.T, s persistence.Store, id persistence.DocID, at persistence.Timestamp) string {
	t.Helper()
	r, err := s.Prior(t.Context(), []persistence.DocID{id}, at)
	if err != nil {
		t.Fatal(err)
	}
	if len(r) != 1 || r[0].Doc != id {
		t.Fatalf("Prior(%s) = %v", id, r)
	}
	return string(r[0].Body)
}

// logOf lists "timestamp:document=body<previous" of a part of the log.
func logOf(t *testing.T, s persistence.Store, after, through persistence.Timestamp, o persistence.Order) []string {
	t.Helper()
	out := []string{}
	for r, err := range s.Log(t.Context(), after, through, o) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, fmt.Sprintf("%d:%d=%s<%d", r.TS, r.Doc.Internal[15], r.Body, r.Prev))
	}
	return out
}

func empty(t *testing.T, open Open) {
	s := fresh(t, open)
	if ts, err := persistence.Newest(t.Context(), s); ts != 0 || err != nil {
		t.Errorf("Newest = %d, %v", ts, err)
	}
	want(t, s, 40, persistence.Max, persistence.Span{})
	want(t, s, persistence.Primary(7), persistence.Max, persistence.Span{})
	if got := bodyAt(t, s, doc(1), persistence.Max); got != "" {
		t.Errorf("body %q", got)
	}
	if err := s.Append(t.Context(), nil); err != nil {
		t.Errorf("append nothing: %v", err)
	}
	if n, err := s.Prune(t.Context(), persistence.Max, 100); n != 0 || err != nil {
		t.Errorf("prune nothing: %d, %v", n, err)
	}
}

func versions(t *testing.T, open Open) {
	s := fresh(t, open)
	appendAll(t, s,
		persistence.Commit{TS: 10, Revisions: []persistence.Revision{rev(doc(1), 0, "one"), rev(doc(2), 0, "two")}, Entries: []persistence.IndexWrite{put("a", doc(1)), put("b", doc(2))}},
		persistence.Commit{TS: 20, Revisions: []persistence.Revision{rev(doc(1), 10, "uno")}, Entries: []persistence.IndexWrite{drop("a", doc(1)), put("c", doc(1))}},
		persistence.Commit{TS: 30, Revisions: []persistence.Revision{rev(doc(2), 10, "")}, Entries: []persistence.IndexWrite{drop("b", doc(2))}},
		persistence.Commit{TS: 40, Revisions: []persistence.Revision{rev(doc(2), 30, "due")}, Entries: []persistence.IndexWrite{put("b", doc(2))}},
	)
	p := persistence.Primary(7)
	for _, x := range []struct {
		at            persistence.Timestamp
		index, bodies []string
	}{
		{9, nil, nil},
		{10, []string{"a>1", "b>2"}, []string{"1=one", "2=two"}},
		{19, []string{"a>1", "b>2"}, []string{"1=one", "2=two"}},
		{20, []string{"b>2", "c>1"}, []string{"1=uno", "2=two"}},
		{30, []string{"c>1"}, []string{"1=uno"}},
		{40, []string{"b>2", "c>1"}, []string{"1=uno", "2=due"}},
		{persistence.Max, []string{"b>2", "c>1"}, []string{"1=uno", "2=due"}},
	} {
		want(t, s, 40, x.at, persistence.Span{}, x.index...)
		want(t, s, p, x.at, persistence.Span{}, x.bodies...)
	}
	want(t, s, 41, persistence.Max, persistence.Span{})
	want(t, s, persistence.Primary(6), persistence.Max, persistence.Span{})
	want(t, s, persistence.Primary(8), persistence.Max, persistence.Span{})
	r, err := s.Prior(t.Context(), []persistence.DocID{doc(2), doc(9), doc(1), doc(2)}, 35)
	if err != nil || len(r) != 4 || r[0].Body != nil || r[0].TS != 30 || r[1].TS != 0 || string(r[2].Body) != "uno" || r[2].TS != 20 || r[3].Body != nil {
		t.Errorf("Prior = %v, %v", r, err)
	}
}

func spans(t *testing.T, open Open) {
	s := fresh(t, open)
	appendAll(t, s, persistence.Commit{TS: 1, Entries: []persistence.IndexWrite{
		put("", doc(0)), put("\x00", doc(1)), put("b", doc(2)), put("bb", doc(3)), put("c", doc(4)), put("\xff\xff", doc(5)),
	}})
	// A neighbour on each side must not be seen.
	appendAll(t, s, persistence.Commit{TS: 2, Entries: []persistence.IndexWrite{{Index: 39, Key: []byte("\xff\xff\xff")}, {Index: 41, Key: []byte("")}}})
	all := []string{">0", "\x00>1", "b>2", "bb>3", "c>4", "\xff\xff>5"}
	for _, x := range []struct {
		lower, upper string
		from, to     int
	}{
		{"", "b", 0, 2}, {"\x00", "b\x00", 1, 3}, {"a", "d", 2, 5}, {"b", "b", 2, 2}, {"ba", "bbb", 3, 4}, {"c\x00", "\xff", 5, 5},
	} {
		want(t, s, 40, 5, persistence.Span{Lower: []byte(x.lower), Upper: []byte(x.upper)}, slices.Clone(all[x.from:x.to])...)
	}
	want(t, s, 40, 5, persistence.Span{Lower: []byte("c")}, slices.Clone(all[4:])...)
	want(t, s, 40, 5, persistence.Span{Upper: []byte("c")}, slices.Clone(all[:4])...)
	want(t, s, 40, 5, persistence.Span{}, slices.Clone(all)...)
	want(t, s, 40, 5, persistence.Span{Lower: []byte("d"), Upper: []byte("b")})
}

func nested(t *testing.T, open Open) {
	s := fresh(t, open)
	// Keys that begin with each other, and end like a store's own suffixes may.
	keys := []string{"k", "k\x00", "k\x00\x00", "k\x00\x00\x00\x00\x00\x00\x00\x00\x09", "k\x09", "k\xff", "k\xff\xff\xff\xff\xff\xff\xff\xfe\x09", "k\xff\xff\xff\xff\xff\xff\xff\xff\xff"}
	var rows []string
	for i, k := range keys {
		appendAll(t, s, persistence.Commit{TS: persistence.Timestamp(i + 1), Entries: []persistence.IndexWrite{put(k, doc(byte(i)))}})
		rows = append(rows, fmt.Sprintf("%s>%d", k, i))
	}
	for i, k := range keys {
		want(t, s, 40, 100, persistence.Span{Lower: []byte(k)}, slices.Clone(rows[i:])...)
		want(t, s, 40, 100, persistence.Span{Upper: []byte(k)}, slices.Clone(rows[:i])...)
		want(t, s, 40, persistence.Timestamp(i+1), persistence.Span{}, slices.Clone(rows[:i+1])...)
	}
}

func manyVersions(t *testing.T, open Open) {
	s := fresh(t, open)
	appendAll(t, s, persistence.Commit{TS: 1, Revisions: []persistence.Revision{rev(doc(1), 0, "first"), rev(doc(3), 0, "last")}})
	prev := persistence.Timestamp(0)
	for ts := persistence.Timestamp(10); ts < 210; ts++ {
		appendAll(t, s, persistence.Commit{TS: ts, Revisions: []persistence.Revision{rev(doc(2), prev, fmt.Sprint(ts))}})
		prev = ts
	}
	want(t, s, persistence.Primary(7), 9, persistence.Span{}, "1=first", "3=last")
	for _, at := range []persistence.Timestamp{10, 11, 12, 13, 14, 15, 100, 206, 207, 208, 209} {
		want(t, s, persistence.Primary(7), at, persistence.Span{}, "1=first", fmt.Sprintf("2=%d", at), "3=last")
		if got := bodyAt(t, s, doc(2), at); got != fmt.Sprint(at) {
			t.Errorf("at %d: %q", at, got)
		}
	}
}

func large(t *testing.T, open Open) {
	s := fresh(t, open)
	key, body := bytes.Repeat([]byte("k"), 300<<10), bytes.Repeat([]byte("b"), 5<<20)
	appendAll(t, s, persistence.Commit{TS: 1, Revisions: []persistence.Revision{{Doc: doc(1), Body: body}}, Entries: []persistence.IndexWrite{{Index: 40, Key: key, Doc: doc(1)}, put("z", doc(2))}})
	if got := bodyAt(t, s, doc(1), 1); got != string(body) {
		t.Errorf("body of %d bytes", len(got))
	}
	want(t, s, 40, 1, persistence.Span{Lower: key[:1], Upper: append(slices.Clone(key), 'k')}, string(key)+">1")
}

func log(t *testing.T, open Open) {
	s := fresh(t, open)
	batch := []persistence.Commit{
		{TS: 10, Revisions: []persistence.Revision{rev(doc(2), 0, "b"), rev(doc(1), 0, "a")}},
		{TS: 20, Revisions: []persistence.Revision{rev(doc(1), 10, "A")}},
		{TS: 21, Revisions: []persistence.Revision{rev(doc(2), 10, "")}},
	}
	if err := s.Append(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	all := []string{"10:2=b<0", "10:1=a<0", "20:1=A<10", "21:2=<10"}
	for _, x := range []struct{ after, through persistence.Timestamp }{{0, persistence.Max}, {9, 21}, {0, 10}, {10, 20}, {10, 19}, {20, persistence.Max}, {21, persistence.Max}} {
		part := []string{}
		for i, ts := range []persistence.Timestamp{10, 10, 20, 21} {
			if ts > x.after && ts <= x.through {
				part = append(part, all[i])
			}
		}
		if got := logOf(t, s, x.after, x.through, persistence.Asc); !slices.Equal(got, part) {
			t.Errorf("log (%d, %d] = %v, want %v", x.after, x.through, got, part)
		}
		slices.Reverse(part)
		if got := logOf(t, s, x.after, x.through, persistence.Desc); !slices.Equal(got, part) {
			t.Errorf("log (%d, %d] backwards = %v, want %v", x.after, x.through, got, part)
		}
	}
	if ts, err := persistence.Newest(t.Context(), s); ts != 21 || err != nil {
		t.Errorf("Newest = %d, %v", ts, err)
	}
}

func cells(t *testing.T, open Open) {
	s := fresh(t, open)
	for _, v := range []string{"1", "", "three"} {
		if err := s.SetCell(t.Context(), "a", []byte(v)); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Cell(t.Context(), "a"); err != nil || got == nil || string(got) != v {
			t.Errorf("cell = %q, %v; want %q", got, err, v)
		}
	}
	if got, err := s.Cell(t.Context(), "ab"); got != nil || err != nil {
		t.Errorf("unset cell = %q, %v", got, err)
	}
	if ts, err := persistence.Newest(t.Context(), s); ts != 0 || err != nil {
		t.Errorf("a cell is no commit: %d, %v", ts, err)
	}
}

func stopEarly(t *testing.T, open Open) {
	s := fresh(t, open)
	appendAll(t, s, persistence.Commit{TS: 1, Revisions: []persistence.Revision{rev(doc(1), 0, "a"), rev(doc(2), 0, "b")}, Entries: []persistence.IndexWrite{put("a", doc(1)), put("b", doc(2))}})
	for _, o := range []persistence.Order{persistence.Asc, persistence.Desc} {
		for range s.Scan(t.Context(), 40, 1, persistence.Span{}, o) {
			break
		}
		for range s.Log(t.Context(), 0, persistence.Max, o) {
			break
		}
	}
	ctx, stop := context.WithCancelCause(t.Context())
	stop(errors.New("enough"))
	for range s.Scan(ctx, 40, 1, persistence.Span{}, persistence.Asc) {
	}
}

func closedRefuses(t *testing.T, open Open) {
	s := open(t)
	appendAll(t, s, persistence.Commit{TS: 1, Revisions: []persistence.Revision{rev(doc(1), 0, "a")}})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Append(t.Context(), []persistence.Commit{{TS: 2}}); !errors.Is(err, persistence.ErrClosed) {
		t.Errorf("append after close: %v", err)
	}
	if err := s.SetCell(t.Context(), "a", nil); !errors.Is(err, persistence.ErrClosed) {
		t.Errorf("set cell after close: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("close twice: %v", err)
	}
}
