package node

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/isolate"
)

// hostile is what must harm nobody but its own action.
const hostile = `
import { spawn } from "node:child_process";
import { writeSync } from "node:fs";
let state = 0;
export const bump = action(() => ++state);
export const exit = action(() => process.exit(3));
export const abort = action(() => process.abort());
export const spin = action(() => { for (;;); });
export const heap = action(() => { const all = []; for (;;) all.push(new Array(1e5).fill({}).map(() => ({}))); });
export const buffers = action(async () => { const all = []; for (;;) { all.push(Buffer.alloc(1 << 25, 1)); await new Promise((r) => setTimeout(r, 1)); } });
export const later = action(() => { setTimeout(() => { throw new Error("out of turn"); }, 0); return new Promise((r) => setTimeout(r, 1000)); });
export const rejected = action(async () => { Promise.reject(new Error("nobody waits")); await new Promise((r) => setTimeout(r, 1000)); });
export const timer = action(() => { setInterval(() => console.log("tick"), 1); return ++state; });
export const sleepers = action(async () => { for (let i = 0; i < 100; i++) spawn("/bin/sleep", ["60"]).on("error", () => {}); await new Promise((r) => setTimeout(r, 20000)); });
export const orphan = action(() => { const c = spawn("/bin/sh", ["-c", "sleep 300.0417 & exec sleep 300.0417"], { detached: true, stdio: "ignore" }); c.unref(); return c.pid; });
export const forged = action(async () => {
  const send = (h, b = "") => { const t = Buffer.from(h); const l = Buffer.alloc(8); l.writeUInt32LE(t.length, 0); l.writeUInt32LE(b.length, 4); writeSync(4, Buffer.concat([l, t, Buffer.from(b)])); };
  for (const h of ['{"t":"ready"}', '{"t":"nonsense"}', '{"t":"reply","id":1}', '{"t":"log","level":99}', '{"t":"log","level":-5}']) send(h, "x");
  return 1;
});
export const garbage = action(async () => { writeSync(4, Buffer.alloc(64, 255)); await new Promise((r) => setTimeout(r, 5000)); });
export const flood = action(async () => { for (let i = 0; i < 20000; i++) call("wait"); await new Promise((r) => setTimeout(r, 20000)); });
`

func TestHostile(t *testing.T) {
	t.Parallel()
	pool := open(t, Options{Memory: 96 << 20})
	p := load(t, pool, module("act.js", hostile))
	neighbour := load(t, pool, module("act.js", hostile), module("more.js", ``))
	want(t, neighbour, "act:bump", "{}", "1", nil)
	for _, c := range []struct {
		fn, text string
		cause    isolate.Cause
	}{
		{"exit", "The action ended its Node.js process with process.exit(3).", isolate.Developer},
		{"abort", "The action's Node.js process crashed.", isolate.Fatal},
		{"heap", "JavaScript execution ran out of memory (maximum memory usage: 96 MB)", isolate.OutOfMemory},
		{"later", "Uncaught Error: out of turn\n    at ", isolate.Thrown},
		{"rejected", "Uncaught Error: nobody waits\n    at ", isolate.Thrown},
		{"garbage", "The action's Node.js process was ended: node: a frame of", isolate.Fatal},
	} {
		t.Run(c.fn, func(t *testing.T) { fails(t, p, "act:"+c.fn, c.text, c.cause) })
	}
	t.Run("forged", func(t *testing.T) { want(t, p, "act:forged", "{}", "1", nil) })
	t.Run("flood", func(t *testing.T) {
		r := try(t, p, "act:flood", "{}", &host{async: func(ctx context.Context, _, _ string) (string, error) { <-ctx.Done(); return "", ctx.Err() }})
		if r.Exception == nil || !strings.Contains(r.Exception.Text, "too many operations") {
			t.Errorf("gave %+v", r)
		}
	})
	want(t, neighbour, "act:bump", "{}", "2", nil)
}

