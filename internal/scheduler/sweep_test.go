package scheduler

import (
	"testing"
	"time"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/value"
)

// TestSweepKeepsEndedFunctionsForSevenDays: what ended before that goes, in whichever
// way it ended; what is pending stays, however old.
func TestSweepKeepsEndedFunctionsForSevenDays(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	db, err := database.Open(ctx, database.Options{Store: persistence.NewMemory()})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := Open(ctx, db); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	kept := map[value.ID]bool{}
	failure := "no"
	if _, err := db.Update(ctx, func(tx *database.Tx) error {
		for i := range 2*sweepRows + 5 {
			ended := now.Add(-keepEnded - time.Duration(i+1)*time.Second)
			id, err := Schedule(ctx, tx, Call{Path: "m.js:f", At: millis(ended)}, ended)
			if err != nil {
				return err
			}
			switch i % 4 {
			case 0: // nobody has begun it yet
				kept[id] = true
			case 1:
				_, err = Cancel(ctx, tx, id, ended)
			case 2:
				err = Reject(ctx, tx, Job{ID: id, Due: millis(ended)}, failure, ended)
			case 3:
				recent := now.Add(-keepEnded + time.Minute)
				kept[id] = true
				err = Reject(ctx, tx, Job{ID: id, Due: millis(ended)}, failure, recent)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := sweep(ctx, db, 0, now); err != nil {
		t.Fatal(err)
	}
	err = db.View(ctx, func(tx *database.Tx) error {
		c := tx.Scan(FunctionTable, database.ByCreationTime, database.Interval{}, database.Asc)
		defer c.Close()
		n := 0
		for {
			row, err := c.Next(ctx)
			if err != nil {
				return err
			}
			if row == nil {
				break
			}
			if n++; !kept[row.ID] {
				t.Errorf("kept %s", row.JSON())
			}
		}
		if n != len(kept) {
			t.Errorf("%d of %d rows are left", n, len(kept))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
