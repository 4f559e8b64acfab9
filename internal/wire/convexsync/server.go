package convexsync

import (
	"bufio"
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/coder/websocket"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/token"
	"github.com/lentil-dev/lentil/internal/udf"
)

// maxMessage bounds one message of a client (convex-sync.md §1.2).
const maxMessage = 64 << 20

// Functions runs user functions; *udf.Runner is one.
type Functions interface {
	Query(ctx context.Context, q udf.Request) (*udf.Outcome, error)
	Mutation(ctx context.Context, q udf.Request) (*udf.Outcome, error)
	Action(ctx context.Context, q udf.Request) (*udf.Outcome, error)
}

// Server answers the sync protocol of one deployment. Fill the fields; it needs
// no opening. Call Wait at the end.
type Server struct {
	Runner Functions
	DB     *database.DB
	// Authenticate finds out who is behind an Authenticate message:
	// token.Gate.Message.
	Authenticate func(ctx context.Context, tokenType, value string, acting json.RawMessage) (token.Caller, error)
	// CarryOn lets an identity go on that ended while it was in use, for a while:
	// token.Gate.CarryOn. Its refusals are Unauthenticated. Nil lets none.
	CarryOn func(ctx context.Context, c token.Caller) (token.Caller, error)
	// Readmit is the same for a client that comes back with a token that it had brought
	// while that was good: token.Gate.Readmit.
	Readmit func(ctx context.Context, token string) (token.Caller, error)
	// Known is the path of the file that keeps which clients these are, over restarts; ""
	// forgets them with the process.
	Known string
	Log   *slog.Logger
	// Places bounds the open sockets; nil is no bound. Servers may share it.
	Places *Places

	watcher watcher
	ledger  ledger
	known   acquaintance
	running sync.WaitGroup // sessions, and everything that runs for them, which may outlive them
	busy    atomic.Int64   // how many these are
	severed sync.Map       // ids of keys that were revoked

	mu       sync.Mutex // guards the rest; taken before session.mu
	sessions map[*session]struct{}
	stopped  bool
	farewell string // to sockets that come after Dismiss
	open     int    // sockets taken, some of which are still being upgraded
	refused  int64
}

// start counts something that runs, which end takes back.
func (s *Server) start() {
	s.busy.Add(1)
	s.running.Add(1)
}

func (s *Server) end() {
	s.busy.Add(-1)
	s.running.Done()
}

// Busy says whether there are sockets, or anything that still runs for one.
func (s *Server) Busy() bool { return s.busy.Load() > 0 }

// Mount adds the protocol's routes.
func (s *Server) Mount(mux *http.ServeMux) {
	mux.Handle("GET /api/sync", s)
	mux.Handle("GET /api/{version}/sync", s)
}

// Connections is the number of open sockets.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sessions)
}

// Wait says goodbye to all sockets and waits, until ctx ends, for them and for
// mutations and actions that still run; what these answer is sent first. No socket is taken any more. Call it
// when the HTTP server has stopped, and before closing what functions run on.
func (s *Server) Wait(ctx context.Context) { s.Dismiss(ctx, "") }

// Dismiss is Wait with a last word to the sockets, of at most 120 bytes: that they
// need not come back.
func (s *Server) Dismiss(ctx context.Context, farewell string) {
	defer s.known.close()
	s.mu.Lock()
	s.stopped, s.farewell = true, farewell
	for ss := range s.sessions {
		ss.goodbye(farewell)
	}
	s.mu.Unlock()
	done := make(chan struct{})
	go func() { s.running.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
		s.mu.Lock()
		defer s.mu.Unlock()
		for ss := range s.sessions {
			ss.hurry()
		}
	}
}

