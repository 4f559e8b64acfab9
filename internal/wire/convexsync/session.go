package convexsync

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/lentil-dev/lentil/internal/token"
)

const (
	// appPing is the silence after which the server sends a Ping message (convex-sync.md §1.2).
	appPing = 15 * time.Second
	// wsPing is the time between pings of the WebSocket itself.
	wsPing = 5 * time.Second
	// idleLimit is the silence of a client after which it is taken for gone.
	idleLimit = 120 * time.Second
	// writeLimit is how long writing one message may take, and a client that
	// does not read may hold its connection.
	writeLimit = 60 * time.Second
	// bulky is the size of a message after which no WebSocket ping is sent for
	// bulkyWait: the library closes a socket that cannot take a ping within five
	// seconds, and a slow line may need longer to take what is on its way.
	bulky     = 256 << 10
	bulkyWait = 30 * time.Second
	// maxQueued is the number of unwritten messages above which no more is read
	// from the client. A client that does not read is answered no more.
	maxQueued = 256
	// closeWait bounds the closing handshake.
	closeWait = time.Second
)

// session is the shell around one Machine and one socket.
type session struct {
	server  *Server
	conn    *websocket.Conn
	ctx     context.Context // of the socket
	cancel  context.CancelFunc
	chunked bool // the client understands TransitionChunk
	ip      string
	agent   string
	heard   atomic.Int64 // when anything last came from the client, UnixNano

	mu      sync.Mutex
	machine Machine
	live    map[uint32]*liveQuery
	verify  *Verify // for the reader, which holds messages back meanwhile
	out     []serverMessage
	room    *sync.Cond // signalled when out has shrunk, and at the end
	writing bool
	closing *Close
	sent    time.Time // when the last message was written
	pinged  time.Time // when the last WebSocket ping was due
	pinging bool      // a ping waits for its pong
	bulked  time.Time // when the last bulky message was written
	timer   *time.Timer
	ended   bool
	leaving bool // goodbye was said; the socket stays until the last action is answered
}

// hear notes a sign of life.
func (s *session) hear() { s.heard.Store(time.Now().UnixNano()) }

// begin makes the session known and starts its clock.
func (s *session) begin() {
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.room = sync.NewCond(&s.mu)
	now := time.Now()
	s.heard.Store(now.UnixNano())
	s.mu.Lock()
	s.sent, s.pinged = now, now
	s.timer = time.AfterFunc(wsPing, s.beat)
	s.mu.Unlock()
	s.server.enter(s)
}

// keyed says whether the caller came with the key of an id.
func (s *session) keyed(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.machine.Caller().Key == id
}

// goingAway is how sockets are closed because the server stops. Clients do not log
// this code, and come back.
var goingAway = Close{Code: int(websocket.StatusGoingAway), Reason: "Shutdown"}

// goodbye closes the socket because the server stops; with a farewell, clients log
// it. Without one the socket waits for actions that run: a client cannot send them
// again, as it can mutations, and would never learn what became of them.
func (s *session) goodbye(farewell string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if farewell != "" {
		s.finish(Close{Code: int(websocket.StatusPolicyViolation), Reason: farewell})
		return
	}
	if s.machine.actions > 0 {
		s.leaving = true
		return
	}
	s.finish(goingAway)
}

// hurry closes a socket that waits for actions: there is no more time for them.
func (s *session) hurry() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.finish(goingAway)
}

// end lets go of everything. What still runs finds ended set.
func (s *session) end() {
	s.cancel()
	s.conn.CloseNow()
	s.server.leave(s)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	s.timer.Stop()
	for id, q := range s.live {
		s.server.watcher.leave(q)
		delete(s.live, id)
	}
	s.machine.close(0, "")
	s.machine.take()
	s.out = nil
	s.room.Broadcast()
}

// buffers hold messages while they are read and written. Large ones are left to
// the garbage collector.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 4096); return &b }}

// maxPooled is the size above which a buffer is not kept.
const maxPooled = 64 << 10

