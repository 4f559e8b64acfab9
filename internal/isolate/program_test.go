package isolate

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestLoadRemembersFailures(t *testing.T) {
	t.Parallel()
	p := load(t,
		module("m.js", `export const f = query(async () => 1);`),
		module("bad.js", `const x = null; x.y;`),
		module("syntax.js", `export const = 5;`),
		module("lost.js", `import { x } from "./nowhere.js";`),
		module("name.js", `import { nope } from "./m.js";`),
		module("dir/user.js", `import { f } from "../m.js"; import { g } from "../bad.js"; export const h = f;`),
		module("await.js", `await new Promise(() => {});`),
		module("waits.js", `export const v = await Promise.resolve(3); export const f = query(async () => v);`),
		module("db.js", `await Convex.asyncSyscall("1.0/get", "{}");`),
		module("net.js", `await fetch("https://x");`),
	)
	if got := value(t, run(t, p, Query, "f", nil, Limits{})); got != "1" {
		t.Errorf("the good module gives %s", got)
	}
	c := callOf(Query, "f", nil, Limits{})
	c.Module = "waits.js"
	if r, err := p.Run(t.Context(), c); err != nil || r.Value != "3" {
		t.Errorf("top-level await: %+v %v", r, err)
	}
	for path, want := range map[string]string{
		"bad.js":      "Uncaught TypeError: Cannot read properties of null (reading 'y')\n    at bad.js:2:19",
		"syntax.js":   "Uncaught SyntaxError: Unexpected token '='\n    at syntax.js:2:14",
		"lost.js":     `Uncaught Error: Could not resolve the import "./nowhere.js" in module "lost.js"`,
		"name.js":     "Uncaught SyntaxError: The requested module './m.js' does not provide an export named 'nope'",
		"dir/user.js": "Uncaught SyntaxError: The requested module '../bad.js' does not provide an export named 'g'",
		"await.js":    `Uncaught Error: Top-level await in module "await.js" did not finish`,
		"db.js":       "Uncaught TypeError: Can't use the database or other functions at import time",
		"net.js":      "Uncaught Error: Can't use fetch() while modules are being imported.",
	} {
		x := p.ImportError(path)
		if x == nil || !strings.HasPrefix(x.Text, want) {
			t.Errorf("%s: %+v", path, x)
		}
		c.Module = path
		if r, err := p.Run(t.Context(), c); err != nil || r.Exception != x {
			t.Errorf("running %s: %+v %v", path, r, err)
		}
	}
}

func TestLoadHostileModules(t *testing.T) {
	t.Parallel()
	e, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	for source, want := range map[string]Cause{
		`for (;;);`: Timeout,
		`const a = []; for (;;) a.push({ a: [1, 2, 3] });`: OutOfMemory,
	} {
		_, err := e.Load(t.Context(), []Module{{Path: "m.js", Source: source}}, Import{})
		var x *Exception
		if !errors.As(err, &x) || x.Cause != want {
			t.Errorf("%s: %v", source, err)
		}
	}
}

// TestLoadPlain has modules hold what a snapshot cannot: they are evaluated
// for every call.
func TestLoadPlain(t *testing.T) {
	t.Parallel()
	p := load(t, module("m.js", `
const bytes = new Uint8Array([0,97,115,109,1,0,0,0,1,7,1,96,2,127,127,1,127,3,2,1,0,7,7,1,3,97,100,100,0,0,10,9,1,7,0,32,0,32,1,106,11]);
const { add } = new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports;
let n = 0;
export const f = query(async () => [add(2, 3), ++n, process.env.FOO]);`),
		module("bad.js", `throw new Error("bad");`))
	for range 3 {
		if got := value(t, run(t, p, Query, "f", nil, Limits{})); got != `[5,1,"bar"]` {
			t.Errorf("got %s", got)
		}
	}
	if x := p.ImportError("bad.js"); x == nil || x.Message != "bad" {
		t.Errorf("bad.js: %+v", x)
	}
}

