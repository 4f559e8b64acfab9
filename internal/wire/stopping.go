package wire

import (
	"context"
	"errors"
	"net/http"
)

// ErrStopping is why the context of a request ends when the server has stopped waiting
// for it.
var ErrStopping = errors.New("wire: the server is stopping")

// leavingKey is the context key of what WithLeaving puts there.
type leavingKey struct{}

// WithLeaving is a context for requests of a server that closes leaving when they should
// come to an end by themselves.
func WithLeaving(ctx context.Context, leaving <-chan struct{}) context.Context {
	return context.WithValue(ctx, leavingKey{}, leaving)
}

// Waiting is for requests that do no work but wait for something to happen, maybe for
// long: the context ends with the request's, and as soon as the server wants to stop.
// Call the function when the wait is over.
func Waiting(r *http.Request) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(r.Context())
	leaving, _ := r.Context().Value(leavingKey{}).(<-chan struct{})
	if leaving == nil {
		return ctx, func() { cancel(nil) }
	}
	go func() {
		select {
		case <-leaving:
			cancel(ErrStopping)
		case <-ctx.Done(): // the wait is over, too
		}
	}()
	return ctx, func() { cancel(nil) }
}

// interrupted tells of an error whether a request broke off: because its caller went away
// or because the server is stopping.
func interrupted(r *http.Request, err error) bool {
	if errors.Is(err, ErrAborted) {
		return true
	}
	if ended := r.Context().Err(); ended != nil {
		return errors.Is(err, ended)
	}
	leaving, _ := r.Context().Value(leavingKey{}).(<-chan struct{})
	select {
	case <-leaving: // never, if it is nil
		return errors.Is(err, context.Canceled)
	default:
		return false
	}
}
