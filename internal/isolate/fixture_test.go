package isolate

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"
)

// registered mimics what the convex package makes of a function: an object
// with markers and an invoke method that takes and gives JSON text.
const registered = `
const make = (mark, method) => (handler) => {
  const f = (...a) => handler({}, ...a);
  f[mark] = true; f.isPublic = true; f._handler = handler;
  f.exportArgs = () => '{"type":"any"}'; f.exportReturns = () => "null";
  f[method] = async (...strs) => JSON.stringify((await handler({}, ...JSON.parse(strs.at(-1)))) ?? null);
  return f;
};
export const query = make("isQuery", "invokeQuery");
export const mutation = make("isMutation", "invokeMutation");
export const action = make("isAction", "invokeAction");
export const call = async (op, args) => JSON.parse(await Convex.asyncSyscall(op, JSON.stringify(args ?? {})));
`

// module makes a module that may use query, mutation, action and call.
func module(path, source string) Module {
	up := strings.Repeat("../", strings.Count(path, "/"))
	return Module{Path: path, Source: `import { query, mutation, action, call } from "./` + up + `_deps/REG.js";` + "\n" + source}
}

// shared is one engine for all tests, as in the house.
var shared = sync.OnceValues(func() (*Engine, error) { return Open(Options{}) })

// load makes a program of modules, released when the test ends.
func load(t testing.TB, modules ...Module) *Program {
	t.Helper()
	e, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return loadWith(t, e, Import{Env: map[string]string{"FOO": "bar"}, Now: time.UnixMilli(1_700_000_000_000)}, modules...)
}

// loadWith makes a program in a given engine and world.
func loadWith(t testing.TB, e *Engine, world Import, modules ...Module) *Program {
	t.Helper()
	modules = append(modules, Module{Path: "_deps/REG.js", Source: registered})
	p, err := e.Load(t.Context(), modules, world)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Release)
	return p
}

// host answers from functions; the zero host echoes.
type host struct {
	mu    sync.Mutex
	sync  func(op string, args []byte) ([]byte, error)
	async func(ctx context.Context, op string, args []byte) ([]byte, error)
	lines []string
	ops   []string
}

func (h *host) Syscall(op string, args []byte) ([]byte, error) {
	if h.sync != nil {
		return h.sync(op, args)
	}
	return args, nil
}

func (h *host) AsyncSyscall(ctx context.Context, op string, args []byte) ([]byte, error) {
	h.mu.Lock()
	h.ops = append(h.ops, op)
	h.mu.Unlock()
	if h.async != nil {
		return h.async(ctx, op, args)
	}
	return args, nil
}

func (h *host) Print(level, line string) {
	h.mu.Lock()
	h.lines = append(h.lines, "["+level+"] "+line)
	h.mu.Unlock()
}

// now is the wall clock of every test invocation.
var now = time.UnixMilli(1_800_000_000_123)

// run calls an export of m.js.
func run(t testing.TB, p *Program, kind Kind, name string, h Host, limits Limits) Result {
	t.Helper()
	r, err := p.Run(t.Context(), callOf(kind, name, h, limits))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return r
}

// callOf builds the call of an export of m.js.
func callOf(kind Kind, name string, h Host, limits Limits) Call {
	if h == nil {
		h = &host{}
	}
	c := Call{Kind: kind, Module: "m.js", Export: name, Method: "invoke" + kind.String(), Args: []string{"[{}]"},
		Now: now, Seed: [32]byte{1, 2, 3}, Host: h, Limits: limits}
	if kind == Action {
		c.Args = []string{"request", "[{}]"}
	}
	return c
}

// value fails the test unless the call succeeded.
func value(t testing.TB, r Result) string {
	t.Helper()
	if r.Exception != nil {
		t.Fatalf("threw: %s", r.Exception.Text)
	}
	return r.Value
}

// isHostError tells the error a test host ends runs with.
var errHost = errors.New("the host is on fire")
