package server

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// arrivalGrace is how old a connection without a request is before a stop does not
	// wait for one any more: whoever connects to ask something does so at once, while
	// browsers open connections that they may need later.
	arrivalGrace = 500 * time.Millisecond
	// arrivalLook is how often a stop looks whether all have arrived.
	arrivalLook = 2 * time.Millisecond
)

// arrivals are the connections that were accepted and whose first request has not reached
// its handler. http.Server.Shutdown leaves requests without an answer that it reads from
// then on, even if they had been sent before; proxies that got the connection a moment ago
// tell their clients of a bad gateway.
type arrivals struct {
	mu   sync.Mutex
	open map[net.Conn]time.Time // since when
}

// arrival is one connection, in the contexts of its requests.
type arrival struct {
	conn  net.Conn
	begun atomic.Bool // a request has reached its handler
}

// arrivalKey is the context key of a connection's arrival.
type arrivalKey struct{}

// came notes a new connection; it is an http.Server's ConnContext.
func (a *arrivals) came(ctx context.Context, c net.Conn) context.Context {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.open == nil {
		a.open = map[net.Conn]time.Time{}
	}
	a.open[c] = time.Now()
	return context.WithValue(ctx, arrivalKey{}, &arrival{conn: c})
}

// watch forgets connections that ended without a request; it is a part of an
// http.Server's ConnState.
func (a *arrivals) watch(c net.Conn, state http.ConnState) {
	if state == http.StateClosed {
		a.forget(c)
	}
}

// begin notes that a request has reached its handler.
func (a *arrivals) begin(r *http.Request) {
	if n, ok := r.Context().Value(arrivalKey{}).(*arrival); ok && !n.begun.Swap(true) {
		a.forget(n.conn)
	}
}

// forget strikes a connection off.
func (a *arrivals) forget(c net.Conn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.open, c)
}

// settle waits, until ctx ends, for the first requests of connections younger than grace,
// and closes those that are older: http.Server would wait for them, for five seconds.
func (a *arrivals) settle(ctx context.Context, grace time.Duration) {
	look := time.NewTicker(arrivalLook)
	defer look.Stop()
	for a.missing(grace) {
		select {
		case <-look.C:
		case <-ctx.Done():
			return
		}
	}
}

// missing closes connections that are as old as grace, and tells whether there are others.
func (a *arrivals) missing(grace time.Duration) (missing bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for c, since := range a.open {
		if time.Since(since) < grace {
			missing = true
			continue
		}
		_ = c.Close()
		delete(a.open, c)
	}
	return missing
}
