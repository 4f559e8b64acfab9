package isolate

// #include "binding.h"
import "C"

import "sync"

// A context is dear: making one takes ten times as long as a short function. So
// an isolate keeps one of which it can prove that it is fresh. Its imprint is
// taken before its first invocation, and compared after each (see imprint.cc).
// A context that an invocation has changed is thrown away, and that function
// gets contexts of its own for a while.
const (
	keepAfter = 16      // invocations of an isolate before it takes an imprint, which costs a few milliseconds
	firstBan  = 256     // calls that a function makes in contexts of its own after it left a trace,
	maxBan    = 1 << 20 // doubled each time up to this
)

// traces remembers which functions of a program leave something behind.
type traces struct {
	mu    sync.Mutex // over everything below; held only for look-ups
	of    map[string]*trace
	never bool // the modules hold what an imprint does not show
}

// trace is one function that left something behind.
type trace struct {
	ban  int // how long the last ban was
	left int // calls of it to come
}

// key names the function a call is for.
func (c *Call) key() string { return c.Module + "\x00" + c.Export }

// shares says whether a call may run in a kept context. Actions may not: what
// they began outside can outlast them.
func (p *Program) shares(c *Call) bool {
	if p.engine.opt.Fresh || c.Kind != Query && c.Kind != Mutation {
		return false
	}
	t := &p.traces
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.never {
		return false
	}
	if f := t.of[c.key()]; f != nil && f.left > 0 {
		f.left--
		return false
	}
	return true
}

// leftTrace notes that a function changed its context.
func (p *Program) leftTrace(c *Call) {
	t := &p.traces
	t.mu.Lock()
	defer t.mu.Unlock()
	f := t.of[c.key()]
	if f == nil {
		if t.of == nil {
			t.of = map[string]*trace{}
		}
		f = &trace{ban: firstBan / 2}
		t.of[c.key()] = f
	}
	f.ban = min(2*f.ban, maxBan)
	f.left = f.ban
}

// context gives the context for an invocation: the kept one, one that was made
// ahead, or a new one.
func (v *invocation) context() *C.lentil_realm {
	h := v.heap
	if v.kept = v.shared && h.kept != nil; v.kept {
		v.program.engine.reused.Add(1)
		return h.kept
	}
	realm := h.ready
	h.ready = nil
	if realm == nil {
		realm = C.lentil_realm_new(h.c)
	}
	return realm
}

// leaveContext ends the use of a context.
func (v *invocation) leaveContext(realm *C.lentil_realm) {
	h := v.heap
	switch {
	case v.spent: // goes with its isolate
		if v.kept {
			C.lentil_realm_forget(realm)
			h.kept = nil
		}
	case !v.kept:
		C.lentil_realm_free(realm)
	case C.lentil_realm_intact(realm) == 0:
		C.lentil_realm_free(realm)
		h.kept = nil
		v.program.leftTrace(&v.call)
	}
	v.keep = !v.spent && v.shared && h.kept == nil && h.runs >= keepAfter
}

// imprint makes the context that an isolate keeps, and gives the isolate back.
// It runs beside the calls: their answers do not wait for it.
func (p *Program) imprint(h *heap) {
	defer p.engine.busy.Done()
	v := p.guard(h)
	done := make(chan struct{})
	go func() {
		defer close(done)
		realm := C.lentil_realm_new(h.c)
		if p.plain != nil {
			if _, why := p.evaluate(realm); why != C.LENTIL_RUNNING {
				v.spent = true
				return
			}
		}
		if C.lentil_realm_imprint(realm) == 0 {
			C.lentil_realm_free(realm)
			p.neverShare()
			return
		}
		h.kept = realm
	}()
	select {
	case <-done:
		p.engine.unwatch(v)
		p.give(h, v.spent)
	case <-h.dead:
		p.engine.unwatch(v)
		p.neverShare()
		h.lost()
	}
}

// neverShare gives every call a context of its own from now on.
func (p *Program) neverShare() {
	p.traces.mu.Lock()
	p.traces.never = true
	p.traces.mu.Unlock()
}