func TestInspect(t *testing.T) {
	t.Parallel()
	p := load(t,
		module("m.js", `
export const list = query(async () => 1);
export const hidden = (() => { const f = mutation(async () => 1); f.isPublic = false; f.isInternal = true; return f; })();
export const act = action(async () => 1);
export const helper = () => 1, number = 5, nothing = null;
export default query(async () => 1);`),
		module("http.js", `const h = { isHttp: true, _handler: () => 1 }; export const hook = h; export default { isRouter: true, getRoutes: () => [["/a", "GET", h], ["/b/*", "POST", h]] };`),
		module("crons.js", `export default { isCrons: true, export: () => '{"tick":{}}' };`),
		module("two.js", `const f = query(async () => 1); f.isAction = true; export { f };`),
		module("bad.js", `throw new Error("bad");`),
	)
	infos, err := p.Inspect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	type brief struct {
		Path, Names, Routes, Crons, Err string
	}
	var got []brief
	for _, m := range infos {
		b := brief{Path: m.Path, Crons: m.Crons}
		for _, f := range m.Functions {
			b.Names += f.Name + ":" + f.Kind.String()
			if f.Internal {
				b.Names += "!"
			}
			b.Names += " "
		}
		for _, r := range m.Routes {
			b.Routes += r.Method + r.Path + " "
		}
		if m.Error != nil {
			b.Err = m.Error.Message
		}
		got = append(got, b)
	}
	want := []brief{
		{Path: "bad.js", Err: "bad"},
		{Path: "crons.js", Crons: `{"tick":{}}`},
		{Path: "http.js", Names: "hook:Unknown ", Routes: "GET/a POST/b/* "},
		{Path: "m.js", Names: "act:Action default:Query hidden:Mutation! list:Query "},
		{Path: "two.js", Err: "Export f is registered as more than one kind of function."},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if f := infos[3].Functions[3]; f.Args != `{"type":"any"}` || f.Returns != "null" || f.Pos.Path != "m.js" || f.Pos.Line != 3 {
		t.Errorf("list: %+v", f)
	}
}

func TestEvaluate(t *testing.T) {
	t.Parallel()
	e, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	world := Import{Env: map[string]string{"SET": "yes"}, Now: time.UnixMilli(1_700_000_000_000)}
	for _, c := range []struct {
		name    string
		subject Subject
		source  string
		want    string
		code    string
	}{
		{"auth", AuthConfig, `export default { providers: [{ domain: process.env.SET }] };`, `{"providers":[{"domain":"yes"}]}`, ""},
		{"authUnset", AuthConfig, `export default { providers: [process.env.UNSET ?? "x"] };`, "Environment variable UNSET is used in auth config file but its value was not set.", "AuthConfigMissingEnvironmentVariable"},
		{"authUnsetCaught", AuthConfig, `let x; try { x = process.env.UNSET; } catch {} export default { x };`, "Environment variable UNSET", "AuthConfigMissingEnvironmentVariable"},
		{"authNoDefault", AuthConfig, `export const x = 1;`, "", "AuthConfigMissingExportError"},
		{"authDate", AuthConfig, `export default { x: Date.now() };`, "", "NoDateDuringDefinitionEvaluation"},
		{"authRandom", AuthConfig, `export default { x: Math.random() };`, "", "NoRandomDuringDefinitionEvaluation"},
		{"authCrypto", AuthConfig, `export default { x: crypto.randomUUID() };`, "", "NoCryptoRngDuringDefinitionEvaluation"},
		{"authThrows", AuthConfig, `throw new Error("mine");`, "mine", ""},
		{"schema", Schema, `export default { export: () => '{"tables":[]}' };`, `{"tables":[]}`, ""},
		{"schemaEnv", Schema, `process.env.SET; export default { export: () => "{}" };`, "", "NoEnvironmentVariablesInSchema"},
		{"schemaTime", Schema, `export default { export: () => String(Date.now()) };`, "1700000000000", ""},
		{"schemaNone", Schema, `export default 5;`, "", "InvalidSchema"},
		{"definition", Definition, `export default { export: () => ({ a: process.env.SET }) };`, `{"a":"yes"}`, ""},
		{"definitionTwo", Definition, `export default { export: () => ({}) }; export const x = 1;`, "", "InvalidDefinition"},
		{"definitionTime", Definition, `performance.now(); export default { export: () => ({}) };`, "", "NoPerformanceDuringDefinitionEvaluation"},
		{"definitionDate", Definition, `export default { export: () => [new Date(5).getTime(), Date.UTC(1970, 0)] };`, "[5,0]", ""},
	} {
		got, x, err := e.Evaluate(t.Context(), c.subject, []Module{{Path: "auth.config.js", Source: c.source}}, world)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if x != nil {
			got = x.Message
			if x.Code != c.code {
				t.Errorf("%s: code %q (%s), want %q", c.name, x.Code, x.Text, c.code)
			}
		} else if c.code != "" {
			t.Errorf("%s: no error, %s", c.name, got)
		}
		if !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// TestLoadKeeps has modules make at import what a snapshot must carry.
func TestLoadKeeps(t *testing.T) {
	t.Parallel()
	p := load(t, module("m.js", `
const number = new Intl.NumberFormat("de"), format = Intl.NumberFormat("de").format, early = number.format(1.5);
const date = new Intl.DateTimeFormat("en", { dateStyle: "short" }), words = new Intl.Segmenter("en", { granularity: "word" });
function* g() { yield 1; yield 2 } const it = g(); it.next();
async function* ag() { yield 1; yield 2 } const it2 = ag(); await it2.next();
const ab = new ArrayBuffer(104), ta = new Float64Array(ab), big = new Uint8Array(1 << 20); ta[0] = 5; big[7] = 9;
const key = {}, weak = new WeakMap([[key, 1]]), map = new Map([["a", 1]]), re = /x+(y)/gu;
class A { #x = 1; get x() { return this.#x } static is(o) { return #x in o } } const a = new A();
const url = new URL("https://x/y"), late = Promise.withResolvers(), then = late.promise.then((v) => v + 1);
const store = new AsyncLocalStorage(), fn = new Function("return 5"), error = new Error("x"), bound = (function () { return this.v }).bind({ v: 6 });
export const intl = query(async () => [early, number.format(1234.5), format(0.5), date.format(new Date(5)), [...words.segment("a b")].length,
  number instanceof Intl.NumberFormat, number.constructor === Intl.NumberFormat, new Intl.NumberFormat("de").format(2.5), number.resolvedOptions().locale]);
export const rest = query(async () => { late.resolve(4); return [it.next().value, (await it2.next()).value, ta[0], big[7], weak.get(key), map.get("a"),
  re.exec("xxy")[1], a.x, A.is(a), url.pathname, await then, store.run(3, () => store.getStore()), fn(), error.message, bound()]; });`))
	if p.plain != nil {
		t.Error("the modules did not go into a snapshot")
	}
	if got, want := value(t, run(t, p, Query, "intl", nil, Limits{})), `["1,5","1.234,5","0,5","1/1/70",3,true,true,"2,5","de"]`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := value(t, run(t, p, Query, "rest", nil, Limits{})), `[2,2,5,9,1,1,"y",1,true,"/y",5,3,5,"x",6]`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestEngineEvicts loads more programs than isolates may idle.
func TestEngineEvicts(t *testing.T) {
	t.Parallel()
	e, err := Open(Options{Workers: 2, Isolates: 2})
	if err != nil {
		t.Fatal(err)
	}
	var programs []*Program
	for range 6 {
		p, err := e.Load(t.Context(), []Module{module("m.js", `export const f = query(async () => 1);`), {Path: "_deps/REG.js", Source: registered}}, Import{})
		if err != nil {
			t.Fatal(err)
		}
		programs = append(programs, p)
		value(t, run(t, p, Query, "f", nil, Limits{}))
	}
	for deadline := time.Now().Add(time.Minute); ; {
		s := e.Stats()
		if s.Isolates <= 2 && s.Programs == 6 && s.Running == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%+v", s)
		}
	}
	for _, p := range programs {
		value(t, run(t, p, Query, "f", nil, Limits{}))
		p.Release()
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if s := e.Stats(); s.Isolates != 0 || s.Programs != 0 {
		t.Errorf("left over: %+v", s)
	}
	if _, err := programs[0].Run(t.Context(), callOf(Query, "f", nil, Limits{})); !errors.Is(err, errClosed) {
		t.Errorf("a closed engine ran: %v", err)
	}
}

// TestContextsAreFreed runs many calls in one isolate and counts what stays.
func TestContextsAreFreed(t *testing.T) {
	t.Parallel()
	e, err := Open(Options{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	p := loadWith(t, e, Import{}, module("m.js", `
const store = new AsyncLocalStorage();
export const f = query(async () => { store.enterWith({}); const a = []; for (let i = 0; i < 3; i++) a.push(await call("x")); call("late").then(() => {}); console.log(a); return a.length; });
export const act = action(async () => { setTimeout(() => {}, 1e6); call("late"); return 1; });`))
	for range 150 {
		value(t, run(t, p, Query, "f", nil, Limits{}))
		value(t, run(t, p, Action, "act", nil, Limits{}))
	}
	h := p.take(false)
	if h.c == nil {
		p.newHeap(h)
	}
	before := h.runs
	h.tidy(true)
	contexts, used := h.contexts(), h.tidy(true)
	p.give(h, false)
	if contexts > 8 || used > 16<<20 {
		t.Errorf("after %d runs %d contexts and %d bytes stay", before, contexts, used)
	}
}
