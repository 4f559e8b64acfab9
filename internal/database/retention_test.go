package database

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/value"
)

// crashing is a store that outlives its database, and that fails when it is to drop
// indexes, if told so.
type crashing struct {
	persistence.Store
	fail bool
	drop []persistence.IndexID // was to be dropped
}

// errCrash is how it fails.
var errCrash = errors.New("the process ends here")

// Append is part of persistence.Store.
func (s *crashing) Append(ctx context.Context, batch []persistence.Commit) error {
	for _, c := range batch {
		if len(c.Drop) > 0 {
			s.drop = c.Drop
			if s.fail {
				return errCrash
			}
		}
	}
	return s.Store.Append(ctx, batch)
}

// Close is part of persistence.Store.
func (*crashing) Close() error { return nil }

// TestDroppedIndexGoesAlsoAfterCrash: the entries of a dropped index go, even if the
// process ends when they are about to.
func TestDroppedIndexGoesAlsoAfterCrash(t *testing.T) {
	t.Parallel()
	ctx, s := t.Context(), &crashing{Store: persistence.NewMemory(), fail: true}
	db := openOn(t, s)
	for _, f := range []func(tx *Tx) error{
		func(tx *Tx) error { return tx.AddIndex(ctx, "t", "by_x", []string{"x"}, Enabled) },
		func(tx *Tx) error {
			_, err := tx.Insert(ctx, "t", value.ObjectOf(value.Field{Name: "x", Value: value.String("a")}))
			return err
		},
		func(tx *Tx) error { return tx.DropIndex(ctx, "t", "by_x") },
		func(tx *Tx) error { _, err := tx.Insert(ctx, "t", value.Object{}); return err },
	} {
		if _, err := db.Update(ctx, f); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Prune(ctx, db.Latest()); !errors.Is(err, errCrash) {
		t.Fatalf("prune: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	entries := func() (n int) {
		for _, err := range s.Scan(ctx, s.drop[0], persistence.Max, persistence.Span{}, Asc) {
			if n++; err != nil {
				t.Fatal(err)
			}
		}
		return n
	}
	if entries() != 1 {
		t.Fatalf("%d entries before", entries())
	}
	s.fail = false
	db = openOn(t, s)
	if _, err := db.Update(ctx, func(tx *Tx) error { _, err := tx.Insert(ctx, "t", value.Object{}); return err }); err != nil {
		t.Fatal(err)
	}
	if err := db.Prune(ctx, db.Latest()); err != nil {
		t.Fatal(err)
	}
	if n := entries(); n != 0 {
		t.Errorf("%d entries are left", n)
	}
	if left := len(db.visible.Load().cat.dropped); left != 0 {
		t.Errorf("%d dropped indexes are remembered", left)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestHorizonUnderLoad(t *testing.T) {
	t.Parallel()
	db := &DB{retention: 4 * time.Hour}
	now := time.Unix(1_700_000_000, 0)
	ago := func(d time.Duration) persistence.Timestamp { return persistence.Timestamp(now.Add(-d).UnixNano()) }
	for _, x := range []struct {
		name string
		past []milestone
		want time.Duration
	}{
		{"nothing known", nil, 4 * time.Hour},
		{"little load", []milestone{{ago(2 * time.Hour), 0}, {ago(0), maxHistory - 1}}, 4 * time.Hour},
		{"heavy load", []milestone{{ago(2 * time.Hour), 0}, {ago(time.Hour), 10}, {ago(30 * time.Minute), 1000}, {ago(0), maxHistory + 500}}, time.Hour},
		{"very heavy load", []milestone{{ago(20 * time.Minute), 0}, {ago(9 * time.Minute), 5}, {ago(0), 9 * maxHistory}}, 20 * time.Minute},
	} {
		if got := db.horizonAt(now, x.past); got != ago(x.want) {
			t.Errorf("%s: %v ago, want %v", x.name, now.Sub(got.Time()), x.want)
		}
	}
}

func TestWriteLogForgets(t *testing.T) {
	t.Parallel()
	var w writeLog
	w.init(0, 100)
	reads := func(k byte) *ReadSet { return newReadSet([]*read{{index: 1, span: point([]byte{k})}}) }
	for i := range 250 {
		w.add([]touch{{index: 1, key: []byte{byte(i % 50)}}}, persistence.Timestamp(i+1))
	}
	if w.floor != 150 || w.keys.count != 50 {
		t.Errorf("floor %d, %d keys", w.floor, w.keys.count)
	}
	w.trim(500)
	if w.floor != 240 || w.keys.count != 10 || len(w.fifo) != 10 {
		t.Errorf("trimmed: floor %d, %d keys, %d writes", w.floor, w.keys.count, len(w.fifo))
	}
	if _, ts, known := w.met(reads(45), 245); ts != 246 || !known {
		t.Errorf("a write that is remembered: %d, %v", ts, known)
	}
	if _, ts, known := w.met(reads(3), 240); ts != 0 || !known {
		t.Errorf("a key that was not written since: %d, %v", ts, known)
	}
	if _, _, known := w.met(reads(3), 239); known {
		t.Error("beyond the floor")
	}
}
