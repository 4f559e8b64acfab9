package isolate

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// web is what an action has open in the world: fetches and their bodies.
type web struct{}

// close ends everything that is still open.
func (w *web) close() {}

// newClient makes the HTTP client of actions.
func newClient() *http.Client { return &http.Client{} }

// timerDelay reads the milliseconds of a timer.
func timerDelay(arg []byte) time.Duration {
	f, _ := strconv.ParseFloat(string(arg), 64)
	if !(f > 0) {
		return 0
	}
	return time.Duration(min(f, 1<<31) * float64(time.Millisecond))
}

// shimRequest answers an asynchronous request of our own shims.
func (v *invocation) shimRequest(r request) event {
	return answer(r.id, nil, &Throw{Message: "unknown operation " + r.op})
}

// shimCall answers a synchronous request of our own shims.
func shimCall(op string, arg, body []byte) ([]byte, error) {
	return nil, &Throw{Message: fmt.Sprintf("unknown operation %s", op)}
}