// ServeHTTP upgrades a request and returns; the socket goes on by itself until
// its client goes or Wait is called. It does not stay in the handler because
// net/http keeps three buffers and a deep stack for as long as a handler runs,
// more than the rest of an idle socket.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ss := &session{server: s, chunked: understandsChunks(r), agent: strings.Clone(r.UserAgent()), live: map[uint32]*liveQuery{}}
	ss.ip, _, _ = net.SplitHostPort(r.RemoteAddr)
	opts := &websocket.AcceptOptions{
		// There is nothing in a browser's ambient authority to misuse: identity
		// comes in the messages (convex-sync.md §1.1).
		InsecureSkipVerify: true,
		// Compressing costs each socket memory, and each message processor time
		// that the functions need.
		CompressionMode: websocket.CompressionDisabled,
		OnPingReceived:  func(context.Context, []byte) bool { ss.hear(); return true },
		OnPongReceived:  func(context.Context, []byte) { ss.hear() },
	}
	s.mu.Lock()
	if s.stopped {
		s.mu.Unlock()
		http.Error(w, "The server is stopping.", http.StatusServiceUnavailable)
		return
	}
	if !s.Places.take(s.open) {
		s.refused++
		s.mu.Unlock()
		// Clients come back by themselves, later and later.
		w.Header().Set("Retry-After", "5")
		http.Error(w, "There are as many sockets open as this server takes. Try again later.", http.StatusServiceUnavailable)
		return
	}
	s.open++
	s.start() // before the socket is there, so that Wait cannot miss it
	s.mu.Unlock()
	conn, err := websocket.Accept(slim{w}, r, opts)
	if err != nil {
		s.closed()
		return // Accept has answered
	}
	conn.SetReadLimit(maxMessage)
	ss.conn = conn
	ss.begin()
	go func() {
		defer s.closed()
		ss.read()
		ss.end()
	}()
}

// Sever closes the sockets whose caller came with a key that was revoked.
func (s *Server) Sever(key string) {
	s.severed.Store(key, true) // before the sessions are looked at: one of them may be about to have it
	s.mu.Lock()
	defer s.mu.Unlock()
	for ss := range s.sessions {
		if ss.keyed(key) {
			ss.goodbye(revokedKey)
		}
	}
}

// revokedKey is the last word to a socket whose key was revoked.
const revokedKey = "The deploy key of this connection was revoked."

// closed takes back what ServeHTTP counted for a socket.
func (s *Server) closed() {
	s.mu.Lock()
	s.open--
	s.mu.Unlock()
	s.Places.give()
	s.end()
}

// Refused is the number of sockets that were too many.
func (s *Server) Refused() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refused
}

// enter adds a session; one that comes after Wait has begun is told to go.
func (s *Server) enter(ss *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sessions == nil {
		s.sessions = map[*session]struct{}{}
	}
	s.sessions[ss] = struct{}{}
	if s.stopped {
		ss.goodbye(s.farewell)
	}
}

// leave removes a session.
func (s *Server) leave(ss *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, ss)
}

// The buffers of a socket. Messages of clients are small, and a large one is read
// past the buffer; what is written should mostly fit, to be one system call.
const (
	readBuffer  = 512
	writeBuffer = 2048
)

// slim gives the WebSocket library smaller buffers than net/http does.
type slim struct{ http.ResponseWriter }

// Unwrap lets http.ResponseController reach the real writer.
func (s slim) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// Hijack takes over the connection.
func (s slim) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(s.ResponseWriter).Hijack()
	if err != nil || rw.Reader.Buffered() > 0 {
		return conn, rw, err // something came early; it is in the large buffer
	}
	return conn, bufio.NewReadWriter(bufio.NewReaderSize(conn, readBuffer), bufio.NewWriterSize(conn, writeBuffer)), nil
}

// understandsChunks tells whether the client can put a transition in parts
// together again: the npm client since 1.28.0 (convex-sync.md §3.2).
func understandsChunks(r *http.Request) bool {
	v := r.PathValue("version")
	if v == "" || v == "v1" {
		var ok bool
		if v, ok = strings.CutPrefix(r.Header.Get("Convex-Client"), "npm-"); !ok {
			return false
		}
	}
	major, rest, _ := strings.Cut(v, ".")
	minor, _, _ := strings.Cut(rest, ".")
	a, err1 := strconv.Atoi(major)
	b, err2 := strconv.Atoi(minor)
	return err1 == nil && err2 == nil && (a > 1 || a == 1 && b >= 28)
}
