package wire

import (
	"context"
	"errors"
)

// Lasting is for work that goes on when its caller goes away: the context ends only when
// the server has stopped waiting for requests, so that no work outlives a stop. Call the
// function when the work is done.
func Lasting(ctx context.Context) (context.Context, context.CancelFunc) {
	lasting, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		if errors.Is(context.Cause(ctx), ErrStopping) {
			cancel(ErrStopping)
		}
	})
	return lasting, func() { stop(); cancel(nil) }
}
