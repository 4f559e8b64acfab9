package pebblestore

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/lentil-dev/lentil/internal/persistence"
)

// guard runs something that writes on a goroutine of its own, and returns when
// it is done or the store has failed, whichever comes first: Pebble panics,
// ends goroutines through logger.Fatalf, or hangs on a lock that such a
// goroutine left behind. Each of these means that the store is failed.
func (s *Store) guard(f func() error) error {
	select {
	case <-s.broken:
		return s.err
	default:
	}
	done := make(chan error, 1)
	go func() {
		finished := false
		defer func() {
			if finished {
				return
			}
			r := recover()
			if err, ok := r.(error); ok {
				s.fail(err)
			} else {
				s.fail(fmt.Errorf("unexpected: %v\n%s", r, debug.Stack()))
			}
		}()
		err := f()
		finished = true
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-s.broken:
		return s.err
	}
}

// fail makes the store fail for good. The first cause counts.
func (s *Store) fail(err error) {
	s.failure.Do(func() {
		s.err = fmt.Errorf("data directory %s: %w", s.dir, classify(err))
		close(s.broken)
	})
}

// usable is nil while the store is open and has not failed.
func (s *Store) usable() error {
	select {
	case <-s.broken:
		return s.err
	default:
	}
	if s.closed.Load() {
		return fmt.Errorf("data directory %s: %w", s.dir, persistence.ErrClosed)
	}
	return nil
}

// logger stands between Pebble and the house's log. Pebble calls Fatalf for
// what it cannot go on from, and relies on its not returning.
type logger struct{ s *Store }

// Infof drops what is of interest only to Pebble's authors.
func (l logger) Infof(string, ...any) {}

// Errorf passes an error on.
func (l logger) Errorf(format string, args ...any) {
	l.s.log.Error("store reports an error", "dir", l.s.dir, "err", fmt.Sprintf(format, args...))
}

// Fatalf makes the store fail, and ends the goroutine it is called on: one of
// guard's, which expects that, or one of Pebble's own.
func (l logger) Fatalf(format string, args ...any) {
	err := fmt.Errorf(format, args...)
	for _, a := range args {
		if cause, ok := a.(error); ok {
			err = cause // %v hides it from errors.Is
		}
	}
	l.s.fail(err)
	runtime.Goexit()
}
