package server

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
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
	// pollGrace is how long a stop lets requests finish before those that only wait
	// (wire.Waiting) are told to end.
	pollGrace = 150 * time.Millisecond
	// farewellTime is how long requests may take, after drainTime, to say that they end.
	farewellTime = time.Second
)

// front is one listener with what answers on it.
type front struct {
	socket  *socket
	handler http.Handler
	tls     *tls.Config // nil for plain HTTP
	proxied bool        // trusted peers begin each connection with a header of the PROXY protocol
}

// listeners answer on every front, and on those that come later.
type listeners struct {
	log       *slog.Logger
	admission *admission
	peers     *peers
	drain     time.Duration   // that a stop waits for running requests; 0 means drainTime
	leaving   <-chan struct{} // closed when a stop begins; nil: never

	handlers  sync.WaitGroup // those of hijacked connections too, which http.Server forgets
	accepting sync.WaitGroup // that take connections
	arrivals  arrivals
	grace     time.Duration // that a stop gives connections to ask something; 0 means arrivalGrace
	farewell  time.Duration // 0 means farewellTime

	mu      sync.Mutex // guards the rest
	fronts  []front    // those that came before serve
	servers map[*socket]*http.Server
	group   *errgroup.Group // while serve runs
	ctx     context.Context //nolint:containedctx // serve's; when it has ended, nothing is added
	live    context.Context //nolint:containedctx // what requests live in
}

// add answers on one more front, from serve on.
func (l *listeners) add(f front) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.group == nil {
		l.fronts = append(l.fronts, f)
		return
	}
	l.begin(f)
}

// drop stops answering on a socket, and cuts what is on the way there.
func (l *listeners) drop(s *socket) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if server := l.servers[s]; server != nil {
		_ = server.Close()
		delete(l.servers, s)
	}
	l.fronts = slices.DeleteFunc(l.fronts, func(f front) bool { return f.socket == s })
}

// begin answers on a front. Call it with mu held.
func (l *listeners) begin(f front) {
	if l.ctx.Err() != nil {
		return
	}
	h := shell(l.log, l.admission.admit(patient(l.peers.from(f.handler))))
	live := l.live
	s := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			l.handlers.Add(1)
			defer l.handlers.Done()
			l.arrivals.begin(r)
			select {
			case <-l.leaving:
				// Whoever keeps the connection for its next request, as proxies do, shall not
				// send that to a house that has gone.
				w.Header().Set("Connection", "close")
			default:
			}
			h.ServeHTTP(w, r)
		}),
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		ConnContext:       l.arrivals.came,
		ConnState: func(c net.Conn, state http.ConnState) {
			l.admission.watch(c, state)
			l.arrivals.watch(c, state)
		},
		MaxHeaderBytes: maxHeader,
		BaseContext:    func(net.Listener) context.Context { return live },
		ErrorLog:       slog.NewLogLogger(l.log.Handler(), slog.LevelDebug),
	}
	l.servers[f.socket] = s
	for _, listener := range f.socket.listeners {
		if f.proxied {
			listener = &proxied{Listener: listener, trusts: l.peers.trusts}
		}
		listener = tlsListener(listener, f.tls)
		l.accepting.Add(1)
		ctx := l.ctx
		l.group.Go(func() error {
			defer l.accepting.Done()
			err := s.Serve(listener)
			if errors.Is(err, http.ErrServerClosed) || errors.Is(err, net.ErrClosed) && ctx.Err() != nil {
				return nil
			}
			return err
		})
	}
}

// serve answers on every front until ctx ends, then lets running requests finish.
func (l *listeners) serve(ctx context.Context) error {
	// Requests live longer than ctx, so that what is on its way is answered; those that
	// only wait for something end soon after it.
	live, cut := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cut(nil)
	waits := make(chan struct{})
	g, gctx := errgroup.WithContext(ctx)
	l.mu.Lock()
	l.group, l.ctx, l.live, l.servers = g, gctx, wire.WithLeaving(live, waits), map[*socket]*http.Server{}
	for _, f := range l.fronts {
		l.begin(f)
	}
	l.mu.Unlock()
	g.Go(func() error {
		<-gctx.Done()
		defer time.AfterFunc(pollGrace, func() { close(waits) }).Stop()
		defer time.AfterFunc(l.drainTime(), func() { cut(wire.ErrStopping) }).Stop()
		return l.shutDown(gctx)
	})
	err := g.Wait()
	cut(wire.ErrStopping)
	gone := make(chan struct{})
	go func() { l.handlers.Wait(); close(gone) }()
	select {
	case <-gone:
	case <-time.After(drainTime):
		l.log.Warn("left sockets that did not close")
	}
	return err
}

// drainTime is how long a stop waits for running requests.
func (l *listeners) drainTime() time.Duration { return cmp.Or(l.drain, drainTime) }

// shutDown takes no more requests and waits for those that run, for drainTime and farewellTime.
func (l *listeners) shutDown(ctx context.Context) error {
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.drainTime()+cmp.Or(l.farewell, farewellTime))
	defer cancel()
	l.mu.Lock() // nothing is added from here on, for ctx has ended
	servers := maps.Clone(l.servers)
	l.mu.Unlock()
	for sock := range servers {
		sock.close()
	}
	l.accepting.Wait()
	l.arrivals.settle(drain, cmp.Or(l.grace, arrivalGrace))
	g := errgroup.Group{}
	for sock, s := range servers {
		g.Go(func() error {
			if err := s.Shutdown(drain); err != nil {
				l.log.Warn("cut off requests that did not finish", "listener", sock.purpose)
				return s.Close()
			}
			return nil
		})
	}
	return g.Wait()
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
// setting is the flag that tells the house's address.
func ownHost(public, setting string, more func(host string) bool, h http.Handler) http.Handler {
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
		http.Error(w, "Lentil does not answer to that host name here. Start it with --"+setting+" if it should.", http.StatusMisdirectedRequest)
	})
}
