package scheduler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/value"
)

// Worker begins what is due. Fill the fields and keep Work going.
type Worker struct {
	DB  *database.DB
	Log *slog.Logger
	// Run claims a job with Begin, runs it and settles it with End. An error means
	// that it may be tried again: it was not settled, and is not an action that began.
	Run func(ctx context.Context, j Job) error
	// Spaces lists the namespaces in which there may be jobs; nil means the app's only. Work asks again when
	// what it has read changes.
	Spaces func(ctx context.Context, tx *database.Tx) ([]value.Space, error)
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
	if w.Spaces == nil {
		w.Spaces = func(context.Context, *database.Tx) ([]value.Space, error) { return []value.Space{0}, nil }
	}
	g, each := errgroup.WithContext(ctx)
	g.Go(func() error { return w.serve(each) })
	g.Go(func() error { w.sweep(each); return nil })
	if err := g.Wait(); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}

// jobTables are what has jobs in each namespace.
var jobTables = [...]string{FunctionTable, cronTable}

// serve keeps the queues of all namespaces going that there are jobs in: the set
// changes with pushes.
func (w *Worker) serve(ctx context.Context) error {
	var turns [len(jobTables)]chan struct{}
	for i := range turns {
		turns[i] = make(chan struct{}, w.Parallel)
	}
	var all sync.WaitGroup
	defer all.Wait()
	serving, recovered := map[value.Space]context.CancelFunc{}, map[value.Space]bool{}
	for {
		spaces, sub, err := w.spaces(ctx)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		for space, stop := range serving {
			if !slices.Contains(spaces, space) {
				stop()
				delete(serving, space)
			}
		}
		for _, space := range spaces {
			if serving[space] != nil {
				continue
			}
			for _, table := range jobTables {
				// Only the first time: later on what is in progress is ours.
				if recovered[space] {
					break
				}
				if err := w.recover(ctx, space, table); err != nil {
					sub.Close()
					if ctx.Err() != nil {
						return nil
					}
					return err
				}
			}
			recovered[space] = true
			var each context.Context
			each, serving[space] = context.WithCancel(ctx) // stopped above, or with ctx
			for i, table := range jobTables {
				all.Go(func() { (&queue{w: w, space: space, table: table, turns: turns[i]}).run(each) })
			}
		}
		select {
		case <-sub.Done():
			sub.Close()
		case <-ctx.Done():
			sub.Close()
			return nil
		}
	}
}

// spaces asks for the namespaces with jobs, and to be told when they change.
func (w *Worker) spaces(ctx context.Context) (spaces []value.Space, sub *database.Subscription, err error) {
	err = w.DB.View(ctx, func(tx *database.Tx) error {
		if spaces, err = w.Spaces(ctx, tx); err != nil {
			return fmt.Errorf("scheduler: list namespaces: %w", err)
		}
		sub = w.DB.Subscribe(tx.Reads(), tx.Snapshot())
		return nil
	})
	return spaces, sub, err
}

// recover settles rows that are in progress though nothing runs.
func (w *Worker) recover(ctx context.Context, space value.Space, table string) error {
	interrupted := Interrupted
	for more := true; more; {
		n := 0
		_, err := w.DB.Update(ctx, func(tx *database.Tx) error {
			tx = tx.In(space)
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
		if err := w.sweepAll(ctx); err != nil && ctx.Err() == nil {
			w.Log.Warn("ended functions not swept", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// sweepAll deletes the old rows of all namespaces.
func (w *Worker) sweepAll(ctx context.Context) error {
	spaces, sub, err := w.spaces(ctx)
	if err != nil {
		return err
	}
	sub.Close()
	for _, space := range spaces {
		if err := sweep(ctx, w.DB, space, time.Now()); err != nil {
			return err
		}
	}
	return nil
}
