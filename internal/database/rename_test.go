package database_test

import (
	"errors"
	"testing"

	"github.com/lentil-dev/lentil/internal/database"
)

func TestTxRenameIndex(t *testing.T) {
	t.Parallel()
	db, ctx := open(t), t.Context()
	if err := db.EnsureTables(ctx, []database.TableDef{{Name: "t", Indexes: []database.IndexDef{{Name: "a", Fields: []string{"name"}}, {Name: "b", Fields: []string{"other"}}}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Update(ctx, func(tx *database.Tx) error {
		_, err := tx.Insert(ctx, "t", obj("name", "x"))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{"b", "a", database.ByID, database.ByCreationTime} {
		if err := begin(t, db).RenameIndex(ctx, "t", "a", to); err == nil {
			t.Errorf("an index was renamed to %s", to)
		}
	}
	var missing *database.IndexError
	if err := begin(t, db).RenameIndex(ctx, "t", "c", "d"); !errors.As(err, &missing) {
		t.Errorf("renamed a missing index: %v", err)
	}
	if _, err := db.Update(ctx, func(tx *database.Tx) error { return tx.RenameIndex(ctx, "t", "a", "c") }); err != nil {
		t.Fatal(err)
	}
	tx := begin(t, db)
	if d, err := tx.Scan("t", "c", database.Interval{}, database.Asc).Next(ctx); err != nil || d == nil {
		t.Errorf("by the new name: %v, %v", d, err)
	}
	if _, err := tx.Scan("t", "a", database.Interval{}, database.Asc).Next(ctx); !errors.As(err, &missing) || missing.Backfilling {
		t.Errorf("by the old name: %v", err)
	}
}
