package wire_test

import (
	"context"
	"errors"
	"testing"

	"github.com/lentil-dev/lentil/internal/wire"
)

func TestLastingOutlivesCallersAndNotTheServer(t *testing.T) {
	t.Parallel()
	caller, leave := context.WithCancel(t.Context())
	work, done := wire.Lasting(caller)
	defer done()
	leave()
	server, stop := context.WithCancelCause(t.Context())
	request, end := context.WithCancel(server) // as net/http makes one of the server's
	defer end()
	stopped, done := wire.Lasting(request)
	defer done()
	stop(wire.ErrStopping)
	<-stopped.Done()
	if cause := context.Cause(stopped); !errors.Is(cause, wire.ErrStopping) {
		t.Errorf("the work ended with %v", cause)
	}
	if work.Err() != nil { // what leave began has had the time that stop took
		t.Errorf("the work ended with its caller: %v", work.Err())
	}
}
