package main

import (
	"context"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
)

// personLog is a log for the person who sits before it, as opposed to one that is
// searched: what was refused, why and what to paste stand below each other as they
// are read, and can be copied.
//
// Strangers' words are in it, so that nothing unprintable gets to the terminal.
type personLog struct {
	level slog.Level
	attrs []slog.Attr
	group string // of the attributes to come, with the dot

	mu *sync.Mutex // guards w
	w  io.Writer
}

// newPersonLog writes records of a level or above.
func newPersonLog(w io.Writer, level slog.Level) *slog.Logger {
	return slog.New(&personLog{level: level, mu: &sync.Mutex{}, w: w})
}

// Enabled implements slog.Handler.
func (p *personLog) Enabled(_ context.Context, level slog.Level) bool { return level >= p.level }

// WithAttrs implements slog.Handler.
func (p *personLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	q := *p
	q.attrs = append([]slog.Attr(nil), p.attrs...)
	for _, a := range attrs {
		a.Key = p.group + a.Key
		q.attrs = append(q.attrs, a)
	}
	return &q
}

// WithGroup implements slog.Handler.
func (p *personLog) WithGroup(name string) slog.Handler {
	q := *p
	q.group += name + "."
	return &q
}

// The attributes that a refusal has in every room; see internal/diagnosis.
const (
	becauseKey = "because"
	fixKey     = "fix"
	lookKey    = "look"
)

// Handle implements slog.Handler.
func (p *personLog) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	b.WriteString(r.Time.Format(time.TimeOnly) + " " + levelWord(r.Level) + ": " + printable(r.Message))
	var beside []string
	below := map[string]string{}
	add := func(a slog.Attr) {
		value := a.Value.Resolve().String()
		switch a.Key {
		case becauseKey, fixKey, lookKey:
			below[a.Key] = value
		default:
			beside = append(beside, printable(a.Key)+" "+oneWord(value))
		}
	}
	for _, a := range p.attrs {
		add(a)
	}
	r.Attrs(func(a slog.Attr) bool {
		a.Key = p.group + a.Key
		add(a)
		return true
	})
	if len(beside) > 0 {
		b.WriteString(" (" + strings.Join(beside, ", ") + ")")
	}
	b.WriteByte('\n')
	for _, key := range []string{becauseKey, fixKey} {
		if below[key] == "" {
			continue
		}
		for line := range strings.SplitSeq(below[key], "\n") {
			b.WriteString("  " + printable(line) + "\n")
		}
	}
	if look := below[lookKey]; look != "" {
		b.WriteString("  more: " + printable(look) + "\n")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	_, err := io.WriteString(p.w, b.String())
	return err
}

// levelWord is a level as people say it.
func levelWord(level slog.Level) string {
	switch {
	case level >= slog.LevelError:
		return "error"
	case level >= slog.LevelWarn:
		return "warning"
	case level >= slog.LevelInfo:
		return "info"
	default:
		return "debug"
	}
}

// oneWord quotes a value whose end could not be seen.
func oneWord(s string) string {
	if s == "" || strings.ContainsFunc(s, func(r rune) bool { return r == ' ' || r == ',' || r == ')' || !unicode.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}

// printable replaces what would move the cursor or change colours.
func printable(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if unicode.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		q := strconv.QuoteRune(r)
		b.WriteString(q[1 : len(q)-1])
	}
	return b.String()
}
