package wire

import "context"

// forwardedKey marks contexts of requests whose forwarding headers mean nothing.
type forwardedKey struct{}

// WithoutForwarded marks a request as one that came from no proxy of ours: whatever
// it says in Forwarded or X-Forwarded-* about how it was asked for, a stranger may
// have written.
func WithoutForwarded(ctx context.Context) context.Context {
	return context.WithValue(ctx, forwardedKey{}, true)
}

// BelievesForwarded says whether a request's forwarding headers may be believed.
func BelievesForwarded(ctx context.Context) bool { return ctx.Value(forwardedKey{}) == nil }
