package server_test

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
)

// told is a log that remembers what was said.
type told struct {
	mu   sync.Mutex
	list []string
}

// Enabled is part of slog.Handler.
func (*told) Enabled(context.Context, slog.Level) bool { return true }

// Handle is part of slog.Handler.
func (l *told) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, r.Message)
	return nil
}

// WithAttrs is part of slog.Handler.
func (l *told) WithAttrs([]slog.Attr) slog.Handler { return l }

// WithGroup is part of slog.Handler.
func (l *told) WithGroup(string) slog.Handler { return l }

// has tells whether something was said that begins so.
func (l *told) has(prefix string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.list, func(s string) bool { return strings.HasPrefix(s, prefix) })
}
