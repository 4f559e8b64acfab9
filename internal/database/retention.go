package database

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/value"
)

// How often, and in which portions, old revisions are pruned: every five
// minutes, or four times within a shorter retention. Portions are small so that
// commits do not wait long for the store.
const (
	pruneEvery = 5 * time.Minute
	pruneChunk = 2000
	prunePause = 20 * time.Millisecond
)

// A database under heavy load keeps less history than the retention says, so
// that its disk does not fill with it: about so many commits, and a time that
// is long for any transaction.
const (
	maxHistory   = 1_000_000
	minRetention = 10 * time.Minute
)

// milestone is how many commits there had been at a time.
type milestone struct {
	ts      persistence.Timestamp
	commits int64
}

// horizonAt decides what is to be forgotten at a time, given milestones of the
// past, oldest first, the last of which is of now.
func (db *DB) horizonAt(now time.Time, past []milestone) persistence.Timestamp {
	horizon := persistence.Timestamp(now.Add(-db.retention).UnixNano())
	latest := persistence.Timestamp(now.Add(-min(minRetention, db.retention)).UnixNano())
	for _, m := range past {
		if past[len(past)-1].commits-m.commits >= maxHistory && m.ts <= latest {
			horizon = max(horizon, m.ts)
		}
	}
	return horizon
}

// retain forgets revisions that are older than the retention, until ctx ends.
func (db *DB) retain(ctx context.Context) error {
	every := min(pruneEvery, max(db.retention/4, time.Second))
	tick := time.NewTicker(every)
	defer tick.Stop()
	var past []milestone
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-db.broken:
			return db.commits.failure()
		case <-tick.C:
		}
		db.writes.trim(persistence.Timestamp(time.Now().Add(-every).UnixNano()))
		s := db.Stats()
		past = append(past, milestone{s.Latest, s.Commit.Commits})
		horizon := db.horizonAt(time.Now(), past)
		past = slices.DeleteFunc(past, func(m milestone) bool { return m.ts < horizon })
		if err := db.Prune(ctx, horizon); err != nil && ctx.Err() == nil {
			db.log.Warn("old revisions not pruned", "err", err)
		}
	}
}

// Prune forgets what no snapshot at or after before can see. Snapshots below
// it can no longer be begun.
func (db *DB) Prune(ctx context.Context, before persistence.Timestamp) error {
	// A backfill writes entries of the past, which must not fall behind the
	// pruning of the commits that removed them.
	db.building.Lock()
	defer db.building.Unlock()
	before, moved := db.raiseHorizon(before)
	if !moved {
		return nil
	}
	// The horizon is durable before anything below it goes.
	if err := db.store.SetCell(ctx, horizonCell, encodeHorizon(before)); err != nil {
		return fmt.Errorf("database: prune: %w", err)
	}
	db.history.forget(before)
	if err := db.dropIndexes(ctx, before); err != nil {
		return fmt.Errorf("database: prune: %w", err)
	}
	for {
		n, err := db.store.Prune(ctx, before, pruneChunk)
		if err != nil {
			return fmt.Errorf("database: prune: %w", err)
		}
		if n < pruneChunk {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(prunePause):
		}
	}
}

// dropIndexes removes for good the indexes that were dropped before the horizon:
// their entries first, so that whatever ends the process in between, a row is left
// to find them by.
func (db *DB) dropIndexes(ctx context.Context, before persistence.Timestamp) error {
	drop := persistence.Commit{Backfill: true}
	var rows []value.ID
	err := db.View(ctx, func(tx *Tx) error {
		for id, ix := range tx.cat.dropped {
			d, err := tx.load(ctx, ix.row)
			if err != nil {
				return err
			}
			if d == nil || d.TS == 0 || d.TS > before {
				continue
			}
			drop.Drop, rows = append(drop.Drop, id), append(rows, ix.row)
		}
		return nil
	})
	if err != nil || len(rows) == 0 {
		return err
	}
	if err := db.append(ctx, drop); err != nil {
		return err
	}
	_, err = db.Update(ctx, func(tx *Tx) error {
		for _, row := range rows {
			if err := tx.Delete(ctx, row); err != nil {
				return err
			}
		}
		return nil
	})
	return err
}
