package pebblestore

import (
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// lookAgain is how soon a compaction that had to wait is tried again, as in Pebble's own
// scheduler.
const lookAgain = 100 * time.Millisecond

// compactions lets Pebble run as many compactions as it wishes to, as its own scheduler
// does, but that one wakes up ten times a second for as long as a store is open: a house
// with a hundred open deployments and nothing to do would never sleep. This one looks
// around only while a compaction waits.
//
// Its lock is ordered after Pebble's, so nothing that takes Pebble's is called under it:
// whoever grants says so in granting, and one does at a time.
type compactions struct {
	db   pebble.DBForCompaction
	idle sync.Cond // not granting; on mu

	mu       sync.Mutex
	running  int
	granting bool
	closed   bool
	waits    bool // a compaction was turned away, or more may wait behind one that was let in
	again    *time.Timer
}

// It is Pebble's scheduler, and hands itself out as the permission to run.
var (
	_ pebble.CompactionScheduler   = (*compactions)(nil)
	_ pebble.CompactionGrantHandle = (*compactions)(nil)
)

// newCompactions makes the scheduler of one store.
func newCompactions() pebble.CompactionScheduler {
	s := &compactions{}
	s.idle.L = &s.mu
	return s
}

// Register is part of pebble.CompactionScheduler.
func (s *compactions) Register(_ int, db pebble.DBForCompaction) { s.db = db }

// Unregister is part of pebble.CompactionScheduler. No call of the store is under way
// when it returns, and none follows.
func (s *compactions) Unregister() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.again != nil {
		s.again.Stop()
	}
	for s.granting {
		s.idle.Wait()
	}
}

// TrySchedule is part of pebble.CompactionScheduler.
func (s *compactions) TrySchedule() (bool, pebble.CompactionGrantHandle) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false, nil
	}
	if s.running < s.db.GetAllowedWithoutPermission() {
		s.running++
		return true, s
	}
	s.waits = true
	s.lookAgain(lookAgain)
	return false, nil
}

// UpdateGetAllowedWithoutPermission is part of pebble.CompactionScheduler. Pebble calls
// it with locks held, so the look around is somebody else's.
func (s *compactions) UpdateGetAllowedWithoutPermission() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.lookAgain(0)
	}
}

// lookAgain sets the timer. The caller holds mu.
func (s *compactions) lookAgain(after time.Duration) {
	if s.again == nil {
		s.again = time.AfterFunc(after, s.grant)
		return
	}
	s.again.Reset(after)
}

// Started is part of pebble.CompactionGrantHandle.
func (s *compactions) Started() {}

// MeasureCPU is part of pebble.CompactionGrantHandle.
func (s *compactions) MeasureCPU(pebble.CompactionGoroutineKind) {}

// CumulativeStats is part of pebble.CompactionGrantHandle.
func (s *compactions) CumulativeStats(pebble.CompactionGrantHandleStats) {}

// Done is part of pebble.CompactionGrantHandle: a compaction has ended, and another may
// have waited for that.
func (s *compactions) Done() {
	s.mu.Lock()
	s.running--
	s.mu.Unlock()
	s.grant()
}

// grant lets waiting compactions run, as many as may.
func (s *compactions) grant() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.granting {
		s.idle.Wait()
	}
	if s.closed {
		return
	}
	s.granting = true
	for !s.closed && s.running < s.db.GetAllowedWithoutPermission() {
		s.waits = false // unless another is turned away meanwhile
		s.mu.Unlock()
		waiting, _ := s.db.GetWaitingCompaction()
		accepted := waiting && s.db.Schedule(s)
		s.mu.Lock()
		s.waits = s.waits || waiting
		if !accepted {
			break
		}
		s.running++ // below zero for a moment, if it has ended already
	}
	s.granting = false
	s.idle.Broadcast()
	if s.waits && !s.closed {
		s.lookAgain(lookAgain)
	}
}
