package isolate

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/lentil-dev/lentil/internal/apierr"
)

func TestSlotsServeGroupsInTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(1, 100)
		if err := s.acquire(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		served := make(chan string, 10)
		queue := func(group, name string) {
			go func() {
				if err := s.acquire(t.Context(), group); err != nil {
					t.Error(err)
				}
				served <- name
			}()
			synctest.Wait()
		}
		for _, name := range []string{"a1", "a2", "a3", "a4"} {
			queue("a", name)
		}
		queue("b", "b1")
		queue("b", "b2")
		queue("c", "c1")
		for i, want := range []string{"a1", "b1", "c1", "a2", "b2", "a3", "a4"} {
			s.release()
			if got := <-served; got != want {
				t.Errorf("%d: %s, not %s", i, got, want)
			}
		}
		s.release()
		if taken, waiting := s.counts(); taken != 0 || waiting != 0 || len(s.turns) != 0 || len(s.lines) != 0 {
			t.Errorf("%d taken, %d waiting, %d lines", taken, waiting, len(s.turns))
		}
	})
}

func TestSlotsHaveRoomForSmallGroupsInACrowd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const most = 32
		s := newSlots(1, most)
		if err := s.acquire(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 2*most)
		queue := func(group string) { go func() { ended <- s.acquire(ctx, group) }(); synctest.Wait() }
		for range most {
			queue("a")
		}
		if err := s.acquire(ctx, "a"); apierr.KindOf(err) != apierr.Overloaded {
			t.Errorf("one more of the crowd: %v", err)
		}
		queue("b")
		queue("b")
		if err := s.acquire(ctx, "b"); apierr.KindOf(err) != apierr.Overloaded {
			t.Errorf("a third of the small group: %v", err)
		}
		cancel()
		for range most + 2 {
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		}
		if _, waiting := s.counts(); waiting != 0 || len(s.turns) != 0 {
			t.Errorf("%d waiting in %d lines", waiting, len(s.turns))
		}
	})
}
