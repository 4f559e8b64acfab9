package isolate

// #include <stdlib.h>
// #include "binding.h"
import "C"

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Defaults of Options and limits of the reference (runtime §3.9: 64 MB heap).
const (
	defaultHeap    = 64 << 20
	defaultBuffers = 64 << 20
	defaultQueue   = 10_000
	defaultActions = 512         // some 2 MB each
	defaultWaiting = 1 << 30     // the heaps of all isolates share 4 GiB, and those that run need the rest
	maxFamily      = 100         // actions that one action may have under way below it
	keepIdle       = time.Minute // how long an idle isolate is kept
)

// Options are the settings of an Engine; zero fields take the defaults.
type Options struct {
	Workers     int   // queries and mutations that execute JavaScript at once, and as many actions beside them (default: twice the number of CPUs, at least 4, so that a few hogs do not stall the others)
	Queue       int   // callers that may wait for a worker (default 10,000); beyond, Run answers Overloaded
	HeapLimit   int64 // bytes of one invocation's heap (default 64 MiB)
	BufferLimit int64 // bytes of one invocation's array buffers (default 64 MiB)
	Actions     int   // top-level actions under way at once, waiting ones included (default 512); beyond, Run answers Overloaded
	Waiting     int64 // bytes that the heaps of waiting actions may occupy together (default 1 GiB); beyond, an action that would wait ends as Overloaded
	Isolates    int   // isolates kept alive while idle, all programs together (default four times Workers: during a push two programs serve at once, and making an isolate costs as much as many calls)
	Fresh       bool  // make a new context for each invocation, though the old one be proven fresh
	Client      *http.Client
	Log         *slog.Logger
}

// Engine runs JavaScript. One per process is enough, more do no harm.
//
// Lock order: Engine.mu before Program.mu; neither is held while V8 runs.
type Engine struct {
	opt    Options
	slots  *slots // of queries, mutations and loads
	acts   *slots // of actions: they may compute for minutes, and must not hold up the others
	parked atomic.Int64
	alive  atomic.Int64 // isolates
	acting atomic.Int64 // top-level actions
	nested atomic.Int64 // actions that actions called
	groups sync.Map     // name of a group → *atomic.Int64, its top-level actions
	reused atomic.Int64 // invocations in kept contexts
	held   atomic.Int64 // bytes that the heaps of waiting actions occupy
	busy   sync.WaitGroup
	ending context.Context //nolint:containedctx // the engine's; actions end with it
	end    context.CancelFunc

	mu       sync.Mutex // over the fields below
	closed   bool
	idle     []*heap // of all programs, longest idle first
	programs int
	running  map[*invocation]struct{} // what the watchdog looks at
	watching bool
	sweeping bool
}

// Open prepares V8. Isolates are made when first needed.
func Open(opt Options) (*Engine, error) {
	if opt.Workers <= 0 {
		opt.Workers = max(4, 2*runtime.NumCPU())
	}
	if opt.Queue <= 0 {
		opt.Queue = defaultQueue
	}
	if opt.Actions <= 0 {
		opt.Actions = defaultActions
	}
	if opt.Waiting <= 0 {
		opt.Waiting = defaultWaiting
	}
	if opt.HeapLimit <= 0 {
		opt.HeapLimit = defaultHeap
	}
	if opt.BufferLimit <= 0 {
		opt.BufferLimit = defaultBuffers
	}
	if opt.Isolates <= 0 {
		opt.Isolates = 4 * opt.Workers
	}
	if opt.Client == nil {
		opt.Client = newClient()
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if err := startV8(); err != nil {
		return nil, err
	}
	ending, end := context.WithCancel(context.Background())
	return &Engine{opt: opt, ending: ending, end: end, slots: newSlots(opt.Workers, opt.Queue), acts: newSlots(opt.Workers, opt.Queue), running: map[*invocation]struct{}{}}, nil
}

// errClosed is what calls get after Close.
var errClosed = errors.New("isolate: the engine is closed")

// EndActions ends all actions, which may go on for minutes otherwise; those that begin
// later end at once. Their callers get context.Canceled.
func (e *Engine) EndActions() { e.end() }

// Close ends actions, waits for running calls and frees idle isolates.
func (e *Engine) Close() error {
	e.mu.Lock()
	e.closed = true
	idle := e.idle
	e.idle = nil
	for _, h := range idle {
		h.program.dropIdle(h)
	}
	e.mu.Unlock()
	e.EndActions()
	for _, h := range idle {
		h.dispose()
	}
	e.busy.Wait()
	return nil
}

// Stats are figures for operators.
type Stats struct {
	Isolates int // alive, idle and busy
	Idle     int
	Running  int // invocations holding a worker
	Queued   int
	Parked   int // threads lost to fatal engine errors; restart the process when they pile up
	Programs int
	Workers  int   // that there are, those of actions included
	Reused   int64 // invocations that ran in a context proven fresh
}

// Stats says how the engine stands.
func (e *Engine) Stats() Stats {
	taken, waiting := e.slots.counts()
	acting, queued := e.acts.counts()
	e.mu.Lock()
	defer e.mu.Unlock()
	return Stats{
		Isolates: int(e.alive.Load()), Idle: len(e.idle), Running: taken + acting, Queued: waiting + queued,
		Parked: int(e.parked.Load()), Programs: e.programs, Workers: 2 * e.opt.Workers, Reused: e.reused.Load(),
	}
}

// limits are the engine's limits in their C form.
func (e *Engine) limits() C.lentil_limits {
	return C.lentil_limits{heap: C.size_t(e.opt.HeapLimit), buffers: C.size_t(e.opt.BufferLimit)}
}

// watchEvery is how often the watchdog looks at running JavaScript.
const watchEvery = 5 * time.Millisecond

// heedWithin is how many looks of the watchdog V8 has to end a run.
const heedWithin = int(time.Second / watchEvery)

// watch puts an invocation under the watchdog, starting it if needed. The
// watchdog lives while there is something to watch.
func (e *Engine) watch(v *invocation) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.running[v] = struct{}{}
	if !e.watching {
		e.watching = true
		go e.watchdog()
	}
}

// unwatch ends what watch began. After it the invocation's isolate may go.
func (e *Engine) unwatch(v *invocation) {
	e.mu.Lock()
	delete(e.running, v)
	e.mu.Unlock()
}

// watchdog ends JavaScript that has run for too long. It leaves a while after
// the last invocation.
func (e *Engine) watchdog() {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for quiet := 0; ; {
		now := <-tick.C
		e.mu.Lock()
		for v := range e.running {
			var over C.int
			if now.After(v.deadline) {
				over = C.lentil_stop(v.heap.c, C.LENTIL_TIMEOUT)
			} else if v.ctx != nil && v.ctx.Err() != nil {
				over = C.lentil_stop(v.heap.c, C.LENTIL_STOPPED)
			} else {
				over = C.lentil_watch(v.heap.c, C.int64_t(v.budget))
			}
			if over == 0 {
				v.ignored = 0
			} else if v.ignored++; v.ignored == heedWithin && v.overdue != nil {
				close(v.overdue)
			}
		}
		if quiet++; len(e.running) > 0 {
			quiet = 0
		}
		if quiet > 200 {
			e.watching = false
			e.mu.Unlock()
			return
		}
		e.mu.Unlock()
	}
}
