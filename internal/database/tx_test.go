package database_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/value"
)

// fill makes a table "t" with documents named by letters, indexed by group and
// name, and returns their ids.
func fill(t *testing.T, db *database.DB, letters string) (ids []value.ID) {
	t.Helper()
	ctx := t.Context()
	if err := db.EnsureTables(ctx, []database.TableDef{{Name: "t", Indexes: []database.IndexDef{{Name: "by_name", Fields: []string{"name"}}}}}); err != nil {
		t.Fatal(err)
	}
	update(t, db, func(tx *database.Tx) error {
		ids = nil
		for _, l := range letters {
			id, err := tx.Insert(ctx, "t", obj("name", string(l)))
			if err != nil {
				return err
			}
			ids = append(ids, id)
		}
		return nil
	})
	return ids
}

// nameKey is the key of a name in by_name.
func nameKey(s string) []byte { return value.AppendKey(nil, value.String(s)) }

func TestScanReadsOnlyWhatItReturned(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	for _, x := range []struct {
		name  string
		order database.Order
		in    database.Interval
		take  int
		write string // name of the document inserted
		want  bool
	}{
		{"before the first", database.Asc, database.Interval{}, 2, "a", true},
		{"between", database.Asc, database.Interval{}, 2, "c", true},
		{"behind the last taken", database.Asc, database.Interval{}, 2, "e", false},
		{"at the end, exhausted", database.Asc, database.Interval{}, 9, "z", true},
		{"all taken, not exhausted", database.Asc, database.Interval{}, 4, "z", false},
		{"down, above", database.Desc, database.Interval{}, 2, "z", true},
		{"down, below the last taken", database.Desc, database.Interval{}, 2, "e", false},
		{"down, between", database.Desc, database.Interval{}, 2, "g", true},
		{"down, exhausted", database.Desc, database.Interval{}, 9, "a", true},
		{"nothing taken", database.Asc, database.Interval{}, 0, "a", false},
		{"outside the interval", database.Asc, database.Interval{Lower: nameKey("d"), Upper: nameKey("g")}, 9, "g", false},
		{"in the interval", database.Asc, database.Interval{Lower: nameKey("d"), Upper: nameKey("g")}, 9, "d", true},
		{"empty interval", database.Asc, database.Interval{Lower: nameKey("m"), Upper: nameKey("n")}, 9, "m", true},
		{"inverted interval", database.Asc, database.Interval{Lower: nameKey("n"), Upper: nameKey("m")}, 9, "m", false},
		{"prefix", database.Asc, database.Prefix(nameKey("m")), 9, "m", true},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			db := open(t)
			fill(t, db, "bdfh")
			got := invalidated(t, db, func(tx *database.Tx) {
				names(t, tx.Scan("t", "by_name", x.in, x.order), x.take)
			}, func(tx *database.Tx) error {
				_, err := tx.Insert(ctx, "t", obj("name", x.write))
				return err
			})
			if got != x.want {
				t.Errorf("invalidated = %v, want %v", got, x.want)
			}
		})
	}
}

func TestSubscriptionIsMetByOldKeyAndNew(t *testing.T) {
	t.Parallel()
	db, ctx := open(t), t.Context()
	ids := fill(t, db, "ac")
	at := func(name string) func(tx *database.Tx) {
		return func(tx *database.Tx) {
			names(t, tx.Scan("t", "by_name", database.Prefix(nameKey(name)), database.Asc), 9)
		}
	}
	rename := func(name string) func(tx *database.Tx) error {
		return func(tx *database.Tx) error { return tx.Replace(ctx, ids[0], obj("name", name)) }
	}
	if !invalidated(t, db, at("a"), rename("b")) {
		t.Error("old key")
	}
	if !invalidated(t, db, at("a"), rename("a")) {
		t.Error("new key")
	}
	if invalidated(t, db, at("c"), rename("b")) {
		t.Error("neither")
	}
	if !invalidated(t, db, at("b"), func(tx *database.Tx) error { return tx.Replace(ctx, ids[0], obj("name", "b", "more", 1)) }) {
		t.Error("same key, other body")
	}
	if !invalidated(t, db, func(tx *database.Tx) { _, _ = tx.Get(ctx, ids[0]) }, func(tx *database.Tx) error { return tx.Delete(ctx, ids[0]) }) {
		t.Error("get, deleted")
	}
	if invalidated(t, db, func(tx *database.Tx) { _, _ = tx.Get(ctx, ids[0]) }, func(tx *database.Tx) error { return tx.Delete(ctx, ids[1]) }) {
		t.Error("get, another deleted")
	}
}

