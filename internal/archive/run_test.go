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
