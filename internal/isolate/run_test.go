package isolate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestRunFreshState(t *testing.T) {
	t.Parallel()
	p := load(t, module("m.js", `
let n = 0; globalThis.g ??= 0;
const seen = new Map();
export const f = query(async () => [++n, ++globalThis.g, seen.set(seen.size, 1).size, (Array.prototype.mark ??= 0), Array.prototype.mark = 5]);`))
	for range 5 {
		if got := value(t, run(t, p, Query, "f", nil, Limits{})); got != "[1,1,1,0,5]" {
			t.Fatalf("state survived: %s", got)
		}
	}
}

func TestRunSyscalls(t *testing.T) {
	t.Parallel()
	p := load(t, module("m.js", `
export const order = query(async () => {
  const all = [call("a"), call("b"), call("c")];
  const late = call("d").then((x) => call("e"));
  return [await Promise.all(all), Convex.syscall("s", '{"x":1}')];
});
export const unawaited = mutation(async () => { call("w1").then(() => call("w2")); return 1; });
export const rejected = mutation(async () => { call("w1"); throw new Error("no"); });
export const caught = query(async () => { try { await call("bad"); } catch (e) { return [e.name, e.message, e.data ?? null, e instanceof Error]; } });
export const caughtSync = query(async () => { try { Convex.syscall("bad", "{}"); } catch (e) { return [e.name, e.message, e.data ?? null]; } });
export const fatal = query(async () => { try { await call("fatal"); } catch { return 1; } });
export const fatalSync = query(async () => { try { Convex.syscall("fatal", "{}"); } catch { return 1; } });
export const never = query(async () => { await new Promise(() => {}); });
export const unhandled = query(async () => { Promise.reject(new Error("nobody")); return 1; });
export const handledLater = query(async () => { const p = Promise.reject(new Error("x")); p.catch(() => {}); await call("a"); return 1; });
export const text = query(async () => await call("echo", "héllo €😀 \u0000 \ud800".toWellFormed()));
export const notFunction = 5;
`))
	answer := func(op string, args []byte) ([]byte, error) {
		switch op {
		case "bad":
			return nil, &Throw{Message: "it is bad", Data: []byte(`{"code":7}`)}
		case "fatal":
			return nil, errHost
		}
		return args, nil
	}
	ops := func(name string, kind Kind) ([]string, Result) {
		h := &host{sync: answer, async: func(_ context.Context, op string, args []byte) ([]byte, error) { return answer(op, args) }}
		r := run(t, p, kind, name, h, Limits{})
		return h.ops, r
	}
	got, r := ops("order", Query)
	if value(t, r) != `[[{},{},{}],"{\"x\":1}"]` || !slices.Equal(got, []string{"a", "b", "c", "d", "e"}) {
		t.Errorf("order: %s %v", r.Value, got)
	}
	if got, r := ops("unawaited", Mutation); value(t, r) != "1" || !slices.Equal(got, []string{"w1", "w2"}) {
		t.Errorf("unawaited writes: %v", got)
	}
	if got, r := ops("rejected", Mutation); r.Exception == nil || len(got) != 0 {
		t.Errorf("a rejected mutation went on: %v", got)
	}
	if _, r := ops("caught", Query); value(t, r) != `["Error","it is bad",{"code":7},true]` {
		t.Errorf("caught: %s", r.Value)
	}
	if _, r := ops("caughtSync", Query); value(t, r) != `["Error","it is bad",{"code":7}]` {
		t.Errorf("caughtSync: %s", r.Value)
	}
	for _, name := range []string{"fatal", "fatalSync"} {
		h := &host{sync: answer, async: func(_ context.Context, op string, args []byte) ([]byte, error) { return answer(op, args) }}
		if _, err := p.Run(t.Context(), callOf(Query, name, h, Limits{})); !errors.Is(err, errHost) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, r := ops("never", Query); r.Exception == nil || r.Exception.Text != "Returned promise will never resolve" || r.Exception.Cause != NeverResolves {
		t.Errorf("never: %+v", r.Exception)
	}
	if _, r := ops("unhandled", Query); r.Exception == nil || !strings.HasPrefix(r.Exception.Text, "Uncaught Error: nobody") {
		t.Errorf("unhandled: %+v", r)
	}
	if _, r := ops("handledLater", Query); value(t, r) != "1" {
		t.Errorf("handledLater: %s", r.Value)
	}
	if _, r := ops("text", Query); value(t, r) != `"héllo €😀 \u0000 �"` {
		t.Errorf("text: %s", r.Value)
	}
	for name, want := range map[string]string{
		"missing":     `Couldn't find "missing" in module "m.js".`,
		"notFunction": "m.js:notFunction is neither a query or mutation. Did you forget to wrap it with `query` or `mutation`?",
	} {
		if _, r := ops(name, Query); r.Exception == nil || r.Exception.Text != want {
			t.Errorf("%s: %+v", name, r.Exception)
		}
	}
}

func TestRunDeterminism(t *testing.T) {
	t.Parallel()
	p := load(t, module("m.js", `
const atImport = [Date.now(), Math.random(), performance.now()];
export const f = query(async () => [atImport, Date.now(), new Date().getTime(), Math.random(), crypto.randomUUID(), [...crypto.getRandomValues(new Uint8Array(3))]]);
export const quiet = query(async () => 1);
export const act = action(async () => [Math.abs(Date.now() - 1800000000123) > 1e6, Math.random()]);`))
	a, b := run(t, p, Query, "f", nil, Limits{}), run(t, p, Query, "f", nil, Limits{})
	if value(t, a) != b.Value {
		t.Errorf("two runs differ:\n%s\n%s", a.Value, b.Value)
	}
	if !a.ObservedTime || !a.ObservedRandom {
		t.Errorf("not observed: %+v", a)
	}
	if !strings.Contains(a.Value, "[1700000000000,") || !strings.Contains(a.Value, ",1800000000123,1800000000123,") {
		t.Errorf("clock: %s", a.Value)
	}
	if r := run(t, p, Query, "quiet", nil, Limits{}); r.ObservedTime || r.ObservedRandom {
		t.Errorf("observed nothing: %+v", r)
	}
	c := callOf(Query, "f", nil, Limits{})
	c.Seed = [32]byte{9}
	if other, err := p.Run(t.Context(), c); err != nil || other.Value == a.Value {
		t.Errorf("another seed gives the same: %v", err)
	}
	if r := run(t, p, Action, "act", nil, Limits{}); !strings.HasPrefix(value(t, r), "[true,") {
		t.Errorf("an action sees the frozen clock: %s", r.Value)
	}
}

func TestRunConsole(t *testing.T) {
	t.Parallel()
	p := load(t, module("m.js", `
class Point { constructor() { this.x = 1; } }
export const f = query(async () => {
  console.log("it's", 'a\nb', 1, -0, 5n, true, null, undefined, Symbol("s"));
  console.info({ a: 1, "b c": [1, "x", { d: null }] }, [], {}, [,1]);
  console.warn(new Map([["k", { v: 1 }]]), new Set([1]), new Point(), () => 1, function named() {}, Object.create(null));
  console.error(/x/g, new Uint8Array(2), new Date(0), Promise.resolve(), new URL("https://a/"));
  const o = {}; o.self = o; console.debug(o, { a: { b: { c: { d: { e: { f: { g: 1 } } } } } } });
  console.log(new Proxy({ a: 1 }, { get() { throw 1; } }), { get bad() { throw new Error("x"); } });
  console.time("t"); console.time("t"); console.timeLog("t", 7); console.timeEnd("t"); console.timeEnd("t");
  console.log();
});
export const flood = query(async () => { for (let i = 0; i < 1000; i++) console.log(i); });
export const long = query(async () => { console.log("é".repeat(40000)); });`))
	h := &host{}
	value(t, run(t, p, Query, "f", h, Limits{}))
	want := []string{
		`[LOG] 'it\'s' 'a\nb' 1 -0 5n true null undefined Symbol(s)`,
		`[INFO] { a: 1, 'b c': [ 1, 'x', { d: null } ] } [] {} [ , 1 ]`,
		`[WARN] Map (1) {'k' => { v: 1 }} Set (1) {1} Point { x: 1 } [Function (anonymous)] [Function: named] [Object: null prototype] {}`,
		`[ERROR] /x/g Uint8Array(2) [ 0, 0 ] Thu Jan 01 1970 00:00:00 GMT+0000 (Coordinated Universal Time) Promise {} URL { href: 'https://a/' }`,
		`[DEBUG] { self: [Circular] } { a: { b: { c: { d: { e: [Object] } } } } }`,
		`[LOG] { a: 1 } { bad: [Thrown] }`,
		`[WARN] Timer 't' already exists`,
		`[INFO] t: 0ms 7`,
		`[INFO] t: 0ms`,
		`[WARN] Timer 't' does not exist`,
		`[LOG] `,
	}
	if d := cmp.Diff(want, h.lines); d != "" {
		t.Errorf("lines (-want +got):\n%s", d)
	}
	h = &host{}
	value(t, run(t, p, Query, "flood", h, Limits{}))
	if len(h.lines) != 256 || h.lines[255] != "[ERROR] Log overflow (maximum 256). Remaining log lines omitted." {
		t.Errorf("flood: %d lines, last %q", len(h.lines), h.lines[len(h.lines)-1])
	}
	h = &host{}
	value(t, run(t, p, Query, "long", h, Limits{}))
	if l := h.lines[0]; len(l) > len("[LOG] ")+32768 || !strings.HasSuffix(l, "é (truncated due to length)") {
		t.Errorf("long line: %d bytes, ends %q", len(l), l[len(l)-40:])
	}
}

func TestRunNested(t *testing.T) {
	t.Parallel()
	e, err := Open(Options{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	p := loadWith(t, e, Import{}, module("m.js", `
export const down = mutation(async ({}, { n }) => n === 0 ? "floor" : await call("run", { n: n - 1 }));
export const act = action(async ({}, { n }) => n === 0 ? "floor" : await call("act", { n: n - 1 }));`))
	h := &host{}
	h.async = func(ctx context.Context, op string, args []byte) ([]byte, error) {
		c := callOf(Mutation, "down", h, Limits{})
		c.Args = []string{"[" + string(args) + "]"}
		if op == "act" {
			c = callOf(Action, "act", h, Limits{})
			c.Args = []string{"r", "[" + string(args) + "]"}
		}
		r, err := p.Run(ctx, c)
		if err != nil {
			return nil, &Throw{Message: err.Error()}
		}
		if r.Exception != nil {
			return nil, &Throw{Message: r.Exception.Message}
		}
		return []byte(r.Value), nil
	}
	var wg sync.WaitGroup
	for _, kind := range []Kind{Mutation, Action} {
		for range 3 { // more than there are workers
			wg.Go(func() {
				c := callOf(kind, map[Kind]string{Mutation: "down", Action: "act"}[kind], h, Limits{})
				c.Args[len(c.Args)-1] = `[{"n":7}]`
				r, err := p.Run(t.Context(), c)
				if err != nil || r.Exception != nil || r.Value != `"floor"` {
					t.Errorf("%v: %+v %v", kind, r, err)
				}
			})
		}
	}
	wg.Wait()
	c := callOf(Mutation, "down", h, Limits{})
	c.Args = []string{`[{"n":9}]`}
	r, err := p.Run(t.Context(), c)
	if err != nil || r.Exception == nil || !strings.Contains(r.Exception.Text, "depth limit exceeded") {
		t.Errorf("too deep: %+v %v", r, err)
	}
	if s := e.Stats(); s.Running != 0 || s.Queued != 0 {
		t.Errorf("places left over: %+v", s)
	}
}

// TestRunWaitingActions has many actions wait at once while queries go on.
func TestRunWaitingActions(t *testing.T) {
	t.Parallel()
	e, err := Open(Options{Workers: 2})
	if err != nil {
		t.Fatal(err)
	}
	p := loadWith(t, e, Import{}, module("m.js", `
export const wait = action(async () => await call("wait"));
export const quick = query(async () => 1);
export const parallel = action(async () => (await Promise.all(Array.from({ length: 20 }, (_, i) => call("count", i)))).length);
export const dangling = action(async () => { call("1.0/actions/mutation"); call("1.0/storageGetUrl"); return 1; });`))
	const n = 64
	open := make(chan struct{})
	var waiting, at, most atomic.Int32
	h := &host{async: func(ctx context.Context, op string, args []byte) ([]byte, error) {
		switch op {
		case "wait":
			waiting.Add(1)
			<-open
		case "count":
			k := at.Add(1)
			for m := most.Load(); k > m && !most.CompareAndSwap(m, k); m = most.Load() {
			}
			time.Sleep(time.Millisecond)
			at.Add(-1)
		default:
			<-ctx.Done()
		}
		return []byte("7"), nil
	}}
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			if r, err := p.Run(t.Context(), callOf(Action, "wait", h, Limits{})); err != nil || r.Value != "7" {
				t.Errorf("%+v %v", r, err)
			}
		})
	}
	for waiting.Load() < n {
		if got := value(t, run(t, p, Query, "quick", h, Limits{})); got != "1" {
			t.Fatal(got)
		}
	}
	if got := value(t, run(t, p, Query, "quick", h, Limits{})); got != "1" {
		t.Fatal(got)
	}
	close(open)
	wg.Wait()
	if got := value(t, run(t, p, Action, "parallel", h, Limits{})); got != "20" || most.Load() > 8 {
		t.Errorf("%s, %d at once", got, most.Load())
	}
	r := run(t, p, Action, "dangling", h, Limits{})
	if d := cmp.Diff([]string{"runMutation", "storageGetUrl"}, r.Unawaited); value(t, r) != "1" || d != "" {
		t.Errorf("unawaited: %s", d)
	}
}

