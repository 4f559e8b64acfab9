package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/isolate"
)

// Bounds of one action.
const (
	maxConcurrently = 8      // host calls at once, as in the other runtime
	maxPending      = 10_000 // host calls that wait
)

// errFlooded ends an action whose requests pile up.
var errFlooded = errors.New("too many operations were begun at once")

// levels are the names of log levels by their numbers in runtime/child.mjs.
var levels = [...]string{"DEBUG", "ERROR", "WARN", "INFO", "LOG"}

// task is one action in a process. Frames come from the process's reader; host
// calls run in goroutines of their own until ctx ends.
type task struct {
	pr    *process
	call  *isolate.Call
	maps  isolate.SourceMaps
	ctx   context.Context // of host calls
	lines int             // printed so far; the reader's
	ended chan ending     // room for one; what comes later is dropped
	clean chan bool       // room for one: whether the process can be used again, if that was not clear at once

	mu      sync.Mutex
	queue   []wish
	flights int
	parts   map[uint32]*io.PipeWriter // files being stored, by request
}

// wish is a host call that the action asked for.
type wish struct {
	id   uint32
	kind string // "async", "js" or "open"
	op   string
	args []byte
	body []byte
}

// ending is how an action says it ended.
type ending struct {
	head head
	body []byte
}

// run has one process do one thing: h asks for it.
func (p *Program) run(ctx context.Context, c *isolate.Call, limit time.Duration, h any) (isolate.Result, error) {
	pr, err := p.pool.take(ctx, p.group)
	if err != nil {
		return isolate.Result{}, err
	}
	inner, cancel := context.WithCancel(context.WithValue(ctx, inside{}, true))
	defer cancel()
	t := &task{pr: pr, call: c, maps: p.maps, ctx: inner, ended: make(chan ending, 1), clean: make(chan bool, 1)}
	defer t.abandon()
	pr.work(t)
	p.pool.watch()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	sent := make(chan error, 1) // a process may be too busy to read
	go func() { sent <- pr.send(h, nil) }()
	var e ending
	select {
	case e = <-t.ended:
	case <-pr.gone:
		select {
		case e = <-t.ended: // its last word
		default:
			return p.crashed(pr), nil
		}
	case <-timer.C:
		pr.work(nil)
		pr.kill(nil)
		return isolate.Result{Exception: isolate.TimeoutException(limit)}, nil
	case <-ctx.Done():
		pr.work(nil)
		pr.kill(nil)
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return isolate.Result{Exception: isolate.TimeoutException(limit)}, nil
		}
		return isolate.Result{}, ctx.Err()
	}
	if e.head.T == "host" { // a host call failed in a way that is not for the program
		pr.work(nil)
		pr.kill(nil)
		return isolate.Result{}, pr.why()
	}
	r := p.result(c, &e)
	switch pr.runs++; {
	case e.head.Dirty || e.head.Fatal || e.head.T == "left" || e.head.T == "never" || pr.runs >= recycleAfter || <-sent != nil:
		pr.work(nil)
		pr.kill(nil)
	case e.head.Settling:
		go p.pool.settle(pr, t)
	default:
		pr.work(nil)
		p.pool.give(pr)
	}
	return r, nil
}

// settleTime is how long a process may take to come to rest after an action; it
// gives up long before.
const settleTime = time.Second

// settle takes a process back once it has come to rest.
func (p *Pool) settle(pr *process, t *task) {
	late := time.NewTimer(settleTime)
	defer late.Stop()
	clean := false
	select {
	case clean = <-t.clean:
	case <-pr.gone:
	case <-late.C:
	}
	pr.work(nil)
	if clean {
		p.give(pr)
	} else {
		pr.kill(nil)
	}
}

// result reads how an action ended.
func (p *Program) result(c *isolate.Call, e *ending) isolate.Result {
	r := isolate.Result{ObservedTime: true, ObservedRandom: true}
	for _, n := range e.head.Unawaited {
		r.Unawaited = append(r.Unawaited, isolate.OperationName(n))
	}
	switch e.head.T {
	case "done", "inspected":
		r.Value = string(e.body)
	case "threw":
		r.Exception = p.maps.Exception(e.body)
	case "missing":
		r.Exception = isolate.Missing(c, e.head.What)
	case "never":
		r.Exception = &isolate.Exception{Text: "Returned promise will never resolve", Name: "Error", Message: "Returned promise will never resolve", Cause: isolate.NeverResolves}
	case "left":
		text := fmt.Sprintf("The action ended its Node.js process with process.exit(%d).", e.head.Code)
		r.Exception = &isolate.Exception{Text: text, Name: "Error", Message: text, Cause: isolate.Developer}
	}
	return r
}

