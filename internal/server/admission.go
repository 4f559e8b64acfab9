package server

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// admission counts what is open and refuses what is too much. All listeners of a
// house share one.
type admission struct {
	limits      *Limits
	connections atomic.Int64
	requests    atomic.Int64
	refused     atomic.Int64 // connections and requests, since the start
}

// busy is what a client is told that is one too many.
const busy = `{"code":"TooManyConcurrentRequests","message":"The server is answering as many requests as it may. Try again in a moment."}`

// refusalTime bounds writing busy to a connection that is closed thereafter.
const refusalTime = 100 * time.Millisecond

// watch counts connections; it is an http.Server's ConnState. A connection too
// many is told so and closed, before a request is read. One that became a socket
// is no longer counted here.
func (a *admission) watch(c net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		if a.connections.Add(1) > int64(a.limits.Connections) {
			a.refused.Add(1)
			if _, secure := c.(*tls.Conn); secure {
				_ = c.Close() // a word would need a handshake first, which others would wait for
				return
			}
			_ = c.SetWriteDeadline(time.Now().Add(refusalTime))
			_, _ = io.WriteString(c, "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: "+
				strconv.Itoa(len(busy))+"\r\nRetry-After: 1\r\nConnection: close\r\n\r\n"+busy)
			_ = c.Close()
		}
	case http.StateHijacked, http.StateClosed:
		a.connections.Add(-1)
	case http.StateActive, http.StateIdle:
	}
}

// admit answers requests while there are not too many.
func (a *admission) admit(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer a.requests.Add(-1)
		watched := r.URL.Path == "/health" || r.URL.Path == "/_lentil/status" // who looks must see why
		if a.requests.Add(1) > int64(a.limits.Requests) && !watched {
			a.refused.Add(1)
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Retry-After", "1")
			w.Header().Set("Cache-Control", "no-store")
			// Pages of other origins shall read what is wrong, and not guess.
			if origin := r.Header.Get("Origin"); origin != "" {
				w.Header().Set("Access-Control-Allow-Origin", origin)
				w.Header().Add("Vary", "Origin")
			}
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, busy)
			return
		}
		h.ServeHTTP(w, r)
	})
}
