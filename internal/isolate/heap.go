package isolate

// #include "binding.h"
import "C"

import (
	"time"
	"unsafe"
)

// recycleAfter is how many invocations an isolate serves before a new one
// takes its place, against slow leaks.
const recycleAfter = 20_000

// heap is one V8 isolate made from a program's snapshot. One invocation at a
// time owns it; ownership passes through the idle lists.
type heap struct {
	program *Program
	c       *C.lentil_isolate
	id      uint64
	dead    chan struct{}   // closed when its thread is lost
	ready   *C.lentil_realm // a fresh context, made ahead, or nil
	kept    *C.lentil_realm // a context that serves again as long as it stays fresh, or nil
	runs    int
	since   time.Time // idle since
}

// newHeap makes an isolate. It must run where a lost thread does no harm.
func (p *Program) newHeap(h *heap) { p.newHeapOf(h, p.blob) }

// newHeapOf is newHeap from a snapshot, for who cannot be sure that the program's stays.
func (p *Program) newHeapOf(h *heap, of *blob) {
	b, n := of.chars()
	c := C.lentil_isolate_new(C.uint64_t(h.id), b, n, p.engine.limits())
	p.engine.mu.Lock()
	h.c = c
	p.engine.mu.Unlock()
}

// dispose frees the isolate. It must be idle and in no list.
func (h *heap) dispose() {
	if h.c != nil {
		if h.ready != nil {
			C.lentil_realm_free(h.ready)
			h.ready = nil
		}
		if h.kept != nil {
			C.lentil_realm_free(h.kept)
			h.kept = nil
		}
		C.lentil_isolate_free(h.c)
		h.c = nil
	}
	forget(h.id)
	h.program.engine.alive.Add(-1)
	h.program.dropHeap()
}

// take gives an idle isolate, or a new one that newHeap must fill. A call that
// shares prefers one with a kept context, the others one without, so that the
// kept ones stay free; then comes one with a context ready.
func (p *Program) take(shares bool) *heap {
	e := p.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	at, best := -1, -1
	for i := len(p.idle) - 1; i >= 0 && best < 3; i-- {
		worth := 0
		if (p.idle[i].kept != nil) == shares {
			worth = 2
		}
		if p.idle[i].ready != nil || shares && worth > 0 {
			worth++
		}
		if worth > best {
			at, best = i, worth
		}
	}
	if at >= 0 {
		h := p.idle[at]
		p.idle = append(p.idle[:at], p.idle[at+1:]...)
		e.dropIdle(h)
		return h
	}
	p.heaps++
	e.alive.Add(1)
	id, dead := mourn()
	return &heap{program: p, id: id, dead: dead}
}

// give returns an isolate after use; spent ones are freed, and the longest
// idle one when there are too many, of those without a kept context if possible.
func (p *Program) give(h *heap, spent bool) {
	e := p.engine
	h.since = time.Now()
	e.mu.Lock()
	if e.closed || spent || p.refs == 0 || h.runs >= recycleAfter {
		e.mu.Unlock()
		h.dispose()
		return
	}
	p.idle = append(p.idle, h)
	e.idle = append(e.idle, h)
	var extra *heap
	if len(e.idle) > e.opt.Isolates {
		extra = e.idle[0]
		for _, o := range e.idle {
			if o.kept == nil {
				extra = o
				break
			}
		}
		e.dropIdle(extra)
		extra.program.dropIdle(extra)
	}
	if !e.sweeping {
		e.sweeping = true
		time.AfterFunc(keepIdle, e.sweep)
	}
	e.mu.Unlock()
	if extra != nil {
		extra.dispose()
	}
}

// lost accounts for an isolate whose thread is parked: nothing of it may be
// touched again.
func (h *heap) lost() {
	e := h.program.engine
	n := e.parked.Add(1)
	e.alive.Add(-1)
	said := ""
	if h.c != nil {
		said = C.GoString(C.lentil_fatal(h.c))
	}
	e.opt.Log.Warn("lost a thread to a fatal engine error", "parked", n, "engine_said", said)
	h.program.pin()
	h.program.dropHeap()
}

// warm makes the next context of an idle isolate while nobody waits for a
// worker, so that a lone call finds it ready.
func (p *Program) warm() {
	e := p.engine
	if !e.slots.tryIdle() {
		return
	}
	var h *heap
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		e.slots.release()
		return
	}
	e.busy.Add(1)
	defer e.busy.Done()
	for i := len(p.idle) - 1; i >= 0; i-- {
		if c := p.idle[i]; c.ready == nil && c.kept == nil {
			h = c
			p.idle = append(p.idle[:i], p.idle[i+1:]...)
			e.dropIdle(h)
			break
		}
	}
	e.mu.Unlock()
	if h != nil {
		v := p.guard(h)
		done := make(chan struct{})
		go func() {
			h.tidy(false)
			h.ready = C.lentil_realm_new(h.c)
			close(done)
		}()
		select {
		case <-done:
			e.unwatch(v)
			p.give(h, false)
		case <-h.dead:
			e.unwatch(v)
			h.lost()
		}
	}
	e.slots.release()
}

// tidy runs what V8 wants done between invocations and says how much of the
// heap is in use.
func (h *heap) tidy(collect bool) uint64 {
	c := C.int(0)
	if collect {
		c = 1
	}
	return uint64(C.lentil_isolate_tidy(h.c, c).used)
}

// sweep frees isolates that have been idle for long.
func (e *Engine) sweep() {
	limit := time.Now().Add(-keepIdle)
	var old []*heap
	e.mu.Lock()
	for len(e.idle) > 0 && e.idle[0].since.Before(limit) {
		h := e.idle[0]
		e.idle = e.idle[1:]
		h.program.dropIdle(h)
		old = append(old, h)
	}
	e.sweeping = len(e.idle) > 0
	if e.sweeping {
		time.AfterFunc(keepIdle/2, e.sweep)
	}
	e.mu.Unlock()
	for _, h := range old {
		h.dispose()
	}
	C.lentil_trim()
}

// dropIdle takes an isolate off the engine's list. The caller holds Engine.mu.
func (e *Engine) dropIdle(h *heap) {
	for i, o := range e.idle {
		if o == h {
			e.idle = append(e.idle[:i], e.idle[i+1:]...)
			return
		}
	}
}

// dropIdle takes an isolate off the program's list. The caller holds Engine.mu.
func (p *Program) dropIdle(h *heap) {
	for i, o := range p.idle {
		if o == h {
			p.idle = append(p.idle[:i], p.idle[i+1:]...)
			return
		}
	}
}

// blob is C memory: a snapshot must stay put while isolates are made from it.
type blob struct {
	p *C.char
	n C.size_t
}

// chars gives the blob's address and length.
func (b *blob) chars() (*C.char, C.size_t) { return b.p, b.n }

// free releases the memory.
func (b *blob) free() {
	if b.p != nil {
		free((*C.char)(unsafe.Pointer(b.p)))
		b.p = nil
	}
}

// contexts counts the contexts that the isolate still holds.
func (h *heap) contexts() int { return int(C.lentil_isolate_tidy(h.c, 1).contexts) }
