package scheduler

import (
	"context"
	"fmt"
	"time"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/value"
)

// Next says when the next job is due, zero for never, and whether any is in
// progress. It need not be working.
func (w *Worker) Next(ctx context.Context) (due time.Time, running bool, err error) {
	err = w.DB.View(ctx, func(tx *database.Tx) error {
		due, running = time.Time{}, false
		spaces := []value.Space{0}
		if w.Spaces != nil {
			if spaces, err = w.Spaces(ctx, tx); err != nil {
				return err
			}
		}
		for _, space := range spaces {
			for _, table := range jobTables {
				row, err := firstIn(ctx, tx.In(space), table, Pending)
				if err != nil {
					return err
				}
				if row != nil {
					if at := time.UnixMicro(int64(num(row.Object(), dueField) * 1000)); due.IsZero() || at.Before(due) {
						due = at
					}
				}
				if row, err = firstIn(ctx, tx.In(space), table, InProgress); err != nil {
					return err
				}
				running = running || row != nil
			}
		}
		return nil
	})
	if err != nil {
		return due, running, fmt.Errorf("scheduler: find the next job: %w", err)
	}
	return due, running, nil
}

// firstIn is the row of a table that is due first of those in a state.
func firstIn(ctx context.Context, tx *database.Tx, table, state string) (*database.Document, error) {
	c := tx.Scan(table, byDue, inState(state, 0), database.Asc)
	defer c.Close()
	return c.Next(ctx)
}
