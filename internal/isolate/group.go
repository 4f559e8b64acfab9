package isolate

import (
	"context"
	"sync/atomic"
)

// groupKey is the key of a group's name in a context.
type groupKey struct{}

// WithGroup marks what Load makes as a group's: workers are given to groups in turn. A
// house has a group for each deployment.
func WithGroup(ctx context.Context, group string) context.Context {
	return context.WithValue(ctx, groupKey{}, group)
}

// actingOf counts the top-level actions of a group.
func (e *Engine) actingOf(group string) *atomic.Int64 {
	n, _ := e.groups.LoadOrStore(group, &atomic.Int64{})
	return n.(*atomic.Int64)
}

// groupOf is the name of the group; "" without one.
func groupOf(ctx context.Context) string {
	name, _ := ctx.Value(groupKey{}).(string)
	return name
}