func TestCursorResumesAtKey(t *testing.T) {
	t.Parallel()
	db := open(t)
	letters := "abcdefghijklmnopqrstuvwxyz"
	fill(t, db, letters)
	for _, index := range []string{"by_name", database.ByCreationTime, database.ByID} {
		all := names(t, begin(t, db).Scan("t", index, database.Interval{}, database.Asc), 99)
		if len(all) != len(letters) {
			t.Fatalf("%s: %v", index, all)
		}
		tx := begin(t, db)
		var got, back []string
		var in, down database.Interval
		for len(got) < len(all) {
			c := tx.Scan("t", index, in, database.Asc)
			got = append(got, names(t, c, 4)...)
			in.Lower = append(c.Key(), 0)
			c = tx.Scan("t", index, down, database.Desc)
			back = append(back, names(t, c, 4)...)
			down.Upper = c.Key()
		}
		if fmt.Sprint(got) != fmt.Sprint(all) {
			t.Errorf("%s in pages: %v", index, got)
		}
		for i := range back {
			if back[i] != all[len(all)-1-i] {
				t.Errorf("%s in pages, down: %v", index, back)
				break
			}
		}
	}
}

func TestScanByIDTakesTextOfIDs(t *testing.T) {
	t.Parallel()
	db := open(t)
	ids := fill(t, db, "abc")
	text := func(id value.ID) []byte { return value.AppendKey(nil, value.String(id.String())) }
	low, high := ids[0], ids[0]
	for _, id := range ids {
		if bytes.Compare(id.Internal[:], low.Internal[:]) < 0 {
			low = id
		}
		if bytes.Compare(id.Internal[:], high.Internal[:]) > 0 {
			high = id
		}
	}
	for _, x := range []struct {
		name string
		in   database.Interval
		want int
	}{
		{"equal", database.Prefix(text(ids[1])), 1},
		{"at least the lowest", database.Interval{Lower: text(low)}, 3},
		{"above the lowest", database.Interval{Lower: database.After(text(low))}, 2},
		{"below the highest", database.Interval{Upper: text(high)}, 2},
		{"no id at all", database.Prefix(nameKey("zebra")), 0},
		{"above all strings", database.Interval{Lower: value.AppendKey(nil, value.Object{})}, 0},
		{"below all strings", database.Interval{Lower: value.AppendKey(nil, value.Null{})}, 3},
		{"below numbers", database.Interval{Upper: value.AppendKey(nil, value.Float64(1))}, 0},
		{"below arrays", database.Interval{Upper: value.AppendKey(nil, value.Array{})}, 3},
	} {
		if got := names(t, begin(t, db).Scan("t", database.ByID, x.in, database.Asc), 9); len(got) != x.want {
			t.Errorf("%s: %v", x.name, got)
		}
	}
}

