package convexsync

import (
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

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
// no opening. Connections live until the client goes, or the context of the
// HTTP server that they came through ends.
type Server struct {
	Runner Functions
	DB     *database.DB
	// Authenticate finds out who is behind an Authenticate message:
	// token.Gate.Message.
	Authenticate func(ctx context.Context, tokenType, value string, acting json.RawMessage) (token.Caller, error)
	Log          *slog.Logger
	// Compress negotiates permessage-deflate with clients that offer it. It
	// saves bandwidth and costs processor time and memory per message.
	Compress bool

	watcher watcher
	open    atomic.Int64
	calls   sync.WaitGroup // mutations and actions, which outlive their socket
}

// Mount adds the protocol's routes.
func (s *Server) Mount(mux *http.ServeMux) {
	mux.Handle("GET /api/sync", s)
	mux.Handle("GET /api/{version}/sync", s)
}

// Connections is the number of open sockets.
func (s *Server) Connections() int64 { return s.open.Load() }

// Wait waits, until ctx ends, for mutations and actions that are still running
// after their sockets have gone. Call it before closing what they run on.
func (s *Server) Wait(ctx context.Context) {
	done := make(chan struct{})
	go func() { s.calls.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// ServeHTTP upgrades a request and serves the socket until it closes.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ss := &session{server: s, chunked: understandsChunks(r), agent: r.UserAgent(), live: map[uint32]*liveQuery{}}
	ss.ip, _, _ = net.SplitHostPort(r.RemoteAddr)
	now := time.Now()
	ss.heard.Store(now.UnixNano())
	opts := &websocket.AcceptOptions{
		// There is nothing in a browser's ambient authority to misuse: identity
		// comes in the messages (convex-sync.md §1.1).
		InsecureSkipVerify: true,
		OnPingReceived:     func(context.Context, []byte) bool { ss.hear(); return true },
		OnPongReceived:     func(context.Context, []byte) { ss.hear() },
	}
	if s.Compress {
		opts.CompressionMode = websocket.CompressionNoContextTakeover
	}
	conn, err := websocket.Accept(w, r, opts)
	if err != nil {
		return // Accept has answered
	}
	conn.SetReadLimit(maxMessage)
	s.open.Add(1)
	defer s.open.Add(-1)
	ss.conn = conn
	ss.serve(r.Context())
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
