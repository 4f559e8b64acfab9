package pebblestore

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// Pebble compacts what is too much for its level. What pruning leaves at the end is
// not: a few small files with deletions stay above large ones with what they delete,
// until something else is written there. So the store has such places compacted
// itself, where that gives back a fair part of what it rewrites.
const (
	worthReclaiming = 1 << 20   // bytes that the deletions of a file would give back at least
	rewritten       = 4         // times as many bytes may be rewritten for it
	mostRewritten   = 128 << 20 // bytes of one compaction: Pebble's own, for writes to go on, wait for it
)

// reclaimer compacts in the background, one place at a time.
type reclaimer struct {
	mu     sync.Mutex
	busy   bool
	closed bool
	stop   context.CancelFunc // of what is going on
	done   sync.WaitGroup
}

// reclaim begins to give back space, unless that is going on. It is asked after each
// pruning, and finds what the one before has left when Pebble had time for its own.
func (s *Store) reclaim() {
	r := &s.reclaimer
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.busy || r.closed {
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	r.busy, r.stop = true, stop
	r.done.Go(func() {
		defer stop()
		if err := s.reclaimAll(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("space of pruned revisions not given back", "dir", s.dir, "err", err)
		}
		r.mu.Lock()
		r.busy = false
		r.mu.Unlock()
	})
}

// close ends what is going on, for good.
func (r *reclaimer) close() {
	r.mu.Lock()
	r.closed = true
	if r.stop != nil {
		r.stop()
	}
	r.mu.Unlock()
	r.done.Wait()
}

// reclaimAll compacts wherever there is much to give back.
func (s *Store) reclaimAll(ctx context.Context) error {
	var levels [][]pebble.SSTableInfo
	if err := s.guard(func() (err error) { levels, err = s.db.SSTables(); return err }); err != nil {
		return err
	}
	for _, level := range levels {
		for _, t := range level {
			garbage := t.TableStats.PointDeletionsBytesEstimate + t.TableStats.RangeDeletionsBytesEstimate
			from, to := t.Smallest.UserKey, t.Largest.UserKey
			if garbage < worthReclaiming || compare(from, to) >= 0 {
				continue
			}
			err := s.guard(func() error {
				n, err := s.db.EstimateDiskUsage(from, to)
				if err != nil || n > min(rewritten*garbage, mostRewritten) {
					return err
				}
				return s.db.Compact(ctx, from, to, false)
			})
			if ctx.Err() != nil {
				return nil
			}
			if err != nil && !errors.Is(err, pebble.ErrCancelledCompaction) {
				return fmt.Errorf("reclaim: %w", err)
			}
		}
	}
	return nil
}
