package deploy

import (
	"strings"
	"testing"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/node"
	"github.com/lentil-dev/lentil/internal/udf"
)

// withNode gives the house a pool of Node.js processes.
func (h *house) withNode(opt node.Options) *house {
	h.Helper()
	opt.Dir = h.TempDir()
	pool, err := node.Open(opt)
	if err != nil {
		h.Fatal(err)
	}
	h.Runner.Node = pool
	h.Cleanup(func() {
		if err := pool.Close(); err != nil {
			h.Error(err)
		}
	})
	return h
}

// nodeModule makes a module with "use node".
func nodeModule(path, source string) Module {
	return Module{Path: path, Source: source, Environment: environmentNode}
}

// nodeLibrary is the library as node bundles have it: a chunk of their own.
func nodeLibrary() Module { return nodeModule("_deps/node/LIB.js", library) }

func TestPushNode(t *testing.T) {
	t.Parallel()
	h := newHouse(t).withNode(node.Options{})
	act := nodeModule("act.js", `import { make } from "./_deps/node/LIB.js"; import { sep } from "node:path";
export const join = make("Action", "Public", '{"type":"object","value":{"a":{"fieldType":{"type":"string"},"optional":false}}}', ({a}) => a + sep + process.env.GREETING);
join.invokeAction = async (id, text) => JSON.stringify(await join._handler(JSON.parse(text)[0]));`)
	r := bundleOf(module("messages.js", messages), nodeLibrary(), act)
	if err := h.UpdateEnvironment(t.Context(), set("GREETING", "hi")); err != nil {
		t.Fatal(err)
	}
	h.push(r)
	f := h.start(r).Analysis[""].Functions["act.js"].Functions[0]
	if f.Name != "join" || f.UDFType != "Action" || f.Pos == nil || f.Pos.Path != "act.js" {
		t.Errorf("join was analysed as %+v", f)
	}
	out, err := h.Runner.Action(t.Context(), udf.Request{Path: "act:join", Args: []byte(`{"a":"x"}`)})
	if err != nil || out.Failure != nil || string(out.Value) != `"x/hi"` {
		t.Errorf("join gave %+v, %v", out, err)
	}
	out, err = h.Runner.Action(t.Context(), udf.Request{Path: "act:join", Args: []byte(`{"a":1}`)})
	if err != nil || out.Failure == nil || !strings.Contains(out.Failure.Text, "ArgumentValidationError") {
		t.Errorf("join with a number gave %+v, %v", out, err)
	}
	big := `{"a":"` + strings.Repeat("x", 6<<20) + `"}`
	out, err = h.Runner.Action(t.Context(), udf.Request{Path: "act:join", Args: []byte(big)})
	if err != nil || out.Failure == nil || !strings.Contains(out.Failure.Text, "too large") {
		t.Errorf("join with 6 MiB gave %v", err)
	}
}

func TestPushNodeRefused(t *testing.T) {
	t.Parallel()
	with := func(m ...Module) *StartPushRequest { return bundleOf(append(m, nodeLibrary())...) }
	for _, c := range []struct {
		name    string
		opt     node.Options
		message string
		push    *StartPushRequest
	}{
		{"query", node.Options{}, "`q` defined in `act.js` is a Query function. Only actions can be defined in Node.js.",
			with(nodeModule("act.js", `import { make } from "./_deps/node/LIB.js"; export const q = make("Query", "Public", '{"type":"any"}', () => 1);`))},
		{"throws", node.Options{}, "Failed to analyze act.js: Uncaught RangeError: no", with(nodeModule("act.js", `throw new RangeError("no")`))},
		{"missing package", node.Options{}, "Failed to analyze act.js: Uncaught Error: Cannot find package 'nowhere'", with(nodeModule("act.js", `import "nowhere";`))},
		{"http", node.Options{}, "\"use node\" directive is not allowed for http.js", with(nodeModule("http.js", ``))},
		{"no Node.js", node.Options{Binary: "/nowhere/node"}, "Install Node.js 20 or newer", with(nodeModule("act.js", ``))},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHouse(t).withNode(c.opt)
			_, err := h.StartPush(t.Context(), c.push)
			if got, ok := apierr.As(err); !ok || !strings.HasPrefix(got.Message, prefix) || !strings.Contains(got.Message, c.message) {
				t.Errorf("refused with %v", err)
			}
		})
	}
	h := newHouse(t).withNode(node.Options{})
	r := with(nodeModule("act.js", ``))
	r.NodeVersion = "18"
	_, err := h.StartPush(t.Context(), r)
	h.refused(err, "NodeVersionNotSupported", "node.nodeVersion")
}
