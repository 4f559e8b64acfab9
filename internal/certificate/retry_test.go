package certificate

import (
	"testing"
	"time"
)

// TestRetriesBeginAnewAfterASuccess: an authority that was away for a day must not make
// the next small failure, weeks later, last for hours.
func TestRetriesBeginAnewAfterASuccess(t *testing.T) {
	t.Parallel()
	wait := firstRetry
	for range 10 {
		wait = afterThat(true, wait)
	}
	if wait != lastRetry {
		t.Errorf("after ten failures %v", wait)
	}
	if wait = afterThat(false, wait); wait != firstRetry {
		t.Errorf("after a success %v", wait)
	}
	if wait = afterThat(true, wait); wait != 2*firstRetry || wait > time.Hour {
		t.Errorf("after one failure %v", wait)
	}
}
