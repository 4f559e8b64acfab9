package udf

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/isolate"
	"github.com/lentil-dev/lentil/internal/schema"
	"github.com/lentil-dev/lentil/internal/token"
)

// user is a caller with an identity.
func user(name string) token.Caller {
	return token.Caller{Role: token.User, Claims: &token.Claims{Subject: name, Attributes: json.RawMessage(`{"subject":"` + name + `"}`)}}
}

// admin is a holder of the admin key.
var admin = token.Caller{Role: token.Admin}

// validator parses a validator.
func validator(t *testing.T, text string) *schema.Validator {
	t.Helper()
	v, err := schema.ParseValidator([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestRunnerPushUnderLoad: pushes while queries run never make one fail, and superseded programs go away.
func TestRunnerPushUnderLoad(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	functions := func(v int) map[string]goFunction {
		return map[string]goFunction{"query m:v": func(*hostCalls, string) (string, error) { return fmt.Sprint(v), nil }}
	}
	h.push("0", functions(0))
	var mu sync.Mutex // the harness swaps its map of functions
	h.Runner.loader = func(context.Context, []isolate.Module, isolate.Import) (javascript, error) {
		mu.Lock()
		defer mu.Unlock()
		return &goProgram{h: h, functions: h.functions}, nil
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if out, err := h.Query(t.Context(), Request{Path: "m:v"}); err != nil || out.Failure != nil {
					t.Errorf("%+v, %v", out, err)
					return
				}
			}
		})
	}
	for v := 1; v <= 20; v++ {
		mu.Lock()
		h.functions = map[string]goFunction{"m.js:v": functions(v)["query m:v"]}
		mu.Unlock()
		rows := []ModuleRow{{Path: "m.js", Environment: "isolate", Source: fmt.Sprint(v), Functions: []FunctionRow{{Name: "v", Kind: Query, Public: true}}}}
		h.update(func(tx *database.Tx) error { return InstallModules(t.Context(), tx, Package{Modules: rows}) })
		h.mustQuery(Request{Path: "m:v"})
	}
	close(stop)
	wg.Wait()
	if n := h.released.Load(); n < 15 {
		t.Errorf("%d superseded programs released", n)
	}
}

func TestRunnerFailures(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.push("1", map[string]goFunction{
		"query m:boom": func(*hostCalls, string) (string, error) { return "", thrown{"boom"} },
		"query m:data": func(*hostCalls, string) (string, error) {
			return "", &isolate.Throw{Message: "x", Data: []byte(`{"a":1}`)}
		},
		"query m:args":          func(_ *hostCalls, a string) (string, error) { return a, nil },
		"query m:returns":       func(*hostCalls, string) (string, error) { return `"x"`, nil },
		"query m:unknown":       func(c *hostCalls, _ string) (string, error) { return c.async("1.0/insert", `{}`) },
		"query m:sched":         func(c *hostCalls, _ string) (string, error) { return c.async("1.0/storageGetUrl", `{}`) },
		"internal query m:priv": func(*hostCalls, string) (string, error) { return "1", nil },
		"mutation m:mut":        func(*hostCalls, string) (string, error) { return "null", nil },
	}, FunctionRow{Name: "args", Args: validator(t, `{"type":"object","value":{"n":{"fieldType":{"type":"number"},"optional":false}}}`)},
		FunctionRow{Name: "returns", Returns: validator(t, `{"type":"number"}`)})
	for _, c := range []struct{ path, args, want string }{
		{"m:boom", "", "Uncaught Error: boom"},
		{"m:nothing", "", "Could not find public function for 'm:nothing'. Did you forget to run `npx convex dev` or `npx convex deploy`?"},
		{"../etc", "", "Could not find public function for '../etc'."},
		{"m:priv", "", "Could not find public function for 'm:priv'."},
		{"m:mut", "", "Trying to execute m.js:mut as Query, but it is defined as Mutation."},
		{"m:args", `{"n":"x"}`, "ArgumentValidationError: Value does not match validator.\nPath: .n\nValue: \"x\"\nValidator: v.float64()"},
		{"m:args", `{}`, "ArgumentValidationError: Object is missing the required field `n`."},
		{"m:args", `{"n":1,"x":1}`, "ArgumentValidationError: Object contains extra field `x` that is not in the validator."},
		{"m:args", `[{"n":1},{}]`, "ArgumentValidationError: Expected to receive an object as the function's argument."},
		{"m:args", `3`, "ArgumentValidationError: Expected to receive an object"},
		{"m:args", `{"n":`, "ArgumentValidationError: "},
		{"m:returns", ``, "ReturnsValidationError: Value does not match validator."},
		{"m:unknown", ``, "Unknown async operation 1.0/insert"},
		{"m:sched", ``, "File storage (ctx.storage) is not supported by Lentil yet."},
		{"_system/cli/tables", ``, "Could not find public function for '_system/cli/tables'."},
	} {
		out, err := h.Query(t.Context(), Request{Path: c.path, Args: []byte(c.args), RequestID: "0123456789abcdef"})
		if err != nil {
			t.Errorf("%s: %v", c.path, err)
			continue
		}
		if out.Failure == nil {
			t.Errorf("%s: succeeded with %s", c.path, out.Value)
			continue
		}
		got, ok := strings.CutPrefix(out.Failure.Message, "[Request ID: 0123456789abcdef] Server Error\n")
		if !ok || !strings.Contains(got, c.want) {
			t.Errorf("%s %s: %s", c.path, c.args, out.Failure.Message)
		}
		if out.Reads == nil {
			t.Errorf("%s: no read set", c.path)
		}
	}
	if out, _ := h.Query(t.Context(), Request{Path: "m:data"}); out.Failure == nil || string(out.Failure.Data) != `{"a":1}` {
		t.Errorf("%+v", out.Failure)
	}
	if out := h.mustQuery(Request{Path: "m:args", Args: []byte(`[{"n":1}]`)}); string(out.Value) != `[{"n":1}]` {
		t.Errorf("%s", out.Value)
	}
	if out := h.mustQuery(Request{Path: "m:priv", Caller: admin}); string(out.Value) != "1" {
		t.Errorf("%s", out.Value)
	}
	for path, kind := range map[string]Kind{"m:mut": Mutation, "m:returns": Query, "m:gone": Query} {
		if out, err := h.Any(t.Context(), Request{Path: path}); err != nil || out.Kind != kind {
			t.Errorf("%s ran as %v, %v", path, out.Kind, err)
		}
	}
	for want, q := range map[string]Request{
		"Could not find public function for 'm:priv' in component 'x'.": {Path: "m:priv", Component: "x"},
		"There is no component \"x\" in this deployment.":               {Path: "m:priv", Component: "x", Caller: admin},
	} {
		if out, err := h.Query(t.Context(), q); err != nil || out.Failure == nil || !strings.HasPrefix(out.Failure.Text, want) {
			t.Errorf("%+v, %v, want %s", out, err, want)
		}
	}
}

