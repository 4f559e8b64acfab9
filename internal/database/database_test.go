package database_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/value"
)

// open opens a database on a new in-memory store, and runs it.
func open(t *testing.T) *database.DB {
	t.Helper()
	db, err := database.Open(t.Context(), database.Options{Store: persistence.NewMemory()})
	if err != nil {
		t.Fatal(err)
	}
	run(t, db)
	return db
}

// run runs a database until the test ends, and closes it.
func run(t *testing.T, db *database.DB) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- db.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
}

// obj makes an object of names and values in turn.
func obj(pairs ...any) value.Object {
	m := map[string]value.Value{}
	for i := 0; i < len(pairs); i += 2 {
		switch v := pairs[i+1].(type) {
		case value.Value:
			m[pairs[i].(string)] = v
		case string:
			m[pairs[i].(string)] = value.String(v)
		case int:
			m[pairs[i].(string)] = value.Float64(v)
		default:
			panic(fmt.Sprintf("%T", v))
		}
	}
	return value.NewObject(m)
}

// update runs f and fails the test if it does not commit.
func update(t *testing.T, db *database.DB, f func(*database.Tx) error) persistence.Timestamp {
	t.Helper()
	ts, err := db.Update(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	return ts
}

// begin starts a transaction.
func begin(t *testing.T, db *database.DB) *database.Tx {
	t.Helper()
	tx, err := db.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return tx
}

// names lists the field "name" of the documents of a scan.
func names(t *testing.T, c *database.Cursor, limit int) (out []string) {
	t.Helper()
	for len(out) < limit {
		d, err := c.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if d == nil {
			return out
		}
		v, _ := d.Object().Get("name")
		out = append(out, string(v.(value.String)))
	}
	return out
}

func TestTxReadsItsSnapshotAndItself(t *testing.T) {
	t.Parallel()
	db, ctx := open(t), t.Context()
	var id value.ID
	update(t, db, func(tx *database.Tx) (err error) {
		if id, err = tx.Insert(ctx, "users", obj("name", "ann")); err != nil {
			return err
		}
		if got := names(t, tx.Scan("users", database.ByCreationTime, database.Interval{}, database.Asc), 9); fmt.Sprint(got) != "[ann]" {
			t.Errorf("own insert: %v", got)
		}
		return nil
	})
	old := begin(t, db)
	ts := update(t, db, func(tx *database.Tx) error { return tx.Replace(ctx, id, obj("name", "bob")) })
	if db.Latest() != ts {
		t.Errorf("Latest() = %d, want %d", db.Latest(), ts)
	}
	d, err := old.Get(ctx, id)
	if err != nil || d == nil || string(d.JSON()) != fmt.Sprintf(`{"_creationTime":%v,"_id":%q,"name":"ann"}`, string(value.JSON(value.Float64(d.CreationTime))), id) {
		t.Errorf("old snapshot: %v %s", err, d.JSON())
	}
	if got := names(t, begin(t, db).Scan("users", database.ByCreationTime, database.Interval{}, database.Desc), 9); fmt.Sprint(got) != "[bob]" {
		t.Errorf("new snapshot: %v", got)
	}
	if err := old.Replace(ctx, id, obj("name", "cid")); err != nil {
		t.Fatal(err)
	}
	_, err = db.Commit(ctx, old)
	var c *database.Conflict
	if !errors.Is(err, database.ErrConflict) || !errors.As(err, &c) || c.Table != "users" {
		t.Errorf("commit of a stale transaction: %v", err)
	}
}

func TestSubscribe(t *testing.T) {
	t.Parallel()
	db, ctx := open(t), t.Context()
	tx := begin(t, db)
	if got := names(t, tx.Scan("users", database.ByCreationTime, database.Interval{}, database.Asc), 9); got != nil {
		t.Fatal(got)
	}
	sub := db.Subscribe(tx.Reads(), tx.Snapshot())
	update(t, db, func(tx *database.Tx) error { _, err := tx.Insert(ctx, "other", obj("name", "x")); return err })
	select {
	case <-sub.Done():
		t.Error("an unrelated table met the subscription")
	default:
	}
	update(t, db, func(tx *database.Tx) error { _, err := tx.Insert(ctx, "users", obj("name", "x")); return err })
	<-sub.Done()
	<-db.Subscribe(tx.Reads(), tx.Snapshot()).Done()
}
