package main

import (
	"fmt"
	"time"

	"github.com/lentil-dev/lentil/internal/archive"
)

// progress shows how far long work is: in one line that changes on a terminal, and
// elsewhere in a line now and then.
type progress struct {
	t     *talk
	live  bool
	shown bool
	began time.Time
	next  time.Time
}

// progress begins to show.
func (t *talk) progress() *progress {
	return &progress{t: t, live: isTerminal(t.w), began: time.Now(), next: time.Now().Add(time.Second)}
}

// How often something is said.
const (
	liveEvery = 100 * time.Millisecond
	lineEvery = 10 * time.Second
)

// say shows what is going on.
func (p *progress) say(format string, args ...any) {
	if time.Now().Before(p.next) {
		return
	}
	text := fmt.Sprintf(format, args...)
	if p.live {
		fmt.Fprintf(p.t.w, "\r\x1b[K  %s", text)
		p.shown, p.next = true, time.Now().Add(liveEvery)
		return
	}
	fmt.Fprintf(p.t.w, "  %s\n", text)
	p.next = time.Now().Add(lineEvery)
}

// tell shows how far a restore or a verification is.
func (p *progress) tell(a archive.Progress) {
	switch {
	case a.Total == 0:
		p.say("%s: %d", a.Doing, a.Done)
	default:
		p.say("%s: %d of %d (%d%%)", a.Doing, a.Done, a.Total, 100*a.Done/a.Total)
	}
}

// end clears the line.
func (p *progress) end() {
	if p.shown {
		fmt.Fprint(p.t.w, "\r\x1b[K")
	}
}
