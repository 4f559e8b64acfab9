package identity

import (
	"context"
	"log/slog"
	"time"
)

// Chore is something that a room of the house does every minute, such as deleting
// what has expired. Failing is a line in the log; the next minute tries again.
type Chore struct {
	Name string // "sweep of attempts"
	Do   func(context.Context) error
}

// RunChores does chores, one after the other, every minute until ctx ends.
func RunChores(ctx context.Context, log *slog.Logger, chores ...Chore) error {
	t := time.NewTicker(sweepEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
		for _, c := range chores {
			if err := c.Do(ctx); err != nil && ctx.Err() == nil {
				log.Warn(c.Name+" failed", "err", err)
			}
		}
	}
}

// SweepOf is the chore of deleting the rows of a table whose time, by an index on
// it, is over.
func (s *Service) SweepOf(table, index string) Chore {
	return Chore{Name: "sweep of " + table, Do: func(ctx context.Context) error { return s.Sweep(ctx, table, index, time.Now()) }}
}
