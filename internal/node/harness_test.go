package node

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lentil-dev/lentil/internal/isolate"
)

// library mimics what the convex package makes of a function.
const library = `
export const action = (handler) => {
  const f = (...a) => handler({}, ...a);
  f.isAction = true; f.isPublic = true; f._handler = handler;
  f.exportArgs = () => '{"type":"any"}'; f.exportReturns = () => "null";
  f.invokeAction = async (requestId, args) => {
    try {
      return JSON.stringify((await handler({}, ...JSON.parse(args))) ?? null);
    } catch (e) {
      if (e?.payload !== undefined) { e.ConvexErrorSymbol = Symbol.for("ConvexError"); e[e.ConvexErrorSymbol] = true; e.data = JSON.stringify(e.payload); }
      throw e;
    }
  };
  return f;
};
export const call = async (op, args) => JSON.parse(await Convex.asyncSyscall(op, JSON.stringify(args ?? {})));
`

// module makes a module that may use action and call.
func module(path, source string) isolate.Module {
	return isolate.Module{Path: path, Source: `import { action, call } from "./` + strings.Repeat("../", strings.Count(path, "/")) + `_deps/node/LIB.js";` + source}
}

// open makes a pool that ends with the test.
func open(t testing.TB, opt Options) *Pool {
	t.Helper()
	opt.Dir = t.TempDir()
	p, err := Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// load makes a program of modules.
func load(t testing.TB, p *Pool, modules ...isolate.Module) *Program {
	t.Helper()
	pr, err := p.Load(t.Context(), Source{
		Modules: append(modules, isolate.Module{Path: "_deps/node/LIB.js", Source: library}),
		Env:     map[string]string{"GREETING": "hello", "SECRET": "s3cret"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pr.Release)
	return pr
}

// host answers from functions and keeps what was printed.
type host struct {
	async func(ctx context.Context, op, args string) (string, error)
	js    func(op string, args, body []byte) (text, raw []byte, err error)

	mu    sync.Mutex
	lines []string
	heard chan string // each line, if set
}

func (h *host) Syscall(op string, args []byte) ([]byte, error) {
	if op == "echo" {
		return args, nil
	}
	return nil, &isolate.Throw{Message: "Unknown operation " + op}
}

func (h *host) AsyncSyscall(ctx context.Context, op string, args []byte) ([]byte, error) {
	if h.async == nil {
		return args, nil
	}
	out, err := h.async(ctx, op, string(args))
	return []byte(out), err
}

func (h *host) StoreFile(_ context.Context, args []byte, r io.Reader) ([]byte, error) {
	body, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	text, _, err := h.js("storage/storeBlob", args, body)
	return text, err
}

func (h *host) OpenFile(_ context.Context, args []byte) (io.ReadCloser, error) {
	_, raw, err := h.js("storage/readBlob", args, nil)
	return io.NopCloser(bytes.NewReader(raw)), err
}

func (h *host) JSSyscall(_ context.Context, op string, args, body []byte) (text, raw []byte, err error) {
	if h.js == nil {
		return nil, nil, errors.New("unexpected " + op)
	}
	return h.js(op, args, body)
}

func (h *host) Print(level, line string) {
	h.mu.Lock()
	h.lines = append(h.lines, level+" "+line)
	h.mu.Unlock()
	if h.heard != nil {
		h.heard <- level + " " + line
	}
}

// printed is what was printed so far.
func (h *host) printed() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Join(h.lines, "\n")
}

// try runs an action.
func try(t testing.TB, p *Program, fn, args string, h *host) isolate.Result {
	t.Helper()
	if h == nil {
		h = &host{}
	}
	module, export, _ := strings.Cut(fn, ":")
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	r, err := p.Run(ctx, isolate.Call{Kind: isolate.Action, Module: module + ".js", Export: export, Method: "invokeAction", Args: []string{"req", "[" + args + "]"}, Host: h})
	if err != nil {
		t.Fatalf("%s: %v", fn, err)
	}
	return r
}

// want runs an action that must give a value.
func want(t testing.TB, p *Program, fn, args, value string, h *host) {
	t.Helper()
	r := try(t, p, fn, args, h)
	if r.Exception != nil {
		t.Fatalf("%s failed: %s", fn, r.Exception.Text)
	}
	if r.Value != value {
		t.Errorf("%s gave %s, not %s", fn, r.Value, value)
	}
}

// fails runs an action that must fail with a text that begins so.
func fails(t testing.TB, p *Program, fn, text string, cause isolate.Cause) *isolate.Exception {
	t.Helper()
	r := try(t, p, fn, "{}", nil)
	if r.Exception == nil {
		t.Fatalf("%s gave %s, but should fail with %q", fn, r.Value, text)
	}
	if !strings.HasPrefix(r.Exception.Text, text) || r.Exception.Cause != cause {
		t.Errorf("%s failed with %q (cause %d), not %q (cause %d)", fn, r.Exception.Text, r.Exception.Cause, text, cause)
	}
	return r.Exception
}
