package convexsync

import (
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/token"
)

// carryOn lets the connection's identity go on if its token has ended and its session
// has not. It looks at the store, so the lock is not held. A refusal is left to the
// machine, which finds the identity at its end.
func (s *session) carryOn() {
	if s.server.CarryOn == nil {
		return
	}
	s.mu.Lock()
	old := s.machine.Caller()
	s.mu.Unlock()
	if !old.Expired(time.Now()) {
		return
	}
	next, err := s.server.CarryOn(s.ctx, old)
	if err != nil && apierr.KindOf(err) == apierr.Unauthenticated || s.ctx.Err() != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.perform(s.machine.Carried(old, next, err))
}

// identify finds out who is behind an Authenticate message. A client that comes back
// with the token it had brought while that was good goes on as it would have without
// the break.
func (s *session) identify(v *Verify) (token.Caller, error) {
	if s.server.CarryOn == nil || s.server.Readmit == nil || v.TokenType != "User" {
		return s.server.Authenticate(s.ctx, v.TokenType, v.Value, v.Acting)
	}
	s.mu.Lock()
	client := s.machine.Session()
	s.mu.Unlock()
	known := &s.server.known
	known.open(s.server.Known, s.server.Log)
	if end, ok := known.find(client, v.Value); ok && time.Now().After(end) {
		if caller, err := s.server.Readmit(s.ctx, v.Value); err == nil || apierr.KindOf(err) != apierr.Unauthenticated {
			return caller, err
		}
	}
	caller, err := s.server.Authenticate(s.ctx, v.TokenType, v.Value, v.Acting)
	if err == nil && caller.Role == token.User && caller.Claims.Origin != nil {
		known.keep(client, v.Value, caller.Claims.Origin.Ended)
	}
	return caller, err
}