func TestOwnWritesDuringScan(t *testing.T) {
	t.Parallel()
	db, ctx := open(t), t.Context()
	ids := fill(t, db, "bdfh")
	tx := begin(t, db)
	c := tx.Scan("t", "by_name", database.Interval{}, database.Asc)
	got := names(t, c, 1)
	for _, l := range "aceg" { // a lies behind
		if _, err := tx.Insert(ctx, "t", obj("name", string(l))); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Delete(ctx, ids[2]); err != nil {
		t.Fatal(err)
	}
	if err := tx.Replace(ctx, ids[3], obj("name", "i")); err != nil {
		t.Fatal(err)
	}
	if got = append(got, names(t, c, 99)...); strings.Join(got, "") != "bcdegi" {
		t.Errorf("scan that was open: %v", got)
	}
	if got := names(t, tx.Scan("t", "by_name", database.Interval{}, database.Desc), 99); strings.Join(got, "") != "igedcba" {
		t.Errorf("new scan: %v", got)
	}
	if n, err := tx.Count(ctx, "t"); n != 7 || err != nil {
		t.Errorf("Count = %d, %v", n, err)
	}
}

func TestRollback(t *testing.T) {
	t.Parallel()
	db, ctx := open(t), t.Context()
	ids := fill(t, db, "ab")
	update(t, db, func(tx *database.Tx) error {
		if err := tx.Replace(ctx, ids[0], obj("name", "A")); err != nil {
			return err
		}
		outer := tx.Savepoint()
		if err := tx.Delete(ctx, ids[0]); err != nil {
			return err
		}
		inner := tx.Savepoint()
		if _, err := tx.Insert(ctx, "new", obj("name", "n")); err != nil {
			return err
		}
		tx.Rollback(inner)
		if _, ok := tx.Table("new"); ok {
			t.Error("a table outlived the rollback that took its creation back")
		}
		if d, err := tx.Get(ctx, ids[0]); d != nil || err != nil {
			t.Errorf("inner rollback went too far: %v, %v", d, err)
		}
		if err := tx.Delete(ctx, ids[1]); err != nil {
			return err
		}
		tx.Rollback(outer)
		return nil
	})
	if got := names(t, begin(t, db).Scan("t", "by_name", database.Interval{}, database.Asc), 9); strings.Join(got, "") != "Ab" {
		t.Errorf("after rollback: %v", got)
	}
	tx := begin(t, db)
	if err := tx.Delete(ctx, ids[0]); err != nil {
		t.Fatal(err)
	}
	tx.Rollback(database.Savepoint{})
	if ts, err := db.Commit(ctx, tx); ts != tx.Snapshot() || err != nil {
		t.Errorf("commit of nothing: %d, %v", ts, err)
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	db, ctx := open(t), t.Context()
	ids := fill(t, db, "abc")
	const advice = " Consider using smaller limits in your queries, paginating your queries, or using indexed queries with a selective index range expressions."
	for _, x := range []struct {
		limits        database.Limits
		do            func(tx *database.Tx) error
		code, message string
	}{
		{database.Limits{DocumentsRead: 2}, func(tx *database.Tx) error { return drain(tx, t) }, "TooManyDocumentsRead",
			"Too many documents read in a single function execution (limit: 2)." + advice},
		{database.Limits{BytesRead: 150}, func(tx *database.Tx) error { return drain(tx, t) }, "TooManyBytesRead",
			"Too many bytes read in a single function execution (limit: 150 bytes)." + advice},
		{database.Limits{Intervals: 1}, func(tx *database.Tx) error {
			if _, err := tx.Get(ctx, ids[0]); err != nil {
				return err
			}
			_, err := tx.Get(ctx, ids[0])
			return err
		}, "TooManyReads", "Too many reads in a single function execution (limit: 1)." + advice},
		{database.Limits{DocumentsWritten: 1}, func(tx *database.Tx) error {
			if err := tx.Delete(ctx, ids[0]); err != nil {
				return err
			}
			return tx.Delete(ctx, ids[1])
		}, "TooManyWrites", "Too many writes in a single function execution (limit: 1)"},
		{database.Limits{BytesWritten: 10}, func(tx *database.Tx) error { _, err := tx.Insert(ctx, "t", obj("name", "z")); return err },
			"TooManyBytesWritten", "Too many bytes written in a single function execution (limit: 10 bytes)"},
	} {
		tx := begin(t, db)
		tx.SetLimits(x.limits)
		e, ok := apierr.As(x.do(tx))
		if !ok || e.Code != x.code || e.Message != x.message {
			t.Errorf("%+v: %v", x.limits, e)
		}
	}
	tx := begin(t, db)
	tx.SetLimits(database.DefaultLimits())
	if err := drain(tx, t); err != nil {
		t.Error(err)
	}
	if u := tx.Usage(); u.DocumentsRead != 3 || u.Intervals != 1 || u.BytesRead < 150 {
		t.Errorf("%+v", u)
	}
}

// drain reads the whole of t.
func drain(tx *database.Tx, t *testing.T) error {
	c := tx.Scan("t", database.ByCreationTime, database.Interval{}, database.Asc)
	for {
		if d, err := c.Next(t.Context()); d == nil {
			return err
		}
	}
}

func TestWritesAreChecked(t *testing.T) {
	t.Parallel()
	db, ctx := open(t), t.Context()
	ids := fill(t, db, "ab")
	gone := ids[1]
	update(t, db, func(tx *database.Tx) error { return tx.Delete(ctx, gone) })
	tx := begin(t, db)
	d, err := tx.Get(ctx, ids[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := tx.Replace(ctx, ids[0], d.Object()); err != nil {
		t.Errorf("system fields of its own: %v", err)
	}
	for name, err := range map[string]error{
		"other _id":           tx.Replace(ctx, ids[0], obj("_id", gone.String())),
		"other _creationTime": tx.Replace(ctx, ids[0], obj("_creationTime", 1)),
		"_id on insert":       second(tx.Insert(ctx, "t", obj("_id", "x"))),
		"underscore":          second(tx.Insert(ctx, "t", obj("_secret", "x"))),
		"too large":           second(tx.Insert(ctx, "t", obj("a", strings.Repeat("x", 1<<20)))),
		"replace nothing":     tx.Replace(ctx, gone, obj()),
		"delete nothing":      tx.Delete(ctx, gone),
	} {
		if apierr.KindOf(err) != apierr.BadRequest || err == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := tx.Delete(ctx, gone); !strings.Contains(err.Error(), "Delete on nonexistent document ID "+gone.String()) {
		t.Error(err)
	}
	if _, err := tx.Insert(ctx, "_house", obj("a", strings.Repeat("x", 2<<20))); err != nil {
		t.Errorf("a large row of the house: %v", err)
	}
}

// second is the error of a call that returns one.
func second[T any](_ T, err error) error { return err }

func TestCreationTimesIncrease(t *testing.T) {
	t.Parallel()
	db, ctx := open(t), t.Context()
	tx := begin(t, db)
	tx.SetClock(1700000000000)
	last := 0.0
	for i := range 5 {
		id, err := tx.Insert(ctx, fmt.Sprintf("t%d", i%2), obj())
		if err != nil {
			t.Fatal(err)
		}
		d, _ := tx.Get(ctx, id)
		if i == 0 && d.CreationTime < 1700000000000 || d.CreationTime <= last || d.CreationTime > 1700000000001 {
			t.Errorf("creation time %v after %v", d.CreationTime, last)
		}
		last = d.CreationTime
	}
}

func TestCommitTwice(t *testing.T) {
	t.Parallel()
	db, ctx := open(t), t.Context()
	tx := begin(t, db)
	if _, err := tx.Insert(ctx, "t", obj()); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Commit(ctx, tx); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Commit(ctx, tx); err == nil || errors.Is(err, database.ErrConflict) {
		t.Errorf("committed twice: %v", err)
	}
}
