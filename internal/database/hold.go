package database

import (
	"context"
	"sync"

	"github.com/lentil-dev/lentil/internal/persistence"
)

// holds are the snapshots that must stay readable however long it takes.
//
// Invariant: under mu, the horizon is above no held snapshot.
type holds struct {
	mu sync.Mutex // a leaf
	at map[persistence.Timestamp]int
}

// Hold keeps a snapshot readable until it is released: what reads for hours, as
// an export does, would otherwise be overtaken by retention. Old revisions pile
// up meanwhile. It fails if the snapshot is too old already.
func (db *DB) Hold(at persistence.Timestamp) (release func(), err error) {
	h := &db.holds
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := db.retained(at); err != nil {
		return nil, err
	}
	if h.at == nil {
		h.at = map[persistence.Timestamp]int{}
	}
	h.at[at]++
	return sync.OnceFunc(func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.at[at]--; h.at[at] == 0 {
			delete(h.at, at)
		}
	}), nil
}

// BeginHeld starts a transaction at the newest snapshot and holds that.
func (db *DB) BeginHeld(ctx context.Context) (*Tx, func(), error) {
	for {
		tx, err := db.Begin(ctx)
		if err != nil {
			return nil, nil, err
		}
		release, err := db.Hold(tx.snap)
		if err == nil {
			return tx, release, nil
		}
		if ctx.Err() != nil {
			return nil, nil, context.Cause(ctx)
		}
	}
}

// raiseHorizon moves the horizon towards before, as far as holds let it, and
// tells how far it came; false if it did not move.
func (db *DB) raiseHorizon(before persistence.Timestamp) (persistence.Timestamp, bool) {
	db.holds.mu.Lock()
	defer db.holds.mu.Unlock()
	before = min(before, db.Latest())
	for at := range db.holds.at {
		before = min(before, at)
	}
	if before <= persistence.Timestamp(db.horizon.Load()) {
		return before, false
	}
	db.horizon.Store(int64(before))
	return before, true
}
