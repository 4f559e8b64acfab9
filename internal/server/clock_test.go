package server

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/lentil-dev/lentil/internal/persistence"
)

// TestClockIsDoubtedForAWhile after a start in which it is far ahead of what was written.
func TestClockIsDoubtedForAWhile(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		ago    time.Duration // what was written last; 0: nothing was
		doubts bool
	}{
		{"a new house", 0, false},
		{"a restart", time.Second, false},
		{"the clock was set back", -time.Hour, false},
		{"a night later", 12 * time.Hour, false},
		{"months ahead", 90 * 24 * time.Hour, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				newest := persistence.Timestamp(0)
				if tt.ago != 0 {
					newest = persistence.Timestamp(time.Now().Add(-tt.ago).UnixNano())
				}
				c := newClock(time.Now(), newest)
				if c.doubted() != tt.doubts {
					t.Errorf("doubted: %v", c.doubted())
				}
				time.Sleep(clockWait - time.Second)
				if c.doubted() != tt.doubts {
					t.Errorf("a moment before the end: %v", c.doubted())
				}
				time.Sleep(time.Second)
				if c.doubted() {
					t.Error("doubted for ever")
				}
			})
		})
	}
}
