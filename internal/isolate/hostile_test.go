package isolate

import (
	"strings"
	"sync"
	"testing"
	"time"
)

// hostile are functions that try to take the process or its other callers
// down. Each must end as its own caller's error.
var hostile = []struct {
	name, source string
	want         []string // one of these must be in the text
}{
	{"loop", `for (;;) {}`, timedOut},
	{"loopInCatch", `for (;;) { try { for (;;) {} } catch {} finally { for (;;) {} } }`, timedOut},
	{"microtasks", `const f = () => Promise.resolve().then(f); await f();`, eitherLimit}, // each promise waits for the next: which limit comes first is a matter of speed
	{"awaits", `for (;;) await null;`, timedOut},
	{"queuedMicrotasks", `const f = () => { queueMicrotask(f); queueMicrotask(f); }; f(); await new Promise(() => {});`, eitherLimit},
	{"regexp", `return /^(a+)+$/.test("a".repeat(40) + "!");`, timedOut},
	{"regexpBackreference", `return /(?:(x+x+)+y)\1/.test("x".repeat(60));`, timedOut},
	{"bigint", `let x = 3n; for (;;) x = x * x;`, eitherLimitOr("RangeError: Maximum BigInt size exceeded")},
	{"bigintPower", `return String(7n ** 9999999n).length;`, eitherLimitOr("RangeError")},
	{"sort", `const a = Array.from({ length: 1e6 }, (_, i) => i); for (;;) a.sort((x, y) => y - x);`, eitherLimit},
	{"proxy", `const p = new Proxy({}, { get: (t, k, r) => r[k] }); return p.x;`, []string{"RangeError: Maximum call stack"}},
	{"arrays", `const a = []; for (;;) a.push(new Array(1000).fill(7));`, eitherLimit},
	{"arrayGrowth", `const a = []; for (;;) a.push(1, 2, 3, 4, 5, 6, 7, 8);`, outOfMemory},
	{"objects", `let o = null; for (;;) o = { o, a: 1, b: 2 };`, outOfMemory},
	{"maps", `const m = new Map(); for (let i = 0; ; i++) m.set(i, [i]);`, outOfMemory},
	{"sets", `const m = new Set(); for (let i = 0; ; i++) m.add("k" + i);`, outOfMemory},
	{"properties", `const o = {}; for (let i = 0; ; i++) o["k" + i] = i;`, outOfMemory},
	{"closures", `const a = []; for (;;) a.push(() => a);`, outOfMemory},
	{"promises", `const a = []; for (;;) a.push(new Promise(() => {}));`, outOfMemory},
	{"builtinLoop", `let a = []; for (;;) { a.push(new Array(1000).fill(7)); if (a.length > 400) a = []; }`, timedOut},
	{"buffers", `const a = []; for (;;) a.push(new Uint8Array(1 << 20).fill(1));`, []string{"RangeError: Array buffer allocation failed", outOfMemory[0]}},
	{"hugeBuffer", `return new ArrayBuffer(2 ** 33).byteLength;`, []string{"RangeError: Array buffer allocation failed"}},
	{"growableBuffer", `const b = new ArrayBuffer(8, { maxByteLength: 2 ** 34 }); b.resize(2 ** 34); return b.byteLength;`, []string{"RangeError"}},
	{"wasmMemory", `const a = []; for (;;) { const m = new WebAssembly.Memory({ initial: 512 }); new Uint8Array(m.buffer).fill(1); a.push(m); }`, append([]string{"RangeError"}, outOfMemory...)},
	{"stringDoubling", `let s = "x"; for (;;) s += s;`, []string{"RangeError: Invalid string length", outOfMemory[0]}},
	{"flatStrings", `const a = []; let s = "x".repeat(1 << 20); for (let i = 0; ; i++) a.push((s + i).split("").join("y"));`, outOfMemory},
	{"stringRepeat", `const a = []; for (let i = 0; ; i++) { const s = "ab".repeat(1 << 24) + i; a.push(s); s.charCodeAt(5); JSON.stringify(s); }`, append([]string{"RangeError"}, eitherLimit...)},
	{"giantSplit", `return "x".repeat(1 << 28).split("").length;`, append([]string{"RangeError"}, outOfMemory...)},
	{"giantArray", `return Array(1e9).fill(0).length;`, append([]string{"RangeError"}, eitherLimit...)},
	{"sparseFill", `const a = []; a.length = 4294967295; return a.fill(1).length;`, append([]string{"RangeError"}, eitherLimit...)},
	{"arrayJoin", `return Array(1e9).join("ab").length;`, append([]string{"RangeError"}, eitherLimit...)},
	{"concat", `let a = [1]; for (;;) a = a.concat(a);`, append([]string{"RangeError"}, eitherLimit...)},
	{"spread", `let a = [1]; for (;;) a = [...a, ...a];`, append([]string{"RangeError"}, outOfMemory...)},
	{"recursion", `const f = (n) => f(n + 1) + 1; return f(0);`, []string{"RangeError: Maximum call stack"}},
	{"recursionInCatch", `const f = () => { try { f(); } catch { f(); } }; f();`, append([]string{"RangeError: Maximum call stack"}, timedOut...)},
	{"deepJSON", `return JSON.parse("[".repeat(1e6) + "]".repeat(1e6)).length;`, []string{""}},
	{"deepStringify", `let o = {}; for (let i = 0; i < 1e6; i++) o = { o }; return JSON.stringify(o).length;`, []string{"RangeError: Maximum call stack", outOfMemory[0]}},
	{"deepClone", `let o = {}; for (let i = 0; i < 1e5; i++) o = { o }; structuredClone(o); return 1;`, []string{"RangeError: Maximum call stack", outOfMemory[0], ""}},
	{"deepRegExp", `return new RegExp("(".repeat(1e5) + ")".repeat(1e5)).test("x");`, []string{"too large", "Stack overflow", "Maximum call stack", "SyntaxError"}},
	{"deepSource", `return (0, eval)("(".repeat(1e6) + "1" + ")".repeat(1e6));`, []string{"RangeError: Maximum call stack", "SyntaxError", "EvalError"}},
	{"atomicsWait", `Atomics.wait(new Int32Array(new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }).buffer), 0, 0);`, []string{"TypeError"}},
	{"wasmLoop", `const b = new Uint8Array([0,97,115,109,1,0,0,0,1,4,1,96,0,0,3,2,1,0,7,5,1,1,102,0,0,10,9,1,7,0,3,64,12,0,11,11]);
		new WebAssembly.Instance(new WebAssembly.Module(b)).exports.f();`, timedOut},
	{"logs", `for (;;) console.log("x".repeat(1000));`, timedOut},
	{"hugeLog", `const a = Array(1e6).fill({ a: [1, 2, 3] }); console.log(a, "x".repeat(1 << 26)); return 1;`, []string{""}},
	{"hugeError", `throw new Error("x".repeat(1 << 21));`, []string{"Uncaught Error: xxx"}},
	{"hugeResult", `return "x".repeat(1 << 24);`, []string{""}},
	{"evilError", `throw { get message() { for (;;) {} } };`, timedOut},
	{"evilStack", `const e = new Error("x"); Object.defineProperty(e, "stack", { get() { for (;;) {} } }); throw e;`, timedOut},
	{"evilPrepare", `Error.prepareStackTrace = () => { for (;;) {} }; throw new Error("x");`, timedOut},
	{"evilThenable", `return { then(f) { for (;;) {} } };`, timedOut},
	{"evilResult", `return { toJSON() { for (;;) {} } };`, timedOut},
	{"requests", `for (;;) Convex.asyncSyscall("op", "{}");`, append([]string{"Too many"}, eitherLimit...)},
	{"deepFlat", `let a = []; for (let i = 0; i < 1e5; i++) a = [a]; return a.flat(Infinity).length;`, []string{"RangeError: Maximum call stack"}},
	{"deepProxies", `let p = {}; for (let i = 0; i < 1e5; i++) p = new Proxy(p, {}); return Object.keys(p).length;`, []string{"RangeError: Maximum call stack"}},
	{"deepLookbehind", `return new RegExp("(?<=".repeat(3e4) + "b" + ")".repeat(3e4)).test("x");`, append([]string{"RangeError", "SyntaxError"}, outOfMemory...)},
	{"giantNormalize", `return "a".padEnd(2 ** 29 - 30).normalize().length;`, append([]string{"RangeError"}, eitherLimit...)},
	{"manyArguments", `return Math.max(...new Array(1e7).fill(1));`, append([]string{"RangeError"}, eitherLimit...)},
	{"wasmTables", `const a = []; for (;;) a.push(new WebAssembly.Table({ initial: 1e7, element: "anyfunc" }));`, eitherLimit},
	{"regExpResults", `const a = []; for (;;) a.push(/x/g.exec("x".repeat(1000)));`, eitherLimit},
	{"evilPrototype", `Object.defineProperty(Object.prototype, "then", { get() { for (;;); } }); return {};`, timedOut},
	{"tampering", `Array.prototype.push = JSON.stringify = Promise.prototype.then = () => { throw 1; }; Object.prototype.get = 5; throw new Error("tampered");`, []string{"Uncaught Error: tampered"}},
}

