package diagnosis

import (
	"slices"
	"sync"
	"time"
)

// The bounds of a ledger. Strangers cause refusals, so neither memory nor log may
// grow with their number.
const (
	maxEntries = 128         // the one not seen for longest makes room
	quiet      = time.Minute // the same refusal is worth a line again only after so long
	maxLines   = 20          // lines in all within one span of quiet
)

// Entry is a refusal with how often it happened, since the house started.
type Entry struct {
	Refusal
	// Scope is whose refusal it was: a deployment's name, or an environment's id.
	Scope string    `json:"scope"`
	Times int       `json:"times"`
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
}

// Ledger remembers what was refused lately, in memory. The zero value works, and
// so does a nil one, which remembers nothing. mu guards the fields and is a leaf:
// nothing is called while it is held.
type Ledger struct {
	mu      sync.Mutex
	entries []Entry // oldest last refusal first
	span    time.Time
	lines   int // since span
}

// Note remembers a refusal and reports whether it is worth a line in the log.
func (l *Ledger) Note(scope string, r Refusal, now time.Time) (tell bool) {
	if l == nil {
		return false
	}
	r.Value = clip(r.Value, maxShownURI)
	l.mu.Lock()
	defer l.mu.Unlock()
	e := Entry{Refusal: r, Scope: scope, First: now}
	same := func(o Entry) bool {
		return o.Scope == scope && o.Kind == r.Kind && o.Cause == r.Cause && o.Value == r.Value
	}
	if i := slices.IndexFunc(l.entries, same); i >= 0 {
		e.First, e.Times, e.Last = l.entries[i].First, l.entries[i].Times, l.entries[i].Last
		l.entries = slices.Delete(l.entries, i, i+1)
	} else if len(l.entries) >= maxEntries {
		l.entries = slices.Delete(l.entries, 0, 1)
	}
	if now.Sub(l.span) >= quiet {
		l.span, l.lines = now, 0
	}
	tell = now.Sub(e.Last) >= quiet && l.lines < maxLines
	if tell {
		l.lines++
	}
	e.Times++
	e.Last = now
	l.entries = append(l.entries, e)
	return tell
}

// List gives the refusals of the scopes, newest first; of all without any.
func (l *Ledger) List(scopes ...string) []Entry {
	out := []Entry{}
	if l == nil {
		return out
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range slices.Backward(l.entries) {
		if len(scopes) == 0 || slices.Contains(scopes, e.Scope) {
			out = append(out, e)
		}
	}
	return out
}
