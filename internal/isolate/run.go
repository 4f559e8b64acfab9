package isolate

// #include "binding.h"
import "C"

import (
	"context"
	"crypto/rand"
	"runtime/cgo"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/lentil-dev/lentil/internal/apierr"
)

// Defaults of Limits (runtime §3.9 and the vendor's published limits: 1 s of
// user time for queries and mutations, 10 min for actions).
const (
	userTime        = time.Second
	totalTime       = 15 * time.Second
	actionTime      = 10 * time.Minute
	maxDepth        = 8 // nested calls, runtime §3.5
	maxConcurrently = 8 // host calls of one action at once
)

// loan travels in the ctx of a host call: the nested call runs in the place of
// its caller.
type loan struct {
	depth  int
	family *atomic.Int64 // actions below the outermost call
	held   bool          // the caller keeps its worker while it waits for the host
}

// loanKey finds the loan in a ctx.
type loanKey struct{}

// invocation is one call on its way. The worker goroutine owns it; err and
// stopped are shared with the caller and the watchdog.
type invocation struct {
	program  *Program
	heap     *heap
	call     Call
	budget   time.Duration // JavaScript time
	deadline time.Time
	ctx      context.Context
	loan     *loan
	turn     C.lentil_turn
	queue    []request
	lines    int
	result   Result
	spent    bool // the isolate must not be used again
	shared   bool // may run in a kept context
	kept     bool // runs in one
	keep     bool // the isolate shall get one
	pool     *slots
	borrowed bool        // runs in the place of its caller
	placed   atomic.Bool // holds a place of its own

	overdue   chan struct{} // closed when V8 does not heed the watchdog
	ignored   int           // looks of the watchdog since it ended the run, under Engine.mu
	abandoned bool          // the caller has left, the worker has not

	errOnce sync.Once
	err     error
	events  chan event // answers, in actions
	flights int
	timers  map[uint32]*time.Timer
	open    map[uint32]string // requests an action waits for, by name
	holds   int64             // bytes counted in Engine.held while the action waits
	web     *web
}

// guard makes an invocation that only stands under the watchdog.
func (p *Program) guard(h *heap) *invocation {
	v := &invocation{program: p, heap: h, budget: importTime, deadline: time.Now().Add(4 * importTime)}
	if h.c != nil {
		p.engine.watch(v)
	}
	return v
}

// fail remembers the first error that ends the run.
func (v *invocation) fail(err error) { v.errOnce.Do(func() { v.err = err }) }

// syscall answers Convex.syscall.
func (v *invocation) syscall(op string, args []byte) ([]byte, error) {
	return v.call.Host.Syscall(op, args)
}

