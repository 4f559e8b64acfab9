package database_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/value"
)

func TestTablesCreatedAtOnce(t *testing.T) {
	t.Parallel()
	db, ctx := open(t), t.Context()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			_, err := db.Update(ctx, func(tx *database.Tx) error {
				if _, err := tx.Insert(ctx, "same", obj("name", fmt.Sprint(i))); err != nil {
					return err
				}
				_, err := tx.Insert(ctx, fmt.Sprintf("own%d", i), obj("name", "x"))
				return err
			})
			if err != nil {
				t.Error(err)
			}
		}()
	}
	wg.Wait()
	tx := begin(t, db)
	numbers := map[value.TableNumber]string{}
	for _, table := range tx.Tables() {
		if other := numbers[table.Number]; other != "" || table.Number < 10001 {
			t.Errorf("table %s has number %d, as has %q", table.Name, table.Number, other)
		}
		numbers[table.Number] = table.Name
	}
	if n, err := tx.Count(ctx, "same"); len(numbers) != 9 || n != 8 || err != nil {
		t.Errorf("%d tables, %d documents, %v", len(numbers), n, err)
	}
}

func TestTxTableNumbers(t *testing.T) {
	t.Parallel()
	db, ctx := open(t), t.Context()
	if err := db.EnsureTables(ctx, []database.TableDef{{Name: "_house"}, {Name: "user"}}); err != nil {
		t.Fatal(err)
	}
	tx := begin(t, db)
	house, _ := tx.Table("_house")
	if n, ok := tx.TableNumber("user"); n != 10001 || !ok {
		t.Errorf("user: %d, %v", n, ok)
	}
	if _, ok := tx.TableNumber("_house"); ok || house.Number != 513 {
		t.Errorf("a table of the house, %d, is told to users", house.Number)
	}
	if _, ok := tx.TableName(house.Number); ok {
		t.Error("a table of the house is told to users by number")
	}
	if name, ok := tx.TableNamed(house.Number); name != "_house" || !ok {
		t.Errorf("house by number: %q", name)
	}
	if _, err := tx.CreateTable(ctx, "no such name"); apierr.KindOf(err) != apierr.BadRequest {
		t.Errorf("bad name: %v", err)
	}
}

// invalidated tells whether what read looks at is met by what write does.
func invalidated(t *testing.T, db *database.DB, read func(*database.Tx), write func(*database.Tx) error) bool {
	t.Helper()
	tx := begin(t, db)
	read(tx)
	sub := db.Subscribe(tx.Reads(), tx.Snapshot())
	defer sub.Close()
	update(t, db, write)
	met := !db.Unchanged(tx.Reads(), tx.Snapshot(), db.Latest())
	select {
	case <-sub.Done():
		if !met {
			t.Error("Done is closed, but Unchanged")
		}
		return true
	default:
		if met {
			t.Error("Done is open, but not Unchanged")
		}
		return false
	}
}

func TestMetadataIsRead(t *testing.T) {
	t.Parallel()
	db, ctx := open(t), t.Context()
	scan := func(table, index string) func(*database.Tx) {
		return func(tx *database.Tx) {
			_, err := tx.Scan(table, index, database.Interval{}, database.Asc).Next(ctx)
			var ie *database.IndexError
			if err != nil && !errors.As(err, &ie) {
				t.Error(err)
			}
		}
	}
	create := func(table string) func(*database.Tx) error {
		return func(tx *database.Tx) error { _, err := tx.CreateTable(ctx, table); return err }
	}
	index := func(table, name string) func(*database.Tx) error {
		return func(tx *database.Tx) error {
			return tx.AddIndex(ctx, table, name, []string{"name"}, database.Enabled)
		}
	}
	for _, x := range []struct {
		name  string
		read  func(*database.Tx)
		write func(*database.Tx) error
		want  bool
	}{
		{"absent table is created", scan("t", database.ByCreationTime), create("t"), true},
		{"another table is created", scan("u", database.ByCreationTime), create("v"), false},
		{"all tables", func(tx *database.Tx) { tx.Tables() }, create("w"), true},
		{"absent number", func(tx *database.Tx) { tx.TableNamed(10004) }, create("x"), true},
		{"absent index is added", scan("t", "by_name"), index("t", "by_name"), true},
		{"another index is added", scan("t", "by_name"), index("t", "by_other"), false},
		{"an index of another table is added", scan("t", "by_name"), index("v", "by_name"), false},
		{"list of indexes", func(tx *database.Tx) { tx.Indexes("t") }, index("t", "by_third"), true},
		{"index is dropped", scan("t", "by_name"), func(tx *database.Tx) error { return tx.DropIndex(ctx, "t", "by_name") }, true},
		{"whole table counted", func(tx *database.Tx) { _, _ = tx.Count(ctx, "t") }, func(tx *database.Tx) error { _, err := tx.Insert(ctx, "t", obj()); return err }, true},
	} {
		if got := invalidated(t, db, x.read, x.write); got != x.want {
			t.Errorf("%s: invalidated = %v, want %v", x.name, got, x.want)
		}
	}
}

