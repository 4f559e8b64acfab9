package archive

import (
	"context"
	"testing"
	"time"

	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/value"
)

// TestRunEndsWhereTheHouseStopped holds that a moment of which nothing is to be told
// can be restored too when the house has stopped since.
func TestRunEndsWhereTheHouseStopped(t *testing.T) {
	t.Parallel()
	h, d := newHouse(t), memoryDepot(t)
	s := h.add("house")
	a := h.archiver(d, nil)
	a.Every = 10 * time.Millisecond
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- a.Run(ctx) }()
	if _, err := a.Now(t.Context(), false, func(string) {}); err != nil {
		t.Fatal(err)
	}
	s.put(t, value.ID{}, row{1, "one"})
	if _, err := a.Now(t.Context(), false, func(string) {}); err != nil {
		t.Fatal(err)
	}
	quiet := persistence.Timestamp(time.Now().UnixNano())
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	site, _ := restoreAt(t, d, nil, quiet)
	h.compare(site, quiet)
}

// TestRunMakesABaseThatIsAskedForDuringAnother holds that the one under way, which began
// before the question, is not taken for the answer, nor the question forgotten over it.
func TestRunMakesABaseThatIsAskedForDuringAnother(t *testing.T) {
	t.Parallel()
	h, d := newHouse(t), memoryDepot(t)
	h.add("house")
	closed := h.add("closed")
	closed.closed = true
	making, finish := make(chan struct{}), make(chan struct{})
	var bases int
	closed.use = func() error { // a base reads it, and nothing else
		if bases++; bases == 2 {
			close(making)
			<-finish
		}
		return nil
	}
	a := h.archiver(d, nil)
	a.Every = 10 * time.Millisecond
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- a.Run(ctx) }()
	if _, err := a.Now(t.Context(), false, func(string) {}); err != nil {
		t.Fatal(err)
	}
	first := make(chan error, 1)
	go func() {
		_, err := a.Now(t.Context(), true, func(string) {})
		first <- err
	}()
	<-making
	second := ask{base: true, heard: make(chan State, 1)}
	a.asked() <- second
	before := <-second.heard
	close(finish)
	if err := <-first; err != nil {
		t.Error(err)
	}
	wait, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for tick := time.NewTicker(10 * time.Millisecond); !a.State().Base.After(before.Through); {
		select {
		case <-tick.C:
		case <-wait.Done():
			t.Fatalf("no base was made: %+v", a.State())
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}