func TestRunLimits(t *testing.T) {
	t.Parallel()
	p := load(t, module("m.js", `
export const host = query(async () => { for (let i = 0; i < 5; i++) await call("slow"); return 1; });
export const stuck = query(async () => await call("stuck"));
export const sleep = action(async () => await new Promise((r) => setTimeout(r, 60000)));
export const spin = action(async () => { for (;;); });`))
	h := &host{async: func(ctx context.Context, op string, args []byte) ([]byte, error) {
		if op == "stuck" {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		time.Sleep(30 * time.Millisecond)
		return []byte("1"), nil
	}}
	if r := run(t, p, Query, "host", h, Limits{UserTime: 100 * time.Millisecond}); value(t, r) != "1" || r.UserTime > 100*time.Millisecond {
		t.Errorf("host time counted: %v", r.UserTime)
	}
	for _, c := range []struct {
		name   string
		kind   Kind
		limits Limits
		want   string
	}{
		{"stuck", Query, Limits{TotalTime: 50 * time.Millisecond}, "0.05s"},
		{"sleep", Action, Limits{TotalTime: 50 * time.Millisecond}, "0.05s"},
		{"spin", Action, Limits{UserTime: 50 * time.Millisecond}, "0.05s"},
	} {
		r := run(t, p, c.kind, c.name, h, c.limits)
		want := fmt.Sprintf("Function execution timed out (maximum duration: %s)", c.want)
		if r.Exception == nil || r.Exception.Text != want || r.Exception.Cause != Timeout {
			t.Errorf("%s: %+v", c.name, r.Exception)
		}
	}
	// Actions that compute for long do not hold up queries.
	e, err := Open(Options{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	one := loadWith(t, e, Import{}, module("m.js", `
export const spin = action(async () => { for (;;); });
export const quick = query(async () => 1);`))
	spinning := make(chan struct{})
	long, end := context.WithCancel(t.Context())
	go func() {
		defer close(spinning)
		one.Run(long, callOf(Action, "spin", h, Limits{})) // which may compute for minutes
	}()
	for e.Stats().Running == 0 {
		time.Sleep(time.Millisecond)
	}
	value(t, run(t, one, Query, "quick", h, Limits{}))
	select {
	case <-spinning:
		t.Error("the query waited for the action")
	default:
	}
	end()
	<-spinning
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(30*time.Millisecond, cancel)
	if _, err := p.Run(ctx, callOf(Action, "spin", h, Limits{})); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	time.AfterFunc(30*time.Millisecond, cancel)
	if _, err := p.Run(ctx, callOf(Action, "sleep", h, Limits{})); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled while waiting: %v", err)
	}
}

// fixtureMap maps line 5 of a module to a source, column for column.
func fixtureMap(t testing.TB, source string) string {
	b, err := json.Marshal(map[string]any{
		"version": 3, "sources": []string{source}, "names": []string{}, "sourcesContent": nil,
		"mappings": ";;;;AAEA,IAAI,IAAI,IAAI,IAAI,IAAI,IAAI,IAAI,IAAI,IAAI,IAAI,IAAI",
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestRunExceptions(t *testing.T) {
	t.Parallel()
	m := module("m.js", `
export const text = query(async () => { throw "just text"; });
export const object = query(async () => { throw { a: 1 }; });
/* 5 */ export const mapped = query(async function handler() { throw new TypeError("two\nlines"); });
export const empty = query(async () => { throw new Error(); });
export const convex = query(async () => { const e = new Error("c"); e.name = "ConvexError"; e.ConvexErrorSymbol = Symbol.for("ConvexError"); e[e.ConvexErrorSymbol] = true; e.data = '{"x":1}'; throw e; });
export const shim = query(async () => { new URL("nope"); });
export const uncatchable = query(async () => { try { new Request("https://a/").mode; } catch {} return 1; });
export const undef = query(async () => { throw undefined; });`)
	m.SourceMap = fixtureMap(t, "../convex/messages.ts")
	p := load(t, m)
	for _, c := range []struct {
		name, text, data string
		cause            Cause
	}{
		{"text", "Uncaught just text", "", Thrown},
		{"object", "Uncaught { a: 1 }", "", Thrown},
		{"mapped", "Uncaught TypeError: two\nlines\n    at handler (../convex/messages.ts:3:", "", Thrown},
		{"empty", "Uncaught Error\n    at m.js", "", Thrown},
		{"convex", "Uncaught ConvexError: c\n    at m.js", `{"x":1}`, Thrown},
		{"shim", "Uncaught TypeError: Invalid URL: 'nope'\n    at m.js", "", Thrown},
		{"uncatchable", "Uncaught Error: Not implemented: get mode for Request. Consider calling an action defined in Node.js instead (https://docs.convex.dev/functions/actions).\n    at m.js", "", Developer},
		{"undef", "Uncaught undefined", "", Thrown},
	} {
		x := run(t, p, Query, c.name, nil, Limits{}).Exception
		if x == nil || !strings.HasPrefix(x.Text, c.text) || string(x.Data) != c.data || x.Cause != c.cause {
			t.Errorf("%s: %+v", c.name, x)
		}
		if x != nil && strings.Contains(x.Text, shimPrefix) {
			t.Errorf("%s names our shims: %s", c.name, x.Text)
		}
	}
}