func TestIndexStates(t *testing.T) {
	t.Parallel()
	db, ctx := open(t), t.Context()
	update(t, db, func(tx *database.Tx) error {
		for i := range 10 {
			if _, err := tx.Insert(ctx, "full", obj("name", fmt.Sprint(9-i))); err != nil {
				return err
			}
		}
		return nil
	})
	add := func(table, name string, state database.IndexState) {
		t.Helper()
		update(t, db, func(tx *database.Tx) error { return tx.AddIndex(ctx, table, name, []string{"name"}, state) })
	}
	state := func(table, name string) database.Index {
		t.Helper()
		for _, ix := range begin(t, db).Indexes(table) {
			if ix.Name == name {
				return ix
			}
		}
		return database.Index{}
	}
	scan := func(table, name string) error {
		_, err := begin(t, db).Scan(table, name, database.Interval{}, database.Asc).Next(ctx)
		return err
	}
	// built waits for the index builder, through a subscription as deploy does.
	built := func(table, name string) database.Index {
		t.Helper()
		for {
			tx := begin(t, db)
			for _, ix := range tx.Indexes(table) {
				if ix.Name == name && ix.Built {
					return ix
				}
			}
			sub := db.Subscribe(tx.Reads(), tx.Snapshot())
			<-sub.Done()
		}
	}
	add("none", "enabled", database.Enabled)
	add("none", "building", database.Building)
	add("none", "staged", database.Staged)
	for name, want := range map[string]database.IndexState{"enabled": database.Enabled, "building": database.Ready, "staged": database.Staged} {
		if ix := state("none", name); ix.State != want || !ix.Built {
			t.Errorf("index of an empty table, %s: %+v", name, ix)
		}
	}
	if err := scan("none", "missing"); err == nil || err.Error() != "Index none.missing not found." {
		t.Errorf("missing index: %v", err)
	}
	if err := scan("none", "staged"); err == nil || err.Error() != "Index none.staged not found." {
		t.Errorf("staged index: %v", err)
	}
	if err := scan("none", "building"); err == nil || err.Error() != "Index none.building is currently backfilling and not available to query yet." {
		t.Errorf("ready index: %v", err)
	}
	update(t, db, func(tx *database.Tx) error { return tx.SetIndexState(ctx, "none", "building", database.Enabled) })
	if err := scan("none", "building"); err != nil {
		t.Error(err)
	}

	add("full", "enabled", database.Enabled)
	add("full", "building", database.Building)
	add("full", "staged", database.Staged)
	for name, want := range map[string]database.IndexState{"enabled": database.Enabled, "building": database.Ready, "staged": database.Staged} {
		if ix := built("full", name); ix.State != want {
			t.Errorf("built index %s: %+v", name, ix)
		}
	}
	update(t, db, func(tx *database.Tx) error { return tx.SetIndexState(ctx, "full", "staged", database.Enabled) })
	for _, name := range []string{"enabled", "staged"} {
		if got := names(t, begin(t, db).Scan("full", name, database.Interval{}, database.Asc), 20); fmt.Sprint(got) != "[0 1 2 3 4 5 6 7 8 9]" {
			t.Errorf("%s: %v", name, got)
		}
	}
	update(t, db, func(tx *database.Tx) error {
		if err := tx.DropIndex(ctx, "full", "enabled"); err != nil {
			return err
		}
		return tx.AddIndex(ctx, "full", "enabled", []string{"other", "name"}, database.Enabled)
	})
	if ix := built("full", "enabled"); fmt.Sprint(ix.Fields) != "[other name]" {
		t.Errorf("added again: %+v", ix)
	}
	old := begin(t, db)
	if err := db.Prune(ctx, db.Latest()); err != nil {
		t.Fatal(err)
	}
	if got := names(t, begin(t, db).Scan("full", "enabled", database.Interval{}, database.Desc), 3); fmt.Sprint(got) != "[9 8 7]" {
		t.Errorf("after pruning: %v", got)
	}
	_ = old
}

func TestIndexBuildingRefusesToBeEnabled(t *testing.T) {
	t.Parallel()
	// Without Run nothing is built.
	db, err := database.Open(t.Context(), database.Options{Store: persistence.NewMemory()})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	ctx := t.Context()
	update(t, db, func(tx *database.Tx) error { _, err := tx.Insert(ctx, "t", obj("name", "a")); return err })
	update(t, db, func(tx *database.Tx) error {
		return tx.AddIndex(ctx, "t", "i", []string{"name"}, database.Building)
	})
	_, err = db.Update(ctx, func(tx *database.Tx) error { return tx.SetIndexState(ctx, "t", "i", database.Enabled) })
	var ie *database.IndexError
	if !errors.As(err, &ie) || !ie.Backfilling {
		t.Errorf("enabling an index that is not built: %v", err)
	}
	// A document that comes meanwhile, and one that changes, are indexed once.
	update(t, db, func(tx *database.Tx) error {
		d, err := tx.Scan("t", database.ByCreationTime, database.Interval{}, database.Asc).Next(ctx)
		if err != nil {
			return err
		}
		if _, err := tx.Insert(ctx, "t", obj("name", "b")); err != nil {
			return err
		}
		return tx.Replace(ctx, d.ID, obj("name", "c"))
	})
	if err := db.EnsureTables(ctx, nil); err != nil {
		t.Fatal(err)
	}
	update(t, db, func(tx *database.Tx) error { return tx.SetIndexState(ctx, "t", "i", database.Enabled) })
	if got := names(t, begin(t, db).Scan("t", "i", database.Interval{}, database.Asc), 9); fmt.Sprint(got) != "[b c]" {
		t.Errorf("scan: %v", got)
	}
}
