package convexsync

import (
	"context"
	"sync"
	"time"
)

const (
	// light is the size below which a message is written without asking: buffers of
	// that size are a few megabytes together however many sockets there are.
	light = 64 << 10
	// maxWriting bounds the bytes of larger messages that are encoded and not yet
	// taken by the network, on all sockets together.
	maxWriting = 256 << 20
	// stalling is how long a write may last before its socket may be closed to
	// make room for others. Its client comes back when it can.
	stalling = 2 * time.Second
)

// ledger keeps account of the large messages that are being written. Clients that
// do not read cost no more than its limit: who wants to write beyond it waits, and
// closes those that have been at it for long.
type ledger struct {
	limit int64 // 0 is maxWriting

	mu      sync.Mutex // leaf
	total   int64
	writing map[*session]entry
	changed chan struct{} // closed when something was released; nil if nobody waits
}

// entry is a message being written.
type entry struct {
	bytes int64
	since time.Time
	cut   func() // ends the write, whose writer then releases
}

// acquire makes room for a message of a session, and waits for it. It does not
// wait when ctx has ended. release must follow.
func (l *ledger) acquire(ctx context.Context, s *session, bytes int64, cut func()) {
	for {
		l.mu.Lock()
		limit := l.limit
		if limit == 0 {
			limit = maxWriting
		}
		if l.total == 0 || l.total+bytes <= limit || ctx.Err() != nil {
			if l.writing == nil {
				l.writing = map[*session]entry{}
			}
			l.writing[s] = entry{bytes, time.Now(), cut}
			l.total += bytes
			l.mu.Unlock()
			return
		}
		oldest := l.oldest()
		if l.changed == nil {
			l.changed = make(chan struct{})
		}
		changed := l.changed
		l.mu.Unlock()
		wait := stalling - time.Since(oldest.since)
		if wait <= 0 {
			oldest.cut()
			wait = stalling
		}
		t := time.NewTimer(wait)
		select {
		case <-changed:
		case <-t.C:
		case <-ctx.Done():
		}
		t.Stop()
	}
}

// oldest is the write that has lasted longest. mu is held, and total is not 0.
func (l *ledger) oldest() (oldest entry) {
	for _, e := range l.writing {
		if oldest.cut == nil || e.since.Before(oldest.since) {
			oldest = e
		}
	}
	return oldest
}

// release takes back what acquire counted.
func (l *ledger) release(s *session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total -= l.writing[s].bytes
	delete(l.writing, s)
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}