// giveBack returns a buffer to the pool.
func giveBack(b *[]byte) {
	if cap(*b) <= maxPooled {
		*b = (*b)[:0]
		buffers.Put(b)
	}
}

// read takes messages off the socket, one after the other.
func (s *session) read() {
	for {
		typ, r, err := s.conn.Reader(context.Background()) // ended by CloseNow; a context costs per message
		if err != nil {
			return
		}
		buf := buffers.Get().(*[]byte)
		*buf, err = readAll(r, (*buf)[:0])
		if err != nil {
			giveBack(buf)
			return
		}
		s.hear()
		if typ != websocket.MessageText {
			*buf = (*buf)[:0] // decodes as the JSON error it is for this protocol
		}
		s.carryOn()
		verify, ok := s.received(*buf)
		giveBack(buf)
		if verify != nil {
			caller, err := s.identify(verify)
			ok = s.authenticated(caller, err)
		}
		if !ok {
			// Read on, so that the client's close frame is seen, but heed nothing.
			s.drain()
			return
		}
	}
}

// drain reads until the other side closes or the time for that is over.
func (s *session) drain() {
	ctx, cancel := context.WithTimeout(context.Background(), closeWait+writeLimit)
	defer cancel()
	for {
		_, r, err := s.conn.Reader(ctx)
		if err != nil {
			return
		}
		if _, err := io.Copy(io.Discard, r); err != nil {
			return
		}
	}
}

// readAll is io.ReadAll into a given buffer.
func readAll(r io.Reader, b []byte) ([]byte, error) {
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if err == io.EOF {
			return b, nil
		}
		if err != nil {
			return b, err
		}
	}
}

// received gives a message to the machine. It waits first while too much is
// unwritten. ok is false when the connection is at its end.
func (s *session) received(raw []byte) (verify *Verify, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.out) >= maxQueued && !s.ended && s.closing == nil {
		s.room.Wait()
	}
	if s.ended || s.closing != nil {
		return nil, false
	}
	s.perform(s.machine.Received(raw, time.Now(), uint64(s.server.DB.Latest())))
	verify, s.verify = s.verify, nil
	return verify, s.closing == nil
}

// authenticated gives the answer to a Verify to the machine.
func (s *session) authenticated(caller token.Caller, err error) (ok bool) {
	if err != nil && s.ctx.Err() != nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil && s.server.Log != nil {
		s.server.Log.Debug("identity refused", "session", s.machine.Session(), "err", err)
	}
	s.perform(s.machine.Authenticated(caller, err))
	if _, severed := s.server.severed.Load(caller.Key); severed && err == nil && caller.Key != "" {
		s.finish(Close{Code: int(websocket.StatusPolicyViolation), Reason: revokedKey}) // while it was being looked up
	}
	return s.closing == nil && !s.ended
}

// invalidated tells the machine that something it shows has changed.
func (s *session) invalidated() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.perform(s.machine.Invalidated())
}

// perform does what the machine says. The lock is held; nothing here blocks.
func (s *session) perform(effects []Effect) {
	for _, e := range effects {
		switch e := e.(type) {
		case Send:
			s.out = append(s.out, e.Message)
		case Verify:
			s.verify = &e
		case Run:
			s.server.start()
			go s.run(e)
		case Wake:
			s.server.start()
			go s.compute()
		case Delay:
			time.AfterFunc(e.For, func() {
				s.mu.Lock()
				defer s.mu.Unlock()
				s.perform(s.machine.RetryDue())
			})
		case Forget:
			if q := s.live[e.Query]; q != nil {
				s.server.watcher.leave(q)
				delete(s.live, e.Query)
			}
		case Close:
			s.finish(e)
		}
	}
	if len(s.out) > 0 && !s.writing && !s.ended {
		s.writing = true
		go s.write()
	}
}

// finish closes the socket once everything queued is written. The lock is held.
func (s *session) finish(c Close) {
	if s.closing != nil || s.ended {
		return
	}
	s.closing = &c
	s.room.Broadcast()
	if !s.writing {
		s.writing = true
		go s.write()
	}
}