// crashed says what became of an action whose process is gone without a word.
func (p *Program) crashed(pr *process) isolate.Result {
	said := pr.said.String()
	if why := pr.why(); errors.Is(why, errMemory) || strings.Contains(said, "heap out of memory") || strings.Contains(said, "Reached heap limit") {
		return isolate.Result{Exception: isolate.MemoryException(p.pool.opt.Memory)}
	} else if why != nil {
		return isolate.Result{Exception: lost("The action's Node.js process was ended: " + why.Error() + ".")}
	}
	p.pool.opt.Log.Warn("Node.js process crashed", "said", said)
	return isolate.Result{Exception: lost("The action's Node.js process crashed.")}
}

// lost is the failure of an action whose process broke.
func lost(text string) *isolate.Exception {
	return &isolate.Exception{Text: text, Name: "Error", Message: text, Cause: isolate.Fatal}
}

// take handles a frame of the process. It must not wait for the process.
func (t *task) take(h head, body []byte) {
	switch h.T {
	case "log":
		t.print(h.Level, body)
	case "async", "js", "open":
		w := wish{id: h.ID, kind: h.T, op: h.Op, args: body}
		if h.T != "async" {
			w.args, w.body = []byte(h.Args), body
		}
		t.mu.Lock()
		t.queue = append(t.queue, w)
		flooded := len(t.queue) > maxPending
		t.mu.Unlock()
		if flooded {
			t.pr.kill(errFlooded)
			return
		}
		t.dispatch()
	case "store":
		t.store(h.ID, []byte(h.Args))
	case "part", "stored", "broken":
		t.part(&h, body)
	case "sync":
		go t.syscall(h.Op, body)
	case "settled":
		select {
		case t.clean <- !h.Dirty:
		default:
		}
	case "done", "threw", "missing", "never", "left", "inspected":
		t.end(ending{h, body})
	}
}

// end tells how the action ended; the first word counts.
func (t *task) end(e ending) {
	select {
	case t.ended <- e:
	default:
	}
}

// print passes a line to the host, within the limits of the log (runtime §3.8).
func (t *task) print(level int, line []byte) {
	const maxLines = 256
	t.lines++
	switch {
	case t.lines > maxLines:
	case t.lines == maxLines:
		t.call.Host.Print("ERROR", "Log overflow (maximum 256). Remaining log lines omitted.")
	default:
		t.call.Host.Print(levels[max(0, min(level, len(levels)-1))], t.maps.Places(isolate.ClipLine(line)))
	}
}

// dispatch starts as many of the queued host calls as may be under way.
func (t *task) dispatch() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.queue) > 0 && t.flights < maxConcurrently && t.ctx.Err() == nil {
		w := t.queue[0]
		t.queue = t.queue[1:]
		t.flights++
		go func() {
			t.answer(w)
			t.mu.Lock()
			t.flights--
			t.mu.Unlock()
			t.dispatch()
		}()
	}
}

// answer makes one host call and tells the process its result.
func (t *task) answer(w wish) {
	var text, raw []byte
	var err error
	if w.kind == "open" {
		err = t.open(w)
	} else {
		text, raw, err = t.ask(w)
	}
	if err != nil && t.fails(err) {
		return
	}
	h, body := reply(w.id, text, raw, err)
	_ = t.pr.send(h, body) // a process that is gone is noticed elsewhere
}

// ask makes one host call. A panic of the host costs this action only.
func (t *task) ask(w wish) (text, raw []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("node: host call %s panicked: %v", w.op, p)
		}
	}()
	if w.kind == "async" {
		text, err = t.call.Host.AsyncSyscall(t.ctx, w.op, w.args)
		return text, nil, err
	}
	if h, ok := t.call.Host.(isolate.JSHost); ok && strings.HasPrefix(w.op, "storage/") {
		return h.JSSyscall(t.ctx, w.op, w.args, w.body)
	}
	return nil, nil, &isolate.Throw{Message: "Unknown operation " + w.op}
}

// syscall answers a synchronous call.
func (t *task) syscall(op string, args []byte) {
	out, err := t.call.Host.Syscall(op, args)
	if err != nil && t.fails(err) {
		return
	}
	h, body := reply(0, out, nil, err)
	_ = writeFrame(t.pr.sync, h, body) // the process waits for exactly this one
}

// fails ends the action if an error is not for the program.
func (t *task) fails(err error) bool {
	var throw *isolate.Throw
	if errors.As(err, &throw) {
		return false
	}
	if t.ctx.Err() == nil {
		if _, ok := apierr.As(err); !ok {
			err = fmt.Errorf("node: host call: %w", err)
		}
		t.pr.mu.Lock()
		t.pr.cause = err
		t.pr.mu.Unlock()
		t.end(ending{head: head{T: "host"}})
	}
	return true
}

// reply is what a process is told of a host call.
func reply(id uint32, text, raw []byte, err error) (head, []byte) {
	h := head{T: "reply", ID: id}
	var throw *isolate.Throw
	switch {
	case errors.As(err, &throw):
		h.Error, h.Data = &throw.Message, throw.Data
		return h, nil
	case raw != nil:
		h.Kind = "raw"
		return h, raw
	case text == nil:
		h.Kind = "none"
	}
	return h, text
}