// Run executes one call in a context as it was after the modules were evaluated. What user code does wrong is in
// Result.Exception; the error is ours, the Host's or ctx's.
func (p *Program) Run(ctx context.Context, c Call) (Result, error) {
	e := p.engine
	above, _ := ctx.Value(loanKey{}).(*loan)
	mine := &loan{held: c.Kind != Action, family: new(atomic.Int64)}
	if above != nil {
		mine.family = above.family
		if mine.depth = above.depth + 1; mine.depth > maxDepth {
			return Result{}, apierr.New(apierr.BadRequest, "MaximumCallDepthExceeded",
				"Cross component call depth limit exceeded. Check for infinite loops in your functions calling each other.")
		}
	}
	limits(&c)
	if c.Seed == [32]byte{} {
		rand.Read(c.Seed[:])
	}
	if err := e.enter(p); err != nil {
		return Result{}, err
	}
	defer e.busy.Done()
	if c.Kind == Action {
		leave, err := e.enterAction(p, mine, above)
		defer leave()
		if err != nil {
			return Result{}, err
		}
	}
	borrowed := above != nil && above.held
	pool := e.slots
	if c.Kind == Action {
		pool = e.acts
	}
	if !borrowed {
		if err := pool.acquire(ctx, p.group); err != nil {
			return Result{}, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, c.Limits.TotalTime)
	defer cancel()
	if c.Kind == Action { // the others are short, and many
		defer context.AfterFunc(e.ending, cancel)()
	}
	v := &invocation{program: p, call: c, budget: c.Limits.UserTime, deadline: time.Now().Add(c.Limits.TotalTime), loan: mine, overdue: make(chan struct{})}
	v.ctx = context.WithValue(ctx, loanKey{}, mine)
	v.borrowed, v.pool = borrowed, pool
	v.placed.Store(!borrowed)
	v.shared = p.shares(&c)
	v.heap = p.take(v.shared)
	done := make(chan struct{})
	go v.work(done)
	r, err := v.await(ctx, done)
	if v.abandoned {
		return r, err
	}
	if v.placed.Load() {
		v.pool.release()
	}
	if !v.spent && !v.kept {
		go p.warm()
	}
	return r, err
}

// limits fills in the defaults.
func limits(c *Call) {
	if c.Limits.UserTime <= 0 {
		c.Limits.UserTime = userTime
		if c.Kind == Action {
			c.Limits.UserTime = actionTime
		}
	}
	if c.Limits.TotalTime <= 0 {
		c.Limits.TotalTime = totalTime
		if c.Kind == Action {
			c.Limits.TotalTime = actionTime
		}
	}
}

// enterAction counts an action, which keeps an isolate for as long as it waits,
// unless too many are under way. What it gives back counts it out again, always.
func (e *Engine) enterAction(p *Program, mine, above *loan) (leave func(), err error) {
	if above == nil {
		all, own, most := e.acting.Add(1), p.acting.Add(1), int64(e.opt.Actions)
		if all > most && (own > most/smallLine || all > most+most/smallLine) { // a group with few finds room in a crowd
			err = apierr.New(apierr.Overloaded, "TooManyConcurrentRequests",
				"Too many actions are running. Try again in a moment.")
		}
		return func() { e.acting.Add(-1); p.acting.Add(-1) }, err
	}
	all, family := e.nested.Add(1), mine.family.Add(1)
	switch {
	case family > maxFamily:
		err = apierr.New(apierr.BadRequest, "TooManyNestedActions",
			"An action can have at most %d actions under way that it or they called. Call fewer at once.", maxFamily)
	case all > int64(e.opt.Actions):
		err = apierr.New(apierr.Overloaded, "TooManyConcurrentRequests",
			"Too many actions are running. Try again in a moment.")
	}
	return func() { e.nested.Add(-1); mine.family.Add(-1) }, err
}

// enter counts a call in, unless the engine or the program is closed.
func (e *Engine) enter(p *Program) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed || p.refs <= 0 {
		return errClosed
	}
	e.busy.Add(1)
	return nil
}

// await waits for the worker goroutine, for the loss of its thread, or for the
// caller to go away.
func (v *invocation) await(ctx context.Context, done chan struct{}) (Result, error) {
	p := v.program
	stop := ctx.Done()
	for {
		select {
		case <-done:
			p.engine.unwatch(v)
			r, err := v.result, v.err
			if v.keep {
				p.engine.busy.Add(1)
				go p.imprint(v.heap)
			} else {
				p.give(v.heap, v.spent)
			}
			return r, err
		case <-v.heap.dead:
			return Result{Exception: v.buried()}, nil
		case <-v.overdue:
			// V8 does not heed the termination: some builtins fill memory for
			// seconds before they look. The caller need not wait for that.
			go func() {
				defer p.engine.busy.Done()
				select {
				case <-done:
					p.engine.unwatch(v)
					p.give(v.heap, true)
				case <-v.heap.dead:
					v.buried()
				}
				if v.placed.CompareAndSwap(true, false) {
					v.pool.release()
				}
			}()
			p.engine.busy.Add(1)
			v.abandoned = true
			return Result{Exception: TimeoutException(v.call.Limits.UserTime)}, nil
		case <-stop:
			stop = nil
			if context.Cause(ctx) != context.DeadlineExceeded {
				v.fail(ctx.Err())
			}
			p.engine.mu.Lock()
			if v.heap.c != nil {
				C.lentil_stop(v.heap.c, C.LENTIL_STOPPED)
			}
			p.engine.mu.Unlock()
		}
	}
}

// buried accounts for a lost isolate and says what its caller is told.
func (v *invocation) buried() *Exception {
	p := v.program
	p.engine.unwatch(v)
	why := 0
	if v.heap.c != nil {
		why = int(C.lentil_why(v.heap.c))
	}
	v.heap.lost()
	x := MemoryException(p.engine.opt.HeapLimit)
	if why != C.LENTIL_MEMORY {
		x.Cause = Fatal
	}
	return x
}

// work is the worker goroutine: it may be lost with its thread at any call of
// V8, so everything that must happen happens in await.
func (v *invocation) work(done chan struct{}) {
	defer close(done)
	h, p := v.heap, v.program
	if h.c == nil {
		p.newHeap(h)
	}
	p.engine.watch(v)
	realm := v.context()
	if p.plain != nil && !v.kept {
		if _, why := p.evaluate(realm); why != C.LENTIL_RUNNING {
			v.result.Exception = p.ended(why, p.engine.opt.HeapLimit, importTime)
			v.spent = true
			C.lentil_realm_free(realm)
			return
		}
	}
	if h.runs++; h.runs%64 == 0 {
		h.tidy(false)
	}
	v.run(realm)
	v.leaveContext(realm)
}