var (
	timedOut    = []string{"Function execution timed out (maximum duration: 0.1s)"}
	outOfMemory = []string{"JavaScript execution ran out of memory (maximum memory usage: 16 MB)"}
	eitherLimit = append(append([]string{}, timedOut...), outOfMemory...)
)

// greedy are the functions that need more than the usual time to run out of
// memory or stack.
var greedy = map[string]bool{
	"arrayGrowth": true, "objects": true, "maps": true, "sets": true, "properties": true, "closures": true,
	"promises": true, "wasmMemory": true, "flatStrings": true, "spread": true,
	"deepStringify": true, "deepClone": true, "deepFlat": true, "deepProxies": true, "deepRegExp": true, "deepLookbehind": true,
	"deepSource": true, "deepJSON": true, "hugeError": true, "hugeLog": true, "hugeResult": true, "buffers": true,
}

func eitherLimitOr(s string) []string { return append([]string{s}, eitherLimit...) }

// TestRunHostile runs every hostile function twice, while a peaceful caller of
// another program wants answers all the time.
func TestRunHostile(t *testing.T) {
	var src strings.Builder
	for _, h := range hostile {
		src.WriteString("export const " + h.name + " = query(async () => {" + h.source + "});\n")
	}
	src.WriteString("export const peace = query(async () => 1);\n")
	// A small heap is full soon.
	e, err := Open(Options{HeapLimit: 16 << 20, BufferLimit: 16 << 20})
	if err != nil {
		t.Fatal(err)
	}
	p := loadWith(t, e, Import{}, module("m.js", src.String()))
	other := loadWith(t, e, Import{}, module("m.js", "export const peace = query(async () => (await call('op', [7]))[0]);"))

	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			begun := time.Now()
			r, err := other.Run(t.Context(), callOf(Query, "peace", nil, Limits{UserTime: 5 * time.Second}))
			if err != nil || r.Exception != nil || r.Value != "7" {
				t.Errorf("the peaceful caller got %+v, %v", r, err)
				return
			}
			if d := time.Since(begun); d > totalTime { // after which no query waits any more
				t.Errorf("the peaceful caller waited %v", d)
			}
		}
	})
	for _, h := range hostile {
		t.Run(h.name, func(t *testing.T) {
			begun := time.Now()
			limits := Limits{UserTime: 100 * time.Millisecond, TotalTime: 5 * time.Minute} // processor time decides, however busy the machine is
			if greedy[h.name] {
				limits.UserTime = 5 * time.Second
				h.want = append(h.want, "Function execution timed out (maximum duration: 5s)")
			}
			r := run(t, p, Query, h.name, nil, limits)
			text := ""
			if r.Exception != nil {
				text = r.Exception.Text
			}
			ok := false
			for _, w := range h.want {
				ok = ok || strings.Contains(text, w)
			}
			if !ok {
				t.Errorf("ended with %.300q, %.100q, want one of %q", text, r.Value, h.want)
			}
			t.Logf("%v: %.100q", time.Since(begun), text)
			if got := value(t, run(t, p, Query, "peace", nil, Limits{UserTime: 5 * time.Second})); got != "1" {
				t.Errorf("the next call got %s", got)
			}
		})
	}
	close(stop)
	wg.Wait()
	t.Logf("%+v", p.engine.Stats())
}
