package database_test

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/value"
)

func TestObservedChangesWhenWhatAViewReadIsWritten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		open := func() *database.DB {
			db, err := database.Open(t.Context(), database.Options{Store: persistence.NewMemory(), Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { db.Close() })
			if err := db.EnsureTables(t.Context(), []database.TableDef{{Name: "notes"}, {Name: "others"}}); err != nil {
				t.Fatal(err)
			}
			return db
		}
		one, two := open(), open()
		add := func(db *database.DB, table string) {
			t.Helper()
			if _, err := db.Update(t.Context(), func(tx *database.Tx) error {
				_, err := tx.Insert(t.Context(), table, value.ObjectOf(value.Field{Name: "n", Value: value.Float64(1)}))
				return err
			}); err != nil {
				t.Fatal(err)
			}
		}
		read := func(ctx context.Context, db *database.DB) {
			t.Helper()
			if err := db.View(ctx, func(tx *database.Tx) error {
				_, err := tx.Scan("notes", "by_creation_time", database.Interval{}, database.Asc).Next(ctx)
				return err
			}); err != nil {
				t.Fatal(err)
			}
		}
		over := func(c <-chan struct{}) bool {
			synctest.Wait()
			select {
			case <-c:
				return true
			default:
				return false
			}
		}
		ctx, seen := database.Observe(t.Context())
		read(ctx, one)
		read(ctx, two)
		read(t.Context(), one) // not observed
		changed, stop := seen.Changed()
		defer stop()
		add(one, "others")
		if over(changed) {
			t.Fatal("another table's write woke it")
		}
		add(two, "notes")
		if !over(changed) {
			t.Fatal("a write to what was read did not wake it")
		}
		// What changed before somebody began to wait counts, too.
		again, stopAgain := seen.Changed()
		defer stopAgain()
		if !over(again) {
			t.Fatal("a write before Changed was missed")
		}
		_, nothing := database.Observe(t.Context())
		never, stopNever := nothing.Changed()
		defer stopNever()
		if over(never) {
			t.Fatal("nothing was seen, and yet it changed")
		}
	})
}
