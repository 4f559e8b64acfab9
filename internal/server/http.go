package server

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lentil-dev/lentil/internal/wire"
)

// The deadlines of every connection. There is none for a whole request: sockets
// and long polls last; the fronts bound what they wait for, and bodies have
// deadlines that move (patient).
const (
	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute
	maxHeader     = 64 << 10
	// drainTime is how long a stop waits for running requests.
	drainTime = 5 * time.Second
	// socketGrace is how long a stop lets requests finish before it ends the
	// context that sockets and long polls live in.
	socketGrace = 150 * time.Millisecond
)

// front is one listener with what answers on it.
type front struct {
	socket  *socket
	handler http.Handler
	tls     *tls.Config // nil for plain HTTP
}

// serve answers on every front until ctx ends, then lets running requests finish.
func serve(ctx context.Context, log *slog.Logger, a *admission, p *peers, fronts []front) error {
	// Requests live a little longer than ctx, so that a mutation on its way is
	// answered and a socket is closed with a word.
	live, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	var handlers sync.WaitGroup // those of hijacked connections too, which http.Server forgets
	g, gctx := errgroup.WithContext(ctx)
	for _, f := range fronts {
		h := shell(log, a.admit(patient(p.from(f.handler))))
		s := &http.Server{
			Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				handlers.Add(1)
				defer handlers.Done()
				h.ServeHTTP(w, r)
			}),
			ReadHeaderTimeout: headerTimeout,
			IdleTimeout:       idleTimeout,
			ConnState:         a.watch,
			MaxHeaderBytes:    maxHeader,
			BaseContext:       func(net.Listener) context.Context { return live },
			ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		}
		for _, l := range f.socket.listeners {
			if f.tls != nil {
				l = tls.NewListener(l, f.tls)
			}
			g.Go(func() error {
				if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
					return err
				}
				return nil
			})
		}
		g.Go(func() error {
			<-gctx.Done()
			defer time.AfterFunc(socketGrace, cut).Stop()
			drain, cancel := context.WithTimeout(context.WithoutCancel(gctx), drainTime)
			defer cancel()
			if err := s.Shutdown(drain); err != nil {
				log.Warn("cut off requests that did not finish", "listener", f.socket.purpose)
				return s.Close()
			}
			return nil
		})
	}
	err := g.Wait()
	cut()
	gone := make(chan struct{})
	go func() { handlers.Wait(); close(gone) }()
	select {
	case <-gone:
	case <-time.After(drainTime):
		log.Warn("left sockets that did not close")
	}
	return err
}

// shell is what is true of every request: an id, headers that keep browsers from
// guessing, and recovery from what the fronts did not recover from.
func shell(log *slog.Logger, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := wire.NewRequestID()
		r = r.WithContext(wire.WithRequestID(r.Context(), id))
		w.Header().Set("X-Request-Id", id)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Referrer-Policy", "same-origin")
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if v != http.ErrAbortHandler {
				log.Error("request panicked", "method", r.Method, "path", r.URL.Path, "request", id, "panic", v, "stack", string(debug.Stack()))
			}
			panic(http.ErrAbortHandler) // part of the answer may be out; a cut connection says so
		}()
		h.ServeHTTP(w, r)
	})
}

// ownHost refuses requests for host names that are not this house's, when it
// listens on the loopback address only: a page elsewhere could otherwise point its
// own name at 127.0.0.1 and read what only this machine may (DNS rebinding). more
// knows further names, those of environments.
func ownHost(public string, more func(host string) bool, h http.Handler) http.Handler {
	own := ""
	if u, err := url.Parse(public); err == nil {
		own = u.Hostname()
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := r.Host
		if n, _, err := net.SplitHostPort(name); err == nil {
			name = n
		}
		name = strings.ToLower(strings.Trim(name, "[]"))
		ip := net.ParseIP(name)
		if name == own || name == "localhost" || strings.HasSuffix(name, ".localhost") || ip != nil && ip.IsLoopback() || more(r.Host) {
			h.ServeHTTP(w, r)
			return
		}
		http.Error(w, "This sign-in service does not answer to that host name. Start Lentil with --authkit-url if it should.", http.StatusMisdirectedRequest)
	})
}
