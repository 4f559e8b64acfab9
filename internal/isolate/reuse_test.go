package isolate

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
)

// settle calls a function until its isolate keeps a context, and fails if it
// never does.
func settleOn(t *testing.T, p *Program, name string) {
	t.Helper()
	for range 5000 {
		value(t, run(t, p, Query, name, nil, Limits{}))
		if keeps(p) > 0 {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatal("no isolate keeps a context")
}

// keeps counts the idle isolates that keep a context.
func keeps(p *Program) int {
	p.engine.mu.Lock()
	defer p.engine.mu.Unlock()
	n := 0
	for _, h := range p.idle {
		if h.kept != nil {
			n++
		}
	}
	return n
}

// leaks are functions that change something which outlives the call in an
// ordinary JavaScript program. Each must answer "fresh" every time. before is
// code of the module, body that of the function.
var leaks = []struct{ name, before, body string }{
	{"let", `let n = 0;`, `return n++ ? "stale" : "fresh";`},
	{"var", `var n;`, `const was = n; n = {}; return was ? "stale" : "fresh";`},
	{"let double", `let n = 0.5;`, `n += 0.25; return n === 0.75 ? "fresh" : "stale";`},
	{"object property", `const o = { n: 0 };`, `return o.n++ ? "stale" : "fresh";`},
	{"object double", `const o = { n: 0.5 };`, `o.n *= 2; return o.n === 1 ? "fresh" : "stale";`},
	{"new property", `const o = {};`, `const had = "x" in o; o.x = 1; return had ? "stale" : "fresh";`},
	{"deleted property", `const o = { a: 1, b: 2 };`, `const had = "a" in o; delete o.a; return had ? "fresh" : "stale";`},
	{"many properties", `const o = {};`, `const n = Object.keys(o).length; for (let i = 0; i < 2000; i++) o["k" + i] = i; return n ? "stale" : "fresh";`},
	{"symbol property", `const s = Symbol(); const o = {};`, `const had = s in o; o[s] = 1; return had ? "stale" : "fresh";`},
	{"attribute", `const o = { a: 1 };`, `const w = Object.getOwnPropertyDescriptor(o, "a").writable; Object.defineProperty(o, "a", { writable: false }); return w ? "fresh" : "stale";`},
	{"enumerability", `const o = { a: 1 };`, `const n = Object.keys(o).length; Object.defineProperty(o, "a", { enumerable: false }); return n ? "fresh" : "stale";`},
	{"getter", `const o = { get a() { return "fresh"; } };`, `const a = o.a; Object.defineProperty(o, "a", { get: () => "stale" }); return a;`},
	{"frozen", `const o = { a: 1 };`, `const f = Object.isFrozen(o); Object.freeze(o); return f ? "stale" : "fresh";`},
	{"not extensible", `const o = {};`, `const e = Object.isExtensible(o); Object.preventExtensions(o); return e ? "fresh" : "stale";`},
	{"prototype of object", `const o = {};`, `const x = o.x; Object.setPrototypeOf(o, { x: 1 }); return x ? "stale" : "fresh";`},
	{"prototype of function", `function F() {} F.prototype.x = 1;`, `const x = new F().x; F.prototype = { x: 2 }; return x === 1 ? "fresh" : "stale";`},
	{"prototype of a new kind", `function F() {}`, `const x = new F().x; F.prototype.x = 2; return x ? "stale" : "fresh";`},
	{"prototype no object", `function F() {} F.prototype = Object.prototype;`, `const p = F.prototype; new F(); F.prototype = 5; new F(); return p === 5 ? "stale" : "fresh";`},
	{"class static", `class C { static n = 0; }`, `return C.n++ ? "stale" : "fresh";`},
	{"class static private", `class C { static #n = 0; static next() { return C.#n++; } }`, `return C.next() ? "stale" : "fresh";`},
	{"private member", `class C { #n = 0; next() { return this.#n++; } } const c = new C();`, `return c.next() ? "stale" : "fresh";`},
	{"private brand", `class B { constructor(o) { return o; } } class C extends B { #m() {} static has(o) { return #m in o; } } const o = {};`, `const had = C.has(o); if (!had) new C(o); return had ? "stale" : "fresh";`},
	{"method of class", `class C { m() { return "fresh"; } }`, `const r = new C().m(); C.prototype.m = () => "stale"; return r;`},
	{"instance of class", `class C { constructor() { this.n = 0; } } const c = new C();`, `new C(); return c.n++ ? "stale" : "fresh";`},
	{"array push", `const a = [];`, `return a.push(1) > 1 ? "stale" : "fresh";`},
	{"array element", `const a = [0, 0, 0];`, `return a[1]++ ? "stale" : "fresh";`},
	{"array double", `const a = [0.5, 1.5];`, `a[0] += 1; return a[0] === 1.5 ? "fresh" : "stale";`},
	{"array kind", `const a = [1, 2];`, `const r = a[0] === 1; a[0] = "x"; return r ? "fresh" : "stale";`},
	{"array length", `const a = [1, 2, 3];`, `const n = a.length; a.length = 1; return n === 3 ? "fresh" : "stale";`},
	{"array sort", `const a = [3, 1, 2];`, `const r = a[0]; a.sort(); return r === 3 ? "fresh" : "stale";`},
	{"sparse array", `const a = []; a[100000] = 1;`, `const r = a[5]; a[5] = 1; return r ? "stale" : "fresh";`},
	{"map", `const m = new Map([["a", 1]]);`, `const n = m.size; m.set("k" + n, 1); return n > 1 ? "stale" : "fresh";`},
	{"map value", `const m = new Map([["a", 0]]);`, `const n = m.get("a"); m.set("a", n + 1); return n ? "stale" : "fresh";`},
	{"map value within", `const m = new Map([["a", { n: 0 }]]);`, `return m.get("a").n++ ? "stale" : "fresh";`},
	{"map delete", `const m = new Map([["a", 0]]);`, `return m.delete("a") ? "fresh" : "stale";`},
	{"map clear", `const m = new Map([["a", 0]]);`, `const n = m.size; m.clear(); return n ? "fresh" : "stale";`},
	{"set", `const s = new Set();`, `const n = s.size; s.add(n); return n ? "stale" : "fresh";`},
	{"weak map", `const m = new WeakMap(), k = {};`, `const had = m.has(k); m.set(k, 1); return had ? "stale" : "fresh";`},
	{"weak map by function", `const m = new WeakMap();`, `const had = m.has(Math.max); m.set(Math.max, 1); return had ? "stale" : "fresh";`},
	{"weak set", `const m = new WeakSet();`, `const had = m.has(Array); m.add(Array); return had ? "stale" : "fresh";`},
	{"weak ref", `const w = new WeakRef({ n: 0 });`, `return w.deref().n++ ? "stale" : "fresh";`},
	{"map iterator", `const it = new Map([[1, 1], [2, 2]]).keys();`, `return it.next().value === 1 ? "fresh" : "stale";`},
	{"array iterator", `const it = [1, 2, 3][Symbol.iterator]();`, `return it.next().value === 1 ? "fresh" : "stale";`},
	{"string iterator", `const it = "abc"[Symbol.iterator]();`, `return it.next().value === "a" ? "fresh" : "stale";`},
	{"iterator helper", `const it = [1, 2, 3].values().map((x) => x);`, `return it.next().value === 1 ? "fresh" : "stale";`},
	{"generator", `const g = (function* () { yield "fresh"; for (;;) yield "stale"; })();`, `return g.next().value;`},
	{"async generator", `const g = (async function* () { yield "fresh"; for (;;) yield "stale"; })();`, `return (await g.next()).value;`},
	{"closure", `const next = (() => { let n = 0; return () => n++; })();`, `return next() ? "stale" : "fresh";`},
	{"closure over a loop", `const fs = []; for (let i = 0; i < 3; i++) fs.push(() => i++);`, `return fs[1]() === 1 ? "fresh" : "stale";`},
	{"cached once", `let cache; const get = () => (cache ??= { n: 0 });`, `return get().n++ ? "stale" : "fresh";`},
	{"function property", `const f = () => {};`, `const n = f.calls ?? 0; f.calls = n + 1; return n ? "stale" : "fresh";`},
	{"function name", `const f = () => {};`, `const n = f.name; Object.defineProperty(f, "name", { value: "stale" }); return n === "f" ? "fresh" : n;`},
	{"bound function", `const o = { n: 0 }; const f = function () { return this.n++; }.bind(o);`, `return f() ? "stale" : "fresh";`},
	{"regexp lastIndex", `const r = /a/g;`, `return r.test("aa") && r.lastIndex === 1 ? "fresh" : "stale";`},
	{"regexp sticky", `const r = /a/y;`, `return r.test("ab") ? "fresh" : "stale";`},
	{"regexp compile", `const r = /fresh/;`, `const s = r.source; r.compile("stale"); return s;`},
	{"regexp statics", ``, `const m = RegExp.lastMatch; /stale/.test("a stale match"); return m || "fresh";`},
	{"regexp group", ``, `const m = RegExp.$1; /(s)(t)(a)(l)(e)/.exec("stale"); return m || "fresh";`},
	{"regexp input", ``, `const m = RegExp.input; RegExp.input = "stale"; return m || "fresh";`},
	{"date", `const d = new Date(0);`, `const t = d.getTime(); d.setTime(5); return t ? "stale" : "fresh";`},
	{"typed array", `const a = new Uint8Array(4);`, `return a[0]++ ? "stale" : "fresh";`},
	{"large typed array", `const a = new Uint32Array(4096);`, `return a[4000]++ ? "stale" : "fresh";`},
	{"array buffer", `const b = new ArrayBuffer(100); const v = new DataView(b);`, `const n = v.getUint8(50); v.setUint8(50, n + 1); return n ? "stale" : "fresh";`},
	{"transfer", `const b = new ArrayBuffer(100);`, `const n = b.byteLength; b.transfer?.(); return n ? "fresh" : "stale";`},
	{"promise", `let done; const p = new Promise((r) => (done = r));`, `done("x"); const first = !globalThis.seen; return first ? "fresh" : "stale";`},
	{"promise reaction", `let n = 0; const p = Promise.resolve();`, `p.then(() => n++); await null; await null; return n === 1 ? "fresh" : "stale";`},
	{"promise pending", `let n = 0; let done; const p = new Promise((r) => (done = r)); p.then(() => n++);`, `done(); await p; await null; return n === 1 ? "fresh" : "stale";`},
	{"proxy", `const t = {}; const p = new Proxy(t, {});`, `const had = "x" in p; p.x = 1; return had ? "stale" : "fresh";`},
	{"proxy revoked", `const { proxy, revoke } = Proxy.revocable({ a: 1 }, {});`, `let r = "stale"; try { if (proxy.a) r = "fresh"; } catch {} revoke(); return r;`},
	{"global", ``, `const g = globalThis.leak; globalThis.leak = 1; return g ? "stale" : "fresh";`},
	{"global var by eval", ``, `const g = typeof leak2; (0, eval)("var leak2 = 1"); return g === "undefined" ? "fresh" : "stale";`},
	{"global replaced", ``, `const g = globalThis.parseInt("7"); globalThis.parseInt = () => 0; return g === 7 ? "fresh" : "stale";`},
	{"global deleted", ``, `const had = "isNaN" in globalThis; delete globalThis.isNaN; return had ? "fresh" : "stale";`},
	{"global accessor", ``, `const g = globalThis.acc; Object.defineProperty(globalThis, "acc", { get: () => 1, configurable: true }); return g ? "stale" : "fresh";`},
	{"global constant", ``, `const w = Object.getOwnPropertyDescriptor(globalThis, "Map").writable; Object.defineProperty(globalThis, "Map", { writable: false }); return w ? "fresh" : "stale";`},
	{"intrinsic prototype", ``, `const x = [].leak; Array.prototype.leak = 1; return x ? "stale" : "fresh";`},
	{"intrinsic method", ``, `const x = [1].map((v) => v)[0]; Array.prototype.map = () => [0]; return x ? "fresh" : "stale";`},
	{"intrinsic static", ``, `const x = Object.keys({ a: 1 }).length; Object.keys = () => []; return x ? "fresh" : "stale";`},
	{"hidden intrinsic", ``, `const P = Object.getPrototypeOf(async function* () {}.prototype); const x = P.leak; P.leak = 1; return x ? "stale" : "fresh";`},
	{"function prototype", ``, `const F = Function.prototype; const x = (() => {}).leak; F.leak = 1; return x ? "stale" : "fresh";`},
	{"species", ``, `const x = Array[Symbol.species] === Array; Object.defineProperty(Array, Symbol.species, { value: Object }); return x ? "fresh" : "stale";`},
	{"Math", ``, `const x = Math.random() < 2; Math.random = () => 3; return x ? "fresh" : "stale";`},
	{"Date now", ``, `const x = Date.now() > 0; Date.now = () => 0; return x ? "fresh" : "stale";`},
	{"JSON", ``, `const x = JSON.leak; JSON.leak = 1; return x ? "stale" : "fresh";`},
	{"Symbol.iterator", ``, `const x = [..."ab"].length; String.prototype[Symbol.iterator] = function* () {}; return x ? "fresh" : "stale";`},
	{"stack trace limit", ``, `const n = Error.stackTraceLimit; Error.stackTraceLimit = 3; return n === 10 ? "fresh" : "stale";`},
	{"prepareStackTrace", ``, `const p = Error.prepareStackTrace; Error.prepareStackTrace = () => "x"; return p ? "stale" : "fresh";`},
	{"error", `const e = new Error("fresh");`, `const m = e.message; e.message = "stale"; return m;`},
	{"error stack", `const e = new Error("x");`, `const s = e.stack; e.stack = "stale"; return s === "stale" ? s : "fresh";`},
	{"console", ``, `const l = console.leak; console.leak = 1; console.time("a"); return l ? "stale" : "fresh";`},
	{"shim class", ``, `const l = Headers.prototype.leak; Headers.prototype.leak = 1; return l ? "stale" : "fresh";`},
	{"shim instance", `const h = new Headers();`, `const n = h.get("x"); h.set("x", "1"); return n ? "stale" : "fresh";`},
	{"url", `const u = new URL("https://a.example/");`, `const q = u.search; u.searchParams.append("a", "b"); return q ? "stale" : "fresh";`},
	{"event target", `const t = new EventTarget(); let n = 0; const f = () => n++;`, `t.addEventListener("x", () => n++); t.dispatchEvent(new Event("x")); return n === 1 ? "fresh" : "stale";`},
	{"abort controller", `const c = new AbortController();`, `const a = c.signal.aborted; c.abort(); return a ? "stale" : "fresh";`},
	{"performance marks", ``, `const n = performance.getEntries().length; performance.mark("m"); return n ? "stale" : "fresh";`},
	{"async storage", `const s = new AsyncLocalStorage();`, `const v = s.getStore(); s.enterWith("stale"); return v ?? "fresh";`},
	{"async storage pending", `const s = new AsyncLocalStorage();`, `const v = s.getStore(); s.run("stale", () => call("x").then(() => s.getStore())); return v ?? "fresh";`},
	{"Convex object", ``, `const l = Convex.leak; Convex.leak = 1; return l ? "stale" : "fresh";`},
	{"process.env", ``, `const l = process.env.LEAK; try { process.env.LEAK = "1"; } catch {} return l ? "stale" : "fresh";`},
	{"intl object", `const f = new Intl.NumberFormat("en");`, `const l = f.leak; f.leak = 1; f.format(1); return l ? "stale" : "fresh";`},
	{"template object", `const seen = new WeakSet(); const tag = (s) => s;`, "const s = tag`a`; const had = seen.has(s); seen.add(s); return had ? 'stale' : 'fresh';"},
	{"arguments", `let kept; function f() { kept ??= arguments; return kept; }`, `const a = f(0); return a[0]++ ? "stale" : "fresh";`},
	{"literal", `const make = () => ({ list: [1, 2], deep: { n: 0 } });`, `const o = make(); o.list.push(3); return make().list.length === 2 && o.deep.n++ === 0 ? "fresh" : "stale";`},
	{"module function", `function helper() { return helper.count = (helper.count ?? 0) + 1; }`, `return helper() > 1 ? "stale" : "fresh";`},
	{"registered function", ``, `const l = globalThis.self_ ?? query.leak; query.leak = 1; return l ? "stale" : "fresh";`},
	{"live binding", `export let shared = 0; export const bump = () => shared++;`, `return bump() ? "stale" : "fresh";`},
	{"import meta", ``, `const l = import.meta.leak; import.meta.leak = 1; return l ? "stale" : "fresh";`},
	{"finalized late", `let n = 0;`, `call("x").then(() => n++); call("y").then(() => n++); return n ? "stale" : "fresh";`},
	{"thrown away", `let n = 0;`, `if (n++) return "stale"; await call("x"); return "fresh";`},
	{"wrapper object", `const o = new Number(1);`, `const l = o.leak; o.leak = 1; return l ? "stale" : "fresh";`},
	{"blob", `const b = new Blob(["a"]);`, `const l = b.leak; b.leak = 1; return l ? "stale" : "fresh";`},
	{"text decoder", `const d = new TextDecoder();`, `const s = d.decode(new Uint8Array([0xe2, 0x82]), { stream: true }); return s === "" && d.decode(new Uint8Array([0xac])) === "\u20ac" && !d.leak ? ((d.leak = 1), "fresh") : "stale";`},
	{"growable", ``, `const n = globalThis.grown ?? 0; new ArrayBuffer(1, { maxByteLength: 40 << 20 }); return "fresh";`},
}

// TestLeaksAreFresh calls functions that change everything JavaScript can
// change, interleaved with one that changes nothing and so keeps contexts
// alive, until each has certainly met a kept context.
func TestLeaksAreFresh(t *testing.T) {
	for _, l := range leaks {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			p := loadAlone(t, module("m.js", l.before+"\nexport const leak = query(async () => {"+l.body+"});\n"+
				`export const clean = query(async () => { const o = { a: [1], m: new Map() }; o.m.set("k", o); return (await call("x", o.a))[0]; });`))
			for round := range 3 {
				settleOn(t, p, "clean")
				before := p.engine.Stats().Reused
				for i := range 4 {
					if got := value(t, run(t, p, Query, "leak", nil, Limits{})); got != `"fresh"` {
						t.Fatalf("round %d, call %d: %s", round, i, got)
					}
				}
				if p.engine.Stats().Reused == before {
					t.Error("the function never ran in a kept context")
				}
				p.traces.mu.Lock()
				clear(p.traces.of) // give it another chance
				p.traces.mu.Unlock()
			}
		})
	}
}

