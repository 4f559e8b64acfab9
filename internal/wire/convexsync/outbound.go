package convexsync

import (
	"context"
	"time"

	"github.com/coder/websocket"
)

// write writes what is queued and returns when there is no more. Only one runs
// at a time (writing).
func (s *session) write() {
	buf := buffers.Get().(*[]byte)
	defer func() { giveBack(buf) }()
	s.mu.Lock()
	for {
		if s.ended {
			s.mu.Unlock()
			return
		}
		if len(s.out) == 0 {
			c := s.closing
			if c == nil {
				s.writing = false
				s.out = nil
				s.mu.Unlock()
				return
			}
			s.mu.Unlock()
			s.hangUp(*c)
			return
		}
		msg := s.out[0]
		s.out[0] = nil
		s.out = s.out[1:]
		if len(s.out) == maxQueued-1 {
			s.room.Broadcast()
		}
		s.mu.Unlock()

		err := s.writeMessage(msg, buf)

		s.mu.Lock()
		if err != nil {
			s.mu.Unlock()
			s.conn.CloseNow() // the reader notices and ends the session
			return
		}
		s.sent = time.Now()
		if len(*buf) >= bulky {
			s.bulked = s.sent
		}
		if cap(*buf) > maxPooled {
			*buf = make([]byte, 0, 4096) // the next message may have to wait for its turn
		}
		if _, ok := msg.(*transition); ok {
			s.perform(s.machine.Written())
		}
	}
}

// writeMessage encodes and writes one message.
func (s *session) writeMessage(msg serverMessage, buf *[]byte) error {
	t, isTransition := msg.(*transition)
	if size := sizeOf(msg); size >= light {
		s.server.ledger.acquire(s.ctx, s, int64(size), func() { s.conn.CloseNow() })
		defer s.server.ledger.release(s)
	}
	ctx, cancel := context.WithTimeout(context.Background(), writeLimit)
	defer cancel()
	*buf = msg.appendTo((*buf)[:0], time.Now().UnixNano())
	if isTransition {
		t.changes = nil // what is encoded need not be kept twice while it is on its way
	}
	if !s.chunked || !isTransition || len(*buf) <= maxChunk {
		return s.conn.Write(ctx, websocket.MessageText, *buf)
	}
	// Nothing but WebSocket pings can come between the parts: this goroutine is
	// the only one that writes messages.
	for _, part := range chunks(*buf, maxChunk) {
		if err := s.conn.Write(ctx, websocket.MessageText, part); err != nil {
			return err
		}
	}
	return nil
}

// sizeOf is about how many bytes of values a message carries.
func sizeOf(msg serverMessage) int {
	switch m := msg.(type) {
	case *transition:
		return m.size()
	case response:
		if m.reply != nil {
			return len(m.reply.Value) + len(m.reply.Data)
		}
	}
	return 0
}

// hangUp says goodbye and closes the socket.
func (s *session) hangUp(c Close) {
	code := websocket.StatusCode(c.Code)
	if c.Code == 0 {
		code = websocket.StatusNoStatusRcvd // sends a close frame without a code
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.conn.Close(code, c.Reason)
	}()
	t := time.NewTimer(closeWait)
	defer t.Stop()
	select {
	case <-done:
	case <-t.C:
	}
	s.conn.CloseNow()
}

// beat keeps the connection alive and notices when it is dead. It runs on the
// session's timer, which it sets again.
func (s *session) beat() {
	now := time.Now()
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return
	}
	heard := time.Unix(0, s.heard.Load())
	if now.Sub(heard) >= idleLimit {
		s.mu.Unlock()
		s.conn.CloseNow()
		return
	}
	wire := false
	if now.Sub(s.pinged) >= wsPing {
		s.pinged = now
		wire = !s.pinging && !s.writing && now.Sub(s.bulked) >= bulkyWait
		s.pinging = s.pinging || wire
	}
	if now.Sub(s.sent) >= appPing && len(s.out) == 0 && !s.writing && s.closing == nil {
		s.sent = now
		s.perform([]Effect{Send{ping{}}})
	}
	next := s.pinged.Add(wsPing)
	if t := s.sent.Add(appPing); t.Before(next) && t.After(now) {
		next = t
	}
	s.timer.Reset(next.Sub(now))
	s.mu.Unlock()
	if wire {
		// The pong is heard by the reader; that this waits for it too is the
		// library's way, and ends with the socket at the latest.
		s.conn.Ping(s.ctx)
		s.mu.Lock()
		s.pinging = false
		s.mu.Unlock()
	}
}
