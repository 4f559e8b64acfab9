package server

import (
	"time"

	"github.com/lentil-dev/lentil/internal/persistence"
)

const (
	// clockLeap is how far ahead of the newest that a house has written its clock may be
	// when it starts: a house that was off for longer is rare enough to be looked at twice.
	clockLeap = 24 * time.Hour
	// clockWait is how long after such a start nothing is deleted for its age. Machines
	// without a battery for their clock, and those whose image slept, are set right by
	// the network within minutes; chrony and systemd-timesyncd poll at most every 17 and 34
	// minutes once they are in step, but ask several times in the first.
	clockWait = 15 * time.Minute
)

// clock says whether to believe the machine's: what is deleted by a wrong one stays deleted.
type clock struct {
	began time.Time // when the house did; with the reading that steps of the clock do not move
	leapt bool      // it was far ahead then
	told  bool      // that something waits for it; of the fleet's keeper alone
}

// newClock compares the clock at a start with the newest commit of before, 0 for none.
func newClock(began time.Time, newest persistence.Timestamp) clock {
	return clock{began: began, leapt: newest != 0 && began.Sub(newest.Time()) > clockLeap}
}

// doubted tells whether nothing is to be deleted for its age yet.
func (c *clock) doubted() bool { return c.leapt && time.Since(c.began) < clockWait }
