package database_test

import (
	"errors"
	"testing"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/value"
)

// TestCommitTimestampIsResolvedAtCommit: documents, index and later readers see the
// very timestamp that the commit was given.
func TestCommitTimestampIsResolvedAtCommit(t *testing.T) {
	t.Parallel()
	ctx, db := t.Context(), open(t)
	if err := db.EnsureTables(ctx, []database.TableDef{{Name: "t", Indexes: []database.IndexDef{{Name: "by_at", Fields: []string{"at", "n"}}}}}); err != nil {
		t.Fatal(err)
	}
	names := func(tx *database.Tx) (list []value.Value) {
		t.Helper()
		c := tx.Scan("t", "by_at", database.Interval{}, database.Asc)
		defer c.Close()
		for {
			d, err := c.Next(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if d == nil {
				return list
			}
			n, _ := d.Object().Get("n")
			list = append(list, n)
		}
	}
	at := value.Field{Name: "at", Value: value.CommitTS{}}
	var stamps []int64
	for i := range 3 {
		tx := begin(t, db)
		id, err := tx.Insert(ctx, "t", value.ObjectOf(at, value.Field{Name: "n", Value: value.Int64(i)}, value.Field{Name: "in", Value: value.Array{value.CommitTS{}}}))
		if err != nil {
			t.Fatal(err)
		}
		d, err := tx.Get(ctx, id)
		if v, _ := d.Object().Get("at"); err != nil || v != value.Value(value.CommitTS{}) {
			t.Fatalf("read back %v, %v", v, err)
		}
		if got := names(tx); got[len(got)-1] != value.Value(value.Int64(i)) {
			t.Errorf("order within the transaction: %v", got)
		}
		ts, err := db.Commit(ctx, tx)
		if err != nil {
			t.Fatal(err)
		}
		stamps = append(stamps, int64(ts))
		again := begin(t, db)
		d, err = again.Get(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		o := d.Object()
		got, _ := o.Get("at")
		in, _ := o.Get("in")
		if got != value.Value(value.Int64(ts)) || !value.Equal(in, value.Array{value.Int64(ts)}) || value.Size(o) != d.Size {
			t.Errorf("committed at %d: %s", ts, d.JSON())
		}
	}
	// The index has the resolved keys: a range up to the second finds two.
	tx := begin(t, db)
	c := tx.Scan("t", "by_at", database.Interval{Upper: database.After(value.AppendKey(nil, value.Int64(stamps[1])))}, database.Asc)
	n := 0
	for d, err := c.Next(ctx); d != nil; d, err = c.Next(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != 2 {
		t.Errorf("%d documents up to the second timestamp", n)
	}
}

// TestCommitTimestampConflictsWithItsReaders: who read the end of the index conflicts
// with a document that arrives there, whatever its timestamp.
func TestCommitTimestampConflictsWithItsReaders(t *testing.T) {
	t.Parallel()
	ctx, db := t.Context(), open(t)
	if err := db.EnsureTables(ctx, []database.TableDef{{Name: "t", Indexes: []database.IndexDef{{Name: "by_at", Fields: []string{"at"}}}}}); err != nil {
		t.Fatal(err)
	}
	upTo := func(tx *database.Tx, upper int64) {
		t.Helper()
		c := tx.Scan("t", "by_at", database.Interval{Upper: database.After(value.AppendKey(nil, value.Int64(upper)))}, database.Asc)
		defer c.Close()
		if _, err := c.Next(ctx); err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Insert(ctx, "other", obj("n", 1)); err != nil {
			t.Fatal(err)
		}
	}
	update(t, db, func(tx *database.Tx) error { _, err := tx.Insert(ctx, "other", obj("n", 0)); return err })
	everything, past := begin(t, db), begin(t, db)
	upTo(everything, 1<<62)
	upTo(past, int64(past.Snapshot()))
	update(t, db, func(tx *database.Tx) error {
		_, err := tx.Insert(ctx, "t", value.ObjectOf(value.Field{Name: "at", Value: value.CommitTS{}}))
		return err
	})
	if _, err := db.Commit(ctx, everything); !errors.Is(err, database.ErrConflict) {
		t.Errorf("reader of everything: %v", err)
	}
	if _, err := db.Commit(ctx, past); err != nil {
		t.Errorf("reader up to its snapshot: %v", err)
	}
}
