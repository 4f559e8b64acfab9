package scheduler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lentil-dev/lentil/internal/database"
)

// Worker begins what is due. Fill the fields and keep Work going.
type Worker struct {
	DB  *database.DB
	Log *slog.Logger
	// Run claims a job with Begin, runs it and settles it with End. An error means
	// that it may be tried again: it was not settled, and is not an action that began.
	Run func(ctx context.Context, j Job) error
	// Parallel bounds how many scheduled functions run at once, and again how many cron
	// jobs; 0 means 8 (convex-cli.md, SCHEDULED_JOB_EXECUTION_PARALLELISM).
	Parallel int
}

// defaultParallel is few enough that callers who wait find room beside thousands of due jobs.
const defaultParallel = 8

// Interrupted is the failure of an action whose end nobody knows.
const Interrupted = "Transient error while executing action"

// Open makes sure of the tables.
func Open(ctx context.Context, db *database.DB) error {
	if err := db.EnsureTables(ctx, Tables); err != nil {
		return fmt.Errorf("scheduler: open: %w", err)
	}
	return nil
}

// Work settles what a crash interrupted, and then begins jobs as they become due,
// until ctx ends and all that were running have returned.
func (w *Worker) Work(ctx context.Context) error {
	if w.DB == nil || w.Log == nil || w.Run == nil {
		return errors.New("scheduler: Worker needs DB, Log and Run")
	}
	if w.Parallel == 0 {
		w.Parallel = defaultParallel
	}
	for _, table := range []string{FunctionTable, cronTable} {
		if err := w.recover(ctx, table); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
	}
	g, each := errgroup.WithContext(ctx)
	for _, table := range []string{FunctionTable, cronTable} {
		g.Go(func() error { return (&queue{w: w, table: table}).run(each) })
	}
	g.Go(func() error { w.sweep(each); return nil })
	if err := g.Wait(); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}

// recover settles rows that are in progress though nothing runs.
func (w *Worker) recover(ctx context.Context, table string) error {
	interrupted := Interrupted
	for more := true; more; {
		n := 0
		_, err := w.DB.Update(ctx, func(tx *database.Tx) error {
			c := tx.Scan(table, byDue, inState(InProgress, 0), database.Asc)
			defer c.Close()
			var rows []*database.Document
			for len(rows) < sweepRows {
				row, err := c.Next(ctx)
				if err != nil {
					return err
				}
				if row == nil {
					break
				}
				rows = append(rows, row)
			}
			n, more = len(rows), len(rows) == sweepRows
			for _, row := range rows {
				if err := settle(ctx, tx, row, &interrupted, time.Now()); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("scheduler: recover: %w", err)
		}
		if n > 0 {
			w.Log.Warn("actions interrupted by the last shutdown were marked as failed", "table", table, "count", n)
		}
	}
	return nil
}

// sweep deletes old rows until ctx ends.
func (w *Worker) sweep(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		if err := sweep(ctx, w.DB, time.Now()); err != nil && ctx.Err() == nil {
			w.Log.Warn("ended functions not swept", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