// TestRunnerMissingFunctionAppears: a subscription to a function that does not exist is invalidated by its push.
func TestRunnerMissingFunctionAppears(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	out, err := h.Query(t.Context(), Request{Path: "m:v"})
	if err != nil || out.Failure == nil {
		t.Fatal(out, err)
	}
	sub := h.DB.Subscribe(out.Reads, out.TS)
	defer sub.Close()
	h.push("1", map[string]goFunction{"query m:v": func(*hostCalls, string) (string, error) { return "1", nil }})
	<-sub.Done()
	h.mustQuery(Request{Path: "m:v"})
}

func TestRunnerRedacts(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.Redact = true
	h.push("1", map[string]goFunction{"query m:boom": func(c *hostCalls, _ string) (string, error) {
		c.host.Print("LOG", "'secret'")
		return "", &isolate.Throw{Message: "secret", Data: []byte(`"told"`)}
	}})
	out, err := h.Query(t.Context(), Request{Path: "m:boom", RequestID: "r"})
	if err != nil || out.Failure.Message != "[Request ID: r] Server Error" || len(out.Logs) != 0 || string(out.Failure.Data) != `"told"` {
		t.Errorf("%+v, %v", out, err)
	}
	entries, _, err := h.Logs().Since(t.Context(), 0)
	if err != nil || len(entries) != 1 || len(entries[0].LogLines) != 1 || !strings.Contains(*entries[0].Error, "secret") {
		t.Errorf("the owner's log must have it all: %+v, %v", entries, err)
	}
}

func TestRunnerTimestamps(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.push("1", map[string]goFunction{"query m:v": func(*hostCalls, string) (string, error) { return "1", nil }})
	if _, err := h.Query(t.Context(), Request{Path: "m:v", At: h.DB.Latest() + 1}); apierr.KindOf(err) != apierr.BadRequest {
		t.Error(err)
	}
	old := h.DB.Latest()
	h.push("2", map[string]goFunction{"query m:v": func(*hostCalls, string) (string, error) { return "2", nil }})
	if err := h.DB.Prune(t.Context(), h.DB.Latest()); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Query(t.Context(), Request{Path: "m:v", At: old}); apierr.KindOf(err) != apierr.BadRequest {
		t.Error(err)
	}
}

// TestRunnerWarm: what was loaded ahead of a push is not loaded again, and a restarted runner loads
// the live program before anybody asks.
func TestRunnerWarm(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.functions = map[string]goFunction{"m.js:v": func(*hostCalls, string) (string, error) { return "1", nil }}
	p := Package{Modules: []ModuleRow{{Path: "m.js", Environment: "isolate", Source: "x", Functions: []FunctionRow{{Name: "v", Kind: Query, Public: true}}}}}
	if err := h.Warm(t.Context(), nil, p); err != nil {
		t.Fatal(err)
	}
	h.update(func(tx *database.Tx) error { return InstallModules(t.Context(), tx, p) })
	h.mustQuery(Request{Path: "m:v"})
	if n := h.loads.Load(); n != 1 {
		t.Errorf("%d loads", n)
	}
	h.programs.close()
	h.programs = &programs{}
	loaded, load := make(chan bool, 1), h.loader
	h.loader = func(ctx context.Context, m []isolate.Module, w isolate.Import) (javascript, error) {
		loaded <- true
		return load(ctx, m, w)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	<-loaded
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestRunnerClock: the result of a query that looked at the clock is served for a while only.
func TestRunnerClock(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.push("1", map[string]goFunction{"query m:now": func(c *hostCalls, _ string) (string, error) {
		c.observed = true
		return fmt.Sprint(c.call.Now.UnixMilli()), nil
	}})
	began := time.Now()
	h.mustQuery(Request{Path: "m:now"})
	if !h.mustQuery(Request{Path: "m:now"}).Cached {
		t.Error("not cached at all")
	}
	e := h.cache.order.Front().Value.(*cacheEntry)
	if e.expires.Before(began.Add(maxClockAge)) || time.Until(e.expires) > maxClockAge {
		t.Errorf("expires in %v", time.Until(e.expires))
	}
	e.expires = time.Now().Add(-time.Millisecond)
	if h.mustQuery(Request{Path: "m:now"}).Cached {
		t.Error("served after its time")
	}
}