// loadAlone makes a program in an engine with one worker, so that its calls meet.
func loadAlone(t *testing.T, modules ...Module) *Program {
	t.Helper()
	e, err := Open(Options{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return loadWith(t, e, Import{Env: map[string]string{"FOO": "bar"}, Now: time.UnixMilli(1_700_000_000_000)}, modules...)
}

// TestCleanFunctionsShare checks that ordinary functions leave no trace.
func TestCleanFunctionsShare(t *testing.T) {
	for _, c := range []struct{ name, before, body string }{
		{"nothing", ``, `return 1;`},
		{"host calls", ``, `const out = []; for (let i = 0; i < 5; i++) out.push(await call("get", { i })); return out;`},
		{"classes", `class A { #x = 1; get x() { return this.#x; } } class B extends A { y = 2; sum() { return this.x + this.y; } }`, `return new B().sum();`},
		{"errors", `class Oops extends Error { constructor() { super("oops"); this.name = "Oops"; } }`, `try { throw new Oops(); } catch (e) { return e.stack.length > 0 && e.name; }`},
		{"objects as keys", `const o = {}, g = () => {};`, `const m = new Map([[o, 1], [g, 2]]); return m.get(o) + m.get(g) + new Set([o, Math]).size;`},
		{"regexps", `const r = /a(b)c/;`, `return ["abc".match(r)[1], "xabc".replace(/b/g, "c"), "a,b".split(",")];`},
		{"dates and text", ``, "return [new Date(5).toISOString(), `${[1, 2].map((x) => x * 2)}`, JSON.stringify({ a: [1, { b: 2 }] }), \"b,a\".split(\",\").sort()];"},
		{"generators", `function* g() { yield 1; yield 2; }`, `return [...g()].length;`},
		{"web", ``, `return [new URL("https://x.example/a?b=c").searchParams.get("b"), new TextEncoder().encode("é").length, new Headers({ a: "b" }).get("a"), structuredClone({ a: 1 }).a, btoa("x")];`},
		{"console", ``, `console.log("a", { b: [1] }); return 1;`},
		{"proxies", ``, `return new Proxy({}, { get: (t, k) => k }).hello;`},
		{"a lot of garbage", ``, `let s = 0; for (let i = 0; i < 20000; i++) s += [i, { i }].length; return s;`},
		{"typed arrays", ``, `const a = new Uint8Array(1000); a.fill(7); return a[5];`},
		{"thrown", ``, `await Promise.reject(new Error("x")).catch(() => {}); return 1;`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := loadAlone(t, module("m.js", c.before+"\nexport const f = query(async () => {"+c.body+"});"))
			settleOn(t, p, "f")
			before := p.engine.Stats().Reused
			for range 300 {
				value(t, run(t, p, Query, "f", nil, Limits{}))
			}
			if n := p.engine.Stats().Reused - before; n < 295 {
				t.Errorf("%d of 300 calls shared a context", n)
			}
		})
	}
}

// TestKeptContextSurvivesCollections shares a context through many collections
// of garbage, with objects that are replaced all the time.
func TestKeptContextSurvivesCollections(t *testing.T) {
	p := loadAlone(t, module("m.js", `
const o = { list: [1, 2, 3], map: new Map([["a", { n: 1 }]]) };
let secret = "fresh";
export const f = query(async () => { const keep = []; for (let i = 0; i < 30000; i++) keep.push({ i, s: "x" + i }); return [o.list.length, o.map.get("a").n, keep.length, secret]; });
export const dirty = query(async () => { o.list = o.list.concat(4); o.map = new Map(o.map); secret = "stale"; return 1; });`))
	settleOn(t, p, "f")
	for i := range 200 {
		if i%40 == 39 {
			value(t, run(t, p, Query, "dirty", nil, Limits{}))
			p.traces.mu.Lock()
			clear(p.traces.of)
			p.traces.mu.Unlock()
			settleOn(t, p, "f")
		}
		if got := value(t, run(t, p, Query, "f", nil, Limits{})); got != `[3,1,30000,"fresh"]` {
			t.Fatal(got)
		}
	}
	h := p.take(true)
	h.tidy(true)
	p.give(h, false)
	before := p.engine.Stats().Reused
	value(t, run(t, p, Query, "f", nil, Limits{}))
	value(t, run(t, p, Query, "f", nil, Limits{}))
	if p.engine.Stats().Reused != before+2 {
		t.Error("a collection of garbage cost the context")
	}
}

// TestBrokenRunsDoNotShare ends calls in every bad way and checks the next one.
func TestBrokenRunsDoNotShare(t *testing.T) {
	p := loadAlone(t, module("m.js", `
let n = 0;
export const f = query(async () => n);
export const spin = query(async () => { n = 1; for (;;); });
export const memory = query(async () => { n = 1; const a = []; for (;;) a.push(new Array(1000).fill(n)); });
export const never = query(async () => { n = 1; await new Promise(() => {}); });
export const throws = query(async () => { n = 1; throw new Error("x"); });
export const unhandled = query(async () => { Promise.reject(new Error("x")); await call("y"); n = 1; });
export const later = query(async () => { n = 0; const e = new Error("x"); Object.defineProperty(e, "name", { get() { Promise.resolve().then(() => n++); return "E"; } }); throw e; });
export const object = query(async () => { n = 0; });
object.invokeQuery = async () => ({ toString() { Promise.resolve().then(() => n++); return "s"; } });
export const refused = query(async () => { n = 1; await call("refuse"); });`))
	h := &host{async: func(_ context.Context, op string, _ []byte) ([]byte, error) {
		if op == "refuse" {
			return nil, errHost
		}
		return []byte("1"), nil
	}}
	for range 2 {
		for _, name := range []string{"spin", "memory", "never", "throws", "unhandled", "refused", "later", "object"} {
			settleOn(t, p, "f")
			if r, err := p.Run(t.Context(), callOf(Query, name, h, Limits{UserTime: 300 * time.Millisecond})); err == nil && r.Exception == nil && name != "object" {
				t.Errorf("%s succeeded", name)
			}
			if got := value(t, run(t, p, Query, "f", nil, Limits{})); got != "0" {
				t.Errorf("after %s: %s", name, got)
			}
		}
		p.traces.mu.Lock()
		clear(p.traces.of)
		p.traces.mu.Unlock()
	}
}

// FuzzProgramsAreFresh runs sequences of random changes and compares each
// answer with the one a context made for the call gives.
func FuzzProgramsAreFresh(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9})
	f.Add([]byte("abcdefghijklmnopqrstuvwxyz"))
	var fns strings.Builder
	for i, l := range leaks {
		fmt.Fprintf(&fns, "export const leak%d = (() => { %s return query(async () => {%s}); })();\n", i,
			strings.ReplaceAll(l.before, "export ", ""), l.body)
	}
	f.Fuzz(func(t *testing.T, order []byte) {
		if len(order) > 200 {
			order = order[:200]
		}
		p := loadAlone(t, module("m.js", fns.String()+"export const clean = query(async () => 1);"))
		settleOn(t, p, "clean")
		for _, b := range order {
			i := int(b) % len(leaks)
			if got := value(t, run(t, p, Query, fmt.Sprint("leak", i), nil, Limits{})); got != `"fresh"` {
				t.Fatalf("%s: %s", leaks[i].name, got)
			}
		}
	})
}
