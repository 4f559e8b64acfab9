package isolate

import (
	"context"
	"math"
	"sync"

	"github.com/lentil-dev/lentil/internal/apierr"
)

// slots are the places of a bounded pool, given out in the order they are
// asked for.
type slots struct {
	mu      sync.Mutex // over everything below; held only for list work
	size    int
	free    int
	max     int // waiters allowed
	waiting []chan struct{}
}

// newSlots makes n places with room for max waiters.
func newSlots(n, max int) *slots { return &slots{size: n, free: n, max: max} }

// acquire waits for a place. When too many wait already it answers Overloaded.
func (s *slots) acquire(ctx context.Context) error { return s.wait(ctx, s.max) }

// reacquire waits for a place on behalf of a call that is under way and cannot
// be sent away.
func (s *slots) reacquire(ctx context.Context) error { return s.wait(ctx, math.MaxInt) }

// wait is acquire with a bound on the others who may be waiting.
func (s *slots) wait(ctx context.Context, bound int) error {
	s.mu.Lock()
	if s.free > 0 && len(s.waiting) == 0 {
		s.free--
		s.mu.Unlock()
		return nil
	}
	if len(s.waiting) >= bound {
		s.mu.Unlock()
		return apierr.New(apierr.Overloaded, "TooManyConcurrentRequests",
			"Too many functions are waiting to run. Try again in a moment.")
	}
	c := make(chan struct{})
	s.waiting = append(s.waiting, c)
	s.mu.Unlock()
	select {
	case <-c:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	for i, w := range s.waiting {
		if w == c {
			s.waiting = append(s.waiting[:i], s.waiting[i+1:]...)
			s.mu.Unlock()
			return ctx.Err()
		}
	}
	s.mu.Unlock()
	s.release() // it was handed over at the same moment
	return ctx.Err()
}

// tryIdle takes a place only if nobody wants one and another one stays free:
// for work that can be left undone.
func (s *slots) tryIdle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.free < 1 || len(s.waiting) > 0 {
		return false
	}
	s.free--
	return true
}

// release gives a place back, to the caller who has waited longest.
func (s *slots) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) > 0 {
		c := s.waiting[0]
		s.waiting[0] = nil
		s.waiting = s.waiting[1:]
		close(c)
		return
	}
	s.free++
}

// counts says how many places are taken and how many callers wait.
func (s *slots) counts() (taken, waiting int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.size - s.free, len(s.waiting)
}
