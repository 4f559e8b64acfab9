package isolate

import (
	"context"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/lentil-dev/lentil/internal/apierr"
)

// TestActionsThatCallManyActions checks that an action which calls actions that
// call actions ends as its caller's error before isolates fill the process.
func TestActionsThatCallManyActions(t *testing.T) {
	t.Parallel()
	e, err := Open(Options{})
	if err != nil {
		t.Fatal(err)
	}
	p := loadWith(t, e, Import{}, module("m.js", `
		export const wide = action(async () => { await Promise.all([1, 2, 3, 4].map(() => call("action"))); return 1; });
		export const peace = query(async () => 1);`))
	h := &host{}
	h.async = func(ctx context.Context, _ string, _ []byte) ([]byte, error) {
		r, err := p.Run(ctx, callOf(Action, "wide", h, Limits{}))
		if err != nil {
			return nil, err
		}
		if r.Exception != nil {
			return nil, &Throw{Message: r.Exception.Text}
		}
		return []byte(r.Value), nil
	}
	_, err = p.Run(t.Context(), callOf(Action, "wide", h, Limits{}))
	if x, ok := apierr.As(err); !ok || x.Kind != apierr.BadRequest {
		t.Errorf("ended with %v", err)
	}
	if n := e.Stats().Isolates; n > maxFamily+e.opt.Workers {
		t.Errorf("%d isolates", n)
	}
	if got := value(t, run(t, p, Query, "peace", nil, Limits{})); got != "1" {
		t.Errorf("the next call got %s", got)
	}
	for end := time.Now().Add(time.Minute); e.nested.Load() != 0 && time.Now().Before(end); {
		time.Sleep(time.Millisecond) // the caller of one that failed does not wait for its siblings
	}
	if a, n, held := e.acting.Load(), e.nested.Load(), e.held.Load(); a != 0 || n != 0 || held != 0 {
		t.Errorf("%d actions, %d nested ones and %d bytes are still counted", a, n, held)
	}
}

// TestActionsThatHoldMuch checks that actions which wait with full heaps are
// refused before the space that all isolates share is used up.
func TestActionsThatHoldMuch(t *testing.T) {
	t.Parallel()
	e, err := Open(Options{Waiting: 64 << 20})
	if err != nil {
		t.Fatal(err)
	}
	p := loadWith(t, e, Import{}, module("m.js", `
		export const hold = action(async () => { const a = Array(20).fill(0).map(() => new Array(1 << 17).fill(1.5)); await call("wait"); return a.length; });
		export const waste = action(async () => { for (let i = 0; i < 20; i++) new Array(1 << 17).fill(1.5); await call("wait"); return 7; });
		export const peace = query(async () => 1);`))
	open := make(chan struct{})
	h := &host{async: func(context.Context, string, []byte) ([]byte, error) { <-open; return []byte("1"), nil }}
	var mu sync.Mutex
	refused, fine := 0, 0
	var wg sync.WaitGroup
	for range 12 {
		wg.Go(func() {
			r, err := p.Run(t.Context(), callOf(Action, "hold", h, Limits{}))
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil && r.Value == "20":
				fine++
			case err != nil && strings.Contains(err.Error(), "occupy too much memory"):
				refused++
			default:
				t.Errorf("ended with %+v, %v", r, err)
			}
		})
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		mu.Lock()
		n := refused
		mu.Unlock()
		if n >= 9 || time.Now().After(end) {
			break
		}
	}
	close(open)
	wg.Wait()
	if fine == 0 || refused < 9 {
		t.Errorf("%d were fine and %d refused", fine, refused)
	}
	// Garbage does not count once space is scarce.
	for range 3 {
		if got := value(t, run(t, p, Action, "waste", h, Limits{})); got != "7" {
			t.Errorf("the wasteful one got %s", got)
		}
	}
	if got := value(t, run(t, p, Query, "peace", nil, Limits{})); got != "1" {
		t.Errorf("the next call got %s", got)
	}
	if n := e.held.Load(); n != 0 {
		t.Errorf("%d bytes are still counted", n)
	}
}

// TestActionsThatWakeTogether checks that the heap of an action counts until the
// action has a worker again: many that wake at once occupy as much as before.
func TestActionsThatWakeTogether(t *testing.T) {
	t.Parallel()
	e, err := Open(Options{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	p := loadWith(t, e, Import{}, module("m.js", `
		export const hold = action(async () => { const a = new Array(1 << 20).fill(1.5); await call("wait"); return a.length; });
		export const busy = action(async () => { await call("busy"); for (;;) Convex.syscall("spin", "{}"); });`))
	wake, woken, free := make(chan struct{}), make(chan struct{}, 4), make(chan struct{})
	h := &host{async: func(_ context.Context, op string, _ []byte) ([]byte, error) {
		if op == "wait" {
			<-wake
			woken <- struct{}{}
		}
		return []byte("1"), nil
	}}
	var spinning sync.Once
	inside := make(chan struct{})
	h.sync = func(string, []byte) ([]byte, error) {
		spinning.Do(func() { close(inside) })
		select {
		case <-free:
			return nil, &Throw{Message: "enough"}
		default:
			return []byte("{}"), nil
		}
	}
	var wg sync.WaitGroup
	for range cap(woken) {
		wg.Go(func() {
			if r, err := p.Run(t.Context(), callOf(Action, "hold", h, Limits{})); err != nil || r.Value != "1048576" {
				t.Errorf("ended with %+v, %v", r, err)
			}
		})
	}
	for e.held.Load() < 4*(8<<20) {
		runtime.Gosched()
	}
	wg.Go(func() { p.Run(t.Context(), callOf(Action, "busy", h, Limits{UserTime: time.Minute})) })
	<-inside // the one worker is taken
	close(wake)
	for range cap(woken) {
		<-woken
	}
	for e.Stats().Queued < cap(woken) {
		runtime.Gosched()
	}
	if n := e.held.Load(); n < 4*(8<<20) {
		t.Errorf("%d bytes are counted while the actions wait for a worker", n)
	}
	close(free)
	wg.Wait()
	if n := e.held.Load(); n != 0 {
		t.Errorf("%d bytes are still counted", n)
	}
}

// TestStackOfManyLines checks that a program cannot make its error endless.
func TestStackOfManyLines(t *testing.T) {
	t.Parallel()
	p := load(t, module("m.js", `
		export const lines = query(async () => { const e = new Error("x"); e.stack = "Error: x\n" + "    at f (a.js:1:1)\n".repeat(1e5); throw e; });
		export const line = query(async () => { const e = new Error("x"); e.stack = "Error: x\n    at " + "é".repeat(1e6); throw e; });
		export const deep = query(async () => { Error.stackTraceLimit = 1e9; const f = (n) => { if (n > 3000) throw new Error("x"); f(n + 1); }; f(0); });`))
	for _, name := range []string{"lines", "line", "deep"} {
		r := run(t, p, Query, name, nil, Limits{UserTime: 5 * time.Second})
		if r.Exception == nil || !strings.HasPrefix(r.Exception.Text, "Uncaught Error: x") || !utf8.ValidString(r.Exception.Text) ||
			strings.Count(r.Exception.Text, "\n") > maxFrames || len(r.Exception.Text) > 2*maxStack {
			t.Errorf("%s: ended with %.200q", name, r.Exception)
		}
	}
}