func TestTimeLimit(t *testing.T) {
	t.Parallel()
	p := load(t, open(t, Options{Timeout: 300 * time.Millisecond}), module("act.js", hostile))
	fails(t, p, "act:spin", "Function execution timed out (maximum duration: 0.3s)", isolate.Timeout)
}

func TestStateStaysWithinPush(t *testing.T) {
	t.Parallel()
	pool := open(t, Options{})
	one := load(t, pool, module("act.js", hostile))
	two := load(t, pool, module("act.js", hostile), module("other.js", `export const x = 1;`))
	want(t, one, "act:bump", "{}", "1", nil)
	want(t, one, "act:bump", "{}", "2", nil) // the same process, warm
	want(t, two, "act:bump", "{}", "1", nil)
	want(t, one, "act:timer", "{}", "3", nil)
	want(t, one, "act:bump", "{}", "1", nil) // what left a timer behind is not used again
}

// TestLeftoversAreMute holds that an action which goes on in a reused process
// neither prints nor asks for anything in another's name.
func TestLeftoversAreMute(t *testing.T) {
	t.Parallel()
	p := load(t, open(t, Options{}), module("act.js", `
let hook;
export const leave = action(() => { (async () => { await new Promise((r) => (hook = r)); console.log("ghost"); globalThis.seen = await call("ghost").catch((e) => e.message); })(); });
export const wake = action(async () => { hook(); for (let i = 0; i < 20; i++) await null; console.log("alive"); return globalThis.seen; });`))
	want(t, p, "act:leave", "{}", "null", nil)
	h := &host{}
	want(t, p, "act:wake", "{}", `"The action is over: it can ask for nothing any more. Await what it begins."`, h)
	if h.printed() != "LOG 'alive'" {
		t.Errorf("printed %q", h.printed())
	}
}

func TestWorkersAreBounded(t *testing.T) {
	t.Parallel()
	pool := open(t, Options{Workers: 1, Queue: 1})
	p := load(t, pool, module("act.js", ordinary))
	began, release := make(chan struct{}), make(chan struct{})
	h := &host{async: func(ctx context.Context, op, _ string) (string, error) {
		began <- struct{}{}
		<-release
		// An action that this one calls must not wait for its caller's place.
		r, err := p.Run(ctx, isolate.Call{Module: "act.js", Export: "add", Method: "invokeAction", Args: []string{"", `[{"a":2,"b":2}]`}, Host: &host{}})
		return r.Value, err
	}}
	var wg sync.WaitGroup
	run := func(h *host, value string) {
		wg.Go(func() { want(t, p, "act:slowest", "{}", value, h) })
	}
	p = load(t, pool, module("act.js", ordinary+`export const slowest = action(() => call("nested"));`))
	run(h, "4")
	<-began
	run(&host{}, "{}")
	until(t, "an action in the queue", func() bool { return pool.Stats().Queued > 0 })
	_, err := p.Run(t.Context(), isolate.Call{Module: "act.js", Export: "add", Method: "invokeAction", Args: []string{"", "[{}]"}, Host: &host{}})
	var refused *apierr.Error
	if !errors.As(err, &refused) || refused.Kind != apierr.Overloaded {
		t.Errorf("beyond the queue: %v", err)
	}
	close(release)
	wg.Wait()
}

// until waits for a condition that other processes bring about.
func until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	tick, late := time.NewTicker(2*time.Millisecond), time.After(time.Minute)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// TestPassingWorkIsNoLeftover holds that a process which still reads a file is used
// again when it has read it.
func TestPassingWorkIsNoLeftover(t *testing.T) {
	t.Parallel()
	pool := open(t, Options{})
	p := load(t, pool, module("act.js", `
import { readFile } from "node:fs";
let n = 0;
export const reads = action(() => { readFile(new URL(import.meta.url), () => {}); return ++n; });`))
	want(t, p, "act:reads", "{}", "1", nil)
	until(t, "the process's return", func() bool {
		pool.mu.Lock()
		defer pool.mu.Unlock()
		return len(p.group.idle) == 1
	})
	want(t, p, "act:reads", "{}", "2", nil)
}
