package isolate

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"
)

// FuzzLoad feeds arbitrary module sources and import paths: whatever they do,
// a good module beside them works.
func FuzzLoad(f *testing.F) {
	for _, s := range []string{
		"", "export default 1", "import './m.js'", "import x from '../../../etc'", "import './_deps/REG.js'; export * from './fuzz.js'",
		"throw null", "export const = ", "\x00", "await import('./m.js')", "export { q as default } from './m.js'", "import.meta.url",
		"globalThis.Convex = null; Object.prototype.x = 1", "delete globalThis.Error", "Symbol.iterator", "class A { static { throw this } }",
		"Error.stackTraceLimit = 0; null.x", "Error.prepareStackTrace = () => 5; null.x", "console.log(globalThis)",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, source string) {
		e, err := shared()
		if err != nil {
			t.Fatal(err)
		}
		p, err := e.Load(t.Context(), []Module{
			module("m.js", "export const q = query(async () => 7);"), {Path: "_deps/REG.js", Source: registered},
			{Path: "fuzz.js", Source: source},
		}, Import{})
		var x *Exception
		if errors.As(err, &x) {
			return // ran out of time or memory
		}
		if err != nil {
			t.Fatal(err)
		}
		defer p.Release()
		r, err := p.Run(t.Context(), callOf(Query, "q", nil, Limits{UserTime: 5 * time.Second}))
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.Inspect(t.Context())
		if err != nil && !errors.As(err, &x) {
			t.Fatal(err)
		}
		_ = r
	})
}

// FuzzAnswers gives a program arbitrary answers and error data.
func FuzzAnswers(f *testing.F) {
	f.Add([]byte("{}"), "m", []byte(`{"a":1}`))
	f.Add([]byte(""), "", []byte(``))
	f.Add([]byte("\xff\xfe"), "\x00", []byte(`[1,`))
	f.Add([]byte(`"`+"\u2028"+`"`), "é\n", []byte(`"x"`))
	e, err := shared()
	if err != nil {
		f.Fatal(err)
	}
	p, err := e.Load(context.Background(), []Module{module("m.js", `
export const f = query(async () => {
  const raw = await Convex.asyncSyscall("a", "{}");
  try { Convex.syscall("b", "{}"); } catch (e) { return [typeof raw, raw.length >= 0, e instanceof Error, typeof e.message]; }
});`), {Path: "_deps/REG.js", Source: registered}}, Import{})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(p.Release)
	f.Fuzz(func(t *testing.T, answer []byte, message string, data []byte) {
		h := &host{
			async: func(context.Context, string, []byte) ([]byte, error) { return answer, nil },
			sync:  func(string, []byte) ([]byte, error) { return nil, &Throw{Message: message, Data: data} },
		}
		if got := value(t, run(t, p, Query, "f", h, Limits{UserTime: 5 * time.Second})); got != `["string",true,true,"string"]` {
			t.Errorf("got %s", got)
		}
	})
}

// FuzzExceptions reads arbitrary descriptions and maps them with arbitrary
// source maps.
func FuzzExceptions(f *testing.F) {
	d, _ := json.Marshal(described{Name: "Error", Message: "m", Stack: "Error: m\n    at f (m.js:5:9)\n    at async m.js:1:1"})
	f.Add(append(d, 0), fixtureMap(f, "../convex/a.ts"))
	f.Add([]byte("not json\x00m.js:1:2"), "{")
	f.Add([]byte(`{"name":"SyntaxError"}`+"\x00m.js:99999999999999999999:2"), `{"version":3,"sources":[],"mappings":"AAAA"}`)
	f.Add([]byte(`{"stack":"    at m.js:5:7"}`), `{"mappings":"10000A"}`)
	f.Fuzz(func(t *testing.T, text []byte, source string) {
		p := &Program{maps: map[string]*sourceMap{"m.js": {text: source}}}
		if x := p.maps.Exception(text); x.Text == "" {
			t.Error("no text")
		}
	})
}

// FuzzRequests reads arbitrary records as if a turn had left them.
func FuzzRequests(f *testing.F) {
	f.Add([]byte("L\x01\x02\x00\x00\x00hi"))
	f.Add(appendString(appendString(appendString([]byte("A\x01\x00\x00\x00"), "op"), "{}"), ""))
	f.Add([]byte("X\x01\x00\x00\x00H"))
	f.Fuzz(func(t *testing.T, b []byte) {
		v := &invocation{program: &Program{}, call: Call{Host: &host{}}}
		v.requests(b)
	})
}