// run takes the invocation from its first turn to its end.
func (v *invocation) run(realm *C.lentil_realm) {
	handle := cgo.NewHandle(v)
	defer handle.Delete()
	c := &v.call
	packed := make([]byte, 0, 256)
	packed = appendString(packed, c.Module)
	packed = appendString(packed, c.Export)
	packed = appendString(packed, c.Method)
	for _, a := range c.Args {
		packed = appendString(packed, a)
	}
	b, n := chars(packed)
	C.lentil_start(realm, C.uintptr_t(handle), cWorld(c.Kind, ms(c.Now), &c.Seed), b, n, &v.turn)
	v.record()
	if c.Kind == Action {
		v.actionLoop(realm)
	} else {
		v.loop(realm)
	}
	if v.web != nil {
		v.web.close()
	}
}

// loop answers the requests of a query or mutation, one at a time in the order
// they were made. After the promise is fulfilled the remaining ones are still
// executed (runtime §3.5).
func (v *invocation) loop(realm *C.lentil_realm) {
	for {
		switch v.turn.status {
		case C.LENTIL_DONE:
			if len(v.queue) == 0 {
				v.result.Value = v.value()
				return
			}
		case C.LENTIL_PENDING:
			if len(v.queue) == 0 {
				v.result.Exception = developer(NeverResolves, "Returned promise will never resolve")
				return
			}
		default:
			v.finish()
			return
		}
		r := v.queue[0]
		v.queue = v.queue[1:]
		var out []byte
		var err error
		if r.own {
			err = &Throw{Message: "Can't use " + r.op + " in queries and mutations"}
		} else {
			out, err = v.call.Host.AsyncSyscall(v.ctx, r.op, r.arg)
		}
		a := answer(r.id, out, err)
		if a.err != nil {
			v.fatal(a.err)
			return
		}
		if v.ctx.Err() != nil {
			v.expired()
			return
		}
		v.settle(realm, a)
	}
}

// settle hands an answer to JavaScript and takes the next turn.
func (v *invocation) settle(realm *C.lentil_realm, a event) {
	d, dn := chars(a.data)
	x, xn := chars(a.extra)
	C.lentil_settle(realm, C.uint32_t(a.id), C.int(a.status), d, dn, x, xn, &v.turn)
	v.record()
}

// expired ends the run because its ctx did: by the caller, or by time.
func (v *invocation) expired() {
	if context.Cause(v.ctx) != context.DeadlineExceeded {
		v.fail(v.ctx.Err())
		return
	}
	v.result.Exception = TimeoutException(v.call.Limits.TotalTime)
}

// fatal ends the run with a host's error that is not for the program.
func (v *invocation) fatal(err error) {
	if v.ctx.Err() != nil {
		v.expired()
		return
	}
	v.fail(err)
}

// finish reads how a turn ended that was the last.
func (v *invocation) finish() {
	p := v.program
	switch v.turn.status {
	case C.LENTIL_THREW:
		v.result.Exception = p.maps.Exception([]byte(v.value()))
	case C.LENTIL_MISSING:
		v.result.Exception = p.missing(&v.call, v.value())
	case C.LENTIL_TERMINATED:
		v.spent = true
		switch v.turn.why {
		case C.LENTIL_DEVELOPER:
			v.result.Exception = p.maps.Exception([]byte(v.value()))
			v.result.Exception.Cause = Developer
		case C.LENTIL_HOST:
			v.fatal(v.err)
		case C.LENTIL_STOPPED:
			v.expired()
		default:
			limit := v.call.Limits.UserTime
			if time.Now().After(v.deadline) {
				limit = v.call.Limits.TotalTime
			}
			v.result.Exception = p.ended(int(v.turn.why), p.engine.opt.HeapLimit, limit)
		}
	}
}

// value copies the turn's value.
func (v *invocation) value() string {
	return C.GoStringN(v.turn.value, C.int(v.turn.value_len))
}

// record takes in what a turn left: time, log lines, requests.
func (v *invocation) record() {
	v.result.UserTime += time.Duration(v.turn.used)
	v.result.ObservedTime = v.turn.saw_time != 0
	v.result.ObservedRandom = v.turn.saw_random != 0
	if v.turn.requests_len == 0 {
		return
	}
	b := unsafe.Slice((*byte)(unsafe.Pointer(v.turn.requests)), int(v.turn.requests_len))
	v.requests(append([]byte(nil), b...))
}
