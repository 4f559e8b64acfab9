package isolate

import (
	"context"
	"math"
	"sync"

	"github.com/lentil-dev/lentil/internal/apierr"
)

// slots are the places of a bounded pool. They are given out to groups in turn, and
// within a group in the order they are asked for, so that one group's crowd does not
// hold up the others.
type slots struct {
	mu      sync.Mutex // over everything below; held only for list work
	size    int
	free    int
	max     int // waiters allowed
	waiting int
	lines   map[string]*line // those with waiters
	turns   []*line          // the same, the next to be served first
}

// line are the waiters of one group, longest waiting first.
type line struct {
	group   string
	waiters []chan struct{}
}

// smallLine is the part of the allowed waiters that a group may have although others
// have taken all the room there is.
const smallLine = 16

// newSlots makes n places with room for max waiters.
func newSlots(n, max int) *slots {
	return &slots{size: n, free: n, max: max, lines: map[string]*line{}}
}

// acquire waits for a place. When too many wait already it answers Overloaded.
func (s *slots) acquire(ctx context.Context, group string) error { return s.wait(ctx, group, s.max) }

// reacquire waits for a place on behalf of a call that is under way and cannot
// be sent away.
func (s *slots) reacquire(ctx context.Context, group string) error {
	return s.wait(ctx, group, math.MaxInt)
}

// wait is acquire with a bound on the others who may be waiting.
func (s *slots) wait(ctx context.Context, group string, bound int) error {
	s.mu.Lock()
	if s.free > 0 && s.waiting == 0 {
		s.free--
		s.mu.Unlock()
		return nil
	}
	l := s.lines[group]
	if s.waiting >= bound && (len(s.turns) == 0 || len(s.turns) == 1 && l != nil || l != nil && len(l.waiters) >= bound/smallLine) {
		s.mu.Unlock()
		return apierr.New(apierr.Overloaded, "TooManyConcurrentRequests",
			"Too many functions are waiting to run. Try again in a moment.")
	}
	if l == nil {
		l = &line{group: group}
		s.lines[group] = l
		s.turns = append(s.turns, l)
	}
	c := make(chan struct{})
	l.waiters = append(l.waiters, c)
	s.waiting++
	s.mu.Unlock()
	select {
	case <-c:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	for i, w := range l.waiters {
		if w == c {
			l.waiters = append(l.waiters[:i], l.waiters[i+1:]...)
			s.waiting--
			if len(l.waiters) == 0 {
				s.leave(l)
			}
			s.mu.Unlock()
			return ctx.Err()
		}
	}
	s.mu.Unlock()
	s.release() // it was handed over at the same moment
	return ctx.Err()
}

// leave removes a line that is empty.
func (s *slots) leave(l *line) {
	delete(s.lines, l.group)
	for i, other := range s.turns {
		if other == l {
			s.turns = append(s.turns[:i], s.turns[i+1:]...)
			return
		}
	}
}

// tryIdle takes a place only if nobody wants one and another one stays free:
// for work that can be left undone.
func (s *slots) tryIdle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.free < 1 || s.waiting > 0 {
		return false
	}
	s.free--
	return true
}

// release gives a place back: to the group whose turn it is, and there to the caller
// who has waited longest.
func (s *slots) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting == 0 {
		s.free++
		return
	}
	l := s.turns[0]
	c := l.waiters[0]
	l.waiters[0] = nil
	l.waiters = l.waiters[1:]
	s.waiting--
	if len(l.waiters) == 0 {
		s.leave(l)
	} else {
		copy(s.turns, s.turns[1:])
		s.turns[len(s.turns)-1] = l
	}
	close(c)
}

// counts says how many places are taken and how many callers wait.
func (s *slots) counts() (taken, waiting int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.size - s.free, s.waiting
}
