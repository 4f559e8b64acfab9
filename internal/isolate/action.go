package isolate

// #include "binding.h"
import "C"

import (
	"slices"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
)

// actionLoop answers the requests of an action: host calls at most eight at
// once, timers and fetches beside them. While JavaScript has nothing to do the
// action holds no worker, so any number may wait at once.
func (v *invocation) actionLoop(realm *C.lentil_realm) {
	v.events = make(chan event, 64)
	v.open = map[uint32]string{}
	v.timers = map[uint32]*time.Timer{}
	v.web = &web{open: map[uint32]*exchange{}}
	defer func() {
		for _, t := range v.timers {
			t.Stop()
		}
	}()
	for {
		if v.turn.status == C.LENTIL_DONE {
			v.result.Value = v.value()
			v.result.Unawaited = v.unawaited()
			return
		}
		if v.turn.status != C.LENTIL_PENDING {
			v.finish()
			return
		}
		v.dispatch()
		if len(v.open) == 0 && len(v.queue) == 0 {
			v.result.Exception = developer(NeverResolves, "Returned promise will never resolve")
			return
		}
		a, ok := v.next()
		if !ok {
			return
		}
		if a.err != nil {
			v.fatal(a.err)
			return
		}
		v.settle(realm, a)
	}
}

// next waits for an answer that is still wanted, without a worker.
func (v *invocation) next() (event, bool) {
	for {
		var a event
		select {
		case a = <-v.events:
		default:
			if err := v.hold(); err != nil {
				v.fail(err)
				return a, false
			}
			v.leave()
			select {
			case a = <-v.events:
			case <-v.ctx.Done():
				v.unhold()
				v.expired()
				return a, false
			}
			// Whoever queues for a worker occupies as much as before: it counts
			// until it runs, or many that wake at once would fill the space.
			err := v.enter()
			v.unhold()
			if err != nil {
				v.expired()
				return a, false
			}
		}
		name, wanted := v.open[a.id]
		delete(v.open, a.id)
		if name != "" && name[0] != ' ' {
			v.flights--
			v.dispatch()
		}
		if wanted {
			return a, true
		}
	}
}

// hold counts what the action's heap occupies while it waits. The heaps of all
// isolates share one space, whose end is the end of the process: when it gets
// scarce garbage is collected first, and then waiting is refused.
func (v *invocation) hold() error {
	e := v.program.engine
	take := func(collect C.int) bool {
		v.holds = int64(C.lentil_isolate_held(v.heap.c, collect))
		return e.held.Add(v.holds) <= e.opt.Waiting/2
	}
	if take(0) {
		return nil
	}
	v.unhold()
	if take(1) || e.held.Load() <= e.opt.Waiting {
		return nil
	}
	v.unhold()
	return apierr.New(apierr.Overloaded, "TooManyConcurrentRequests",
		"Actions that are waiting occupy too much memory. Try again in a moment.")
}

// unhold is the end of hold.
func (v *invocation) unhold() {
	v.program.engine.held.Add(-v.holds)
	v.holds = 0
}

// leave gives the worker back while the action waits. A place borrowed from a
// caller stays with the caller.
func (v *invocation) leave() {
	if v.placed.CompareAndSwap(true, false) {
		v.pool.release()
	}
}

// enter takes a worker again.
func (v *invocation) enter() error {
	if v.borrowed {
		return nil
	}
	err := v.pool.reacquire(v.ctx, v.program.group)
	if err == nil {
		v.placed.Store(true)
	}
	return err
}

// dispatch starts as many of the queued requests as may be under way. Names
// in open that begin with a space are of our own shims and not counted.
func (v *invocation) dispatch() {
	rest := v.queue[:0:0]
	for _, r := range v.queue {
		switch {
		case r.own && r.op == "timer":
			v.open[r.id] = " setTimeout"
			id := r.id
			v.timers[id] = time.AfterFunc(timerDelay(r.arg), func() { v.post(event{id: id, status: 3}) })
		case r.own:
			v.open[r.id] = " " + r.op
			go func() { v.post(v.shimRequest(r)) }()
		case v.flights >= maxConcurrently:
			rest = append(rest, r)
		default:
			v.flights++
			v.open[r.id] = r.op
			go func() {
				out, err := v.call.Host.AsyncSyscall(v.ctx, r.op, r.arg)
				v.post(answer(r.id, out, err))
			}()
		}
	}
	v.queue = rest
}

// post delivers an answer unless the run is over.
func (v *invocation) post(a event) {
	select {
	case v.events <- a:
	case <-v.ctx.Done():
	}
}

// unawaited names what an action leaves running, as the warning prints it.
func (v *invocation) unawaited() []string {
	var names []string
	for _, n := range v.open {
		if n[0] == ' ' && n != " fetch" {
			continue // a timer that never fires is no lost work, nor a body nobody reads
		}
		names = append(names, OperationName(n))
	}
	for _, r := range v.queue {
		if !r.own || r.op == "fetch" {
			names = append(names, OperationName(r.op))
		}
	}
	slices.Sort(names)
	return names
}

// OperationName is how a user knows an operation.
func OperationName(op string) string {
	switch op {
	case "1.0/actions/query":
		return "runQuery"
	case "1.0/actions/mutation":
		return "runMutation"
	case "1.0/actions/action":
		return "runAction"
	case "1.0/actions/schedule":
		return "scheduler"
	case "1.0/actions/vectorSearch":
		return "vectorSearch"
	}
	for len(op) > 0 && (op[0] == ' ' || op[0] >= '0' && op[0] <= '9' || op[0] == '.' || op[0] == '/') {
		op = op[1:]
	}
	return op
}
