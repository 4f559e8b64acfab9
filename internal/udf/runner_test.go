package udf

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/isolate"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/schema"
	"github.com/lentil-dev/lentil/internal/token"
	"github.com/lentil-dev/lentil/internal/value"
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

func TestRunnerQueryCached(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var runs atomic.Int32
	h.push("1", map[string]goFunction{
		"query m:list": func(c *hostCalls, a string) (string, error) {
			runs.Add(1)
			c.host.Print("LOG", "'hello'")
			return listAll("rows")(c, a)
		},
		"mutation m:add": insertInto("rows"),
	})
	first := h.mustQuery(Request{Path: "m:list"})
	second := h.mustQuery(Request{Path: "m:list"})
	if runs.Load() != 1 || !second.Cached || second.Reads != first.Reads || first.Hash != second.Hash {
		t.Fatalf("%d runs, %+v", runs.Load(), second)
	}
	if diff := cmp.Diff([]string{"[LOG] 'hello'"}, second.Logs); diff != "" {
		t.Error(diff)
	}
	added := h.mustMutate(Request{Path: "m:add", Args: []byte(`{"n":1}`)})
	third := h.mustQuery(Request{Path: "m:list"})
	if runs.Load() != 2 || third.TS < added.TS || !strings.Contains(string(third.Value), `"n":1`) || third.Hash == first.Hash {
		t.Fatalf("%d runs, %s", runs.Load(), third.Value)
	}
	h.mustMutate(Request{Path: "m:add", Args: []byte(`{"n":2}`)})
	old := h.mustQuery(Request{Path: "m:list", At: first.TS})
	if string(old.Value) != "[]" || old.TS != first.TS {
		t.Errorf("at %d: %s", first.TS, old.Value)
	}
	if again := h.mustQuery(Request{Path: "m:list"}); strings.Count(string(again.Value), `"n"`) != 2 {
		t.Errorf("%s", again.Value)
	}
}

func TestRunnerQueryInvalidatedByPushAndEnvironment(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	version := func(v string) map[string]goFunction {
		return map[string]goFunction{"query m:v": func(*hostCalls, string) (string, error) { return `"` + v + `"`, nil }}
	}
	h.push("1", version("one"))
	out := h.mustQuery(Request{Path: "m:v"})
	sub := h.DB.Subscribe(out.Reads, out.TS)
	defer sub.Close()
	h.push("2", version("two"))
	<-sub.Done()
	if out = h.mustQuery(Request{Path: "m:v"}); string(out.Value) != `"two"` {
		t.Fatalf("%s", out.Value)
	}
	sub = h.DB.Subscribe(out.Reads, out.TS)
	defer sub.Close()
	h.push("2", version("two"))
	select {
	case <-sub.Done():
		t.Error("a push of the same package invalidated")
	default:
	}
	one := "1"
	h.update(func(tx *database.Tx) error {
		return SetEnvironment(t.Context(), tx, []EnvChange{{"X", &one}})
	})
	<-sub.Done()
	if n := h.loads.Load(); n != 2 {
		t.Errorf("%d loads before the variable was seen", n)
	}
	h.mustQuery(Request{Path: "m:v"})
	if n := h.loads.Load(); n != 3 {
		t.Errorf("%d loads: a changed variable means another program", n)
	}
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

func TestRunnerQueryCoalesced(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var runs atomic.Int32
	gate := make(chan struct{})
	h.push("1", map[string]goFunction{"query m:list": func(c *hostCalls, a string) (string, error) {
		runs.Add(1)
		<-gate
		return listAll("rows")(c, a)
	}})
	var wg sync.WaitGroup
	var reads sync.Map
	for i := range 1000 {
		wg.Go(func() {
			out, err := h.Query(t.Context(), Request{Path: "m:list", Caller: user(fmt.Sprint(i))})
			if err != nil || out.Failure != nil {
				t.Errorf("%+v, %v", out, err)
				return
			}
			reads.Store(out.Reads, true)
		})
	}
	for runs.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	close(gate)
	wg.Wait()
	n := 0
	reads.Range(func(any, any) bool { n++; return true })
	if runs.Load() != 1 || n != 1 {
		t.Errorf("%d runs and %d read sets for 1000 subscribers", runs.Load(), n)
	}
}

func TestRunnerQueryPerCaller(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var runs atomic.Int32
	h.push("1", map[string]goFunction{"query m:me": func(c *hostCalls, _ string) (string, error) {
		runs.Add(1)
		return c.async("1.0/getUserIdentity", `{"requestId":""}`)
	}})
	for range 3 {
		for caller, want := range map[string]token.Caller{`{"subject":"ann"}`: user("ann"), `{"subject":"bob"}`: user("bob"), `null`: {}} {
			if out := h.mustQuery(Request{Path: "m:me", Caller: want}); string(out.Value) != caller || !out.UsedCaller {
				t.Errorf("%s instead of %s", out.Value, caller)
			}
		}
	}
	if runs.Load() != 3 {
		t.Errorf("%d runs for three callers", runs.Load())
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
	if _, err := h.Query(t.Context(), Request{Path: "m:priv", Component: "x"}); apierr.KindOf(err) != apierr.Unsupported {
		t.Error(err)
	}
}

// TestRunnerMutationGivesUp: a mutation that always conflicts ends with the text that clients know.
func TestRunnerMutationGivesUp(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.push("1", map[string]goFunction{"mutation m:lose": func(c *hostCalls, _ string) (string, error) {
		if _, err := c.collect(scanQuery("rows", "asc")); err != nil {
			return "", err
		}
		_, err := h.DB.Update(c.ctx, func(tx *database.Tx) error {
			_, err := tx.Insert(c.ctx, "rows", obj("n", 1))
			return err
		})
		if err != nil {
			return "", err
		}
		return c.async("1.0/insert", `{"table":"rows","value":{}}`)
	}})
	_, err := h.Mutation(t.Context(), Request{Path: "m:lose"})
	if e, ok := apierr.As(err); !ok || e.Code != "OptimisticConcurrencyControlFailure" || e.Message != `Documents read from or written to the "rows" table changed `+
		`while this mutation was being run and on every subsequent retry. See https://docs.convex.dev/error#1` {
		t.Error(err)
	}
	if len(h.lanes.lanes) > 0 {
		t.Error("a lane was left behind")
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

func TestRunnerMutationRetriesConflicts(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var id value.ID
	h.update(func(tx *database.Tx) (err error) {
		id, err = tx.Insert(t.Context(), "counters", obj("n", 0))
		return err
	})
	var runs atomic.Int32
	h.push("1", map[string]goFunction{"mutation m:inc": func(c *hostCalls, _ string) (string, error) {
		runs.Add(1)
		doc, err := c.async("1.0/get", fmt.Sprintf(`{"id":%q,"isSystem":false}`, id))
		if err != nil {
			return "", err
		}
		var d struct{ N float64 }
		if err := json.Unmarshal([]byte(doc), &d); err != nil {
			return "", err
		}
		return c.async("1.0/shallowMerge", fmt.Sprintf(`{"id":%q,"value":{"n":%v}}`, id, d.N+1))
	}})
	const clients, each = 32, 10
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for range each {
				if _, err := h.Mutation(t.Context(), Request{Path: "m:inc"}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	err := h.DB.View(t.Context(), func(tx *database.Tx) error {
		doc, err := tx.Get(t.Context(), id)
		if err != nil {
			return err
		}
		if n, _ := doc.Object().Get("n"); n != value.Float64(clients*each) {
			t.Errorf("counted %v", n)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if n := runs.Load(); n > 3*clients*each {
		t.Errorf("%d runs for %d increments", n, clients*each)
	}
	if len(h.lanes.lanes) > 0 {
		t.Error("a lane was left behind")
	}
}

func TestRunnerMutationExactlyOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.push("1", map[string]goFunction{
		"mutation m:add": func(c *hostCalls, a string) (string, error) {
			c.host.Print("LOG", "'once'")
			return insertInto("rows")(c, a)
		},
		"mutation m:boom": func(c *hostCalls, a string) (string, error) {
			if _, err := insertInto("rows")(c, a); err != nil {
				return "", err
			}
			return "", thrown{"boom"}
		},
		"query m:list": listAll("rows"),
	})
	req := Request{Path: "m:add", Args: []byte(`{"n":1}`), Session: "s1", SessionRequest: 7, HasSession: true}
	first := h.mustMutate(req)
	h.mustMutate(Request{Path: "m:add", Args: []byte(`{"n":2}`), Session: "s1", SessionRequest: 8, HasSession: true})
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			again, err := h.Mutation(t.Context(), req)
			if err != nil || again.TS != first.TS || string(again.Value) != string(first.Value) || !cmp.Equal(again.Logs, first.Logs) {
				t.Errorf("%+v, %v instead of %+v", again, err, first)
			}
		})
	}
	fresh := Request{Path: "m:add", Args: []byte(`{"n":3}`), Session: "s2", SessionRequest: 1, HasSession: true}
	for range 5 {
		wg.Go(func() {
			if _, err := h.Mutation(t.Context(), fresh); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if out := h.mustQuery(Request{Path: "m:list"}); strings.Count(string(out.Value), `"n"`) != 3 {
		t.Errorf("%s", out.Value)
	}
	bad := Request{Path: "m:boom", Args: []byte(`{"n":9}`), Session: "s1", SessionRequest: 9, HasSession: true}
	for range 2 { // a failure leaves no record and no writes
		if out, err := h.Mutation(t.Context(), bad); err != nil || out.Failure == nil || !strings.HasPrefix(out.Failure.Message, "[Request ID: "+SessionRequestID("s1", 9)+"]") {
			t.Errorf("%+v, %v", out, err)
		}
	}
	if out := h.mustQuery(Request{Path: "m:list"}); strings.Count(string(out.Value), `"n"`) != 3 {
		t.Errorf("%s", out.Value)
	}
	if err := h.sweep(t.Context(), time.Now().Add(13*24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if again := h.mustMutate(req); again.TS != first.TS {
		t.Error("the record went too early")
	}
	if err := h.sweep(t.Context(), time.Now().Add(15*24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if again := h.mustMutate(req); again.TS == first.TS {
		t.Error("the record is still there after two weeks")
	}
}

func TestRunnerSystemFunctions(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.System["_system/cli/rows:default"] = SystemFunction{Kind: Query, Run: func(ctx context.Context, c *SystemCtx) (value.Value, error) {
		o, err := c.ParsePageOptions()
		if err != nil {
			return nil, err
		}
		p, err := c.Page(ctx, "rows", "", database.Asc, o)
		if err != nil {
			return nil, err
		}
		return obj("n", len(p.Documents), "isDone", value.Bool(p.IsDone), "cursor", p.ContinueCursor), nil
	}}
	rows(t, h, 5)
	req := Request{Path: "_system/cli/rows", Args: []byte(`{"paginationOpts":{"numItems":3,"cursor":null}}`), Caller: admin}
	out := h.mustQuery(req)
	var page struct {
		N      int
		IsDone bool
		Cursor string
	}
	if err := json.Unmarshal(out.Value, &page); err != nil || page.N != 3 || page.IsDone {
		t.Fatalf("%s, %v", out.Value, err)
	}
	if !h.mustQuery(req).Cached {
		t.Error("not cached")
	}
	req.Args = fmt.Appendf(nil, `{"paginationOpts":{"numItems":3,"cursor":%q}}`, page.Cursor)
	if out = h.mustQuery(req); !strings.Contains(string(out.Value), `"n":2`) || !strings.Contains(string(out.Value), `"isDone":true`) {
		t.Errorf("%s", out.Value)
	}
	for _, caller := range []token.Caller{{}, user("ann")} {
		if out, err := h.Query(t.Context(), Request{Path: "_system/cli/rows", Caller: caller}); err != nil || out.Failure == nil {
			t.Errorf("%+v, %v", out, err)
		}
	}
	if out, err := h.Query(t.Context(), Request{Path: "_system/cli/rows", Caller: admin}); err != nil || out.Failure == nil || !strings.Contains(out.Failure.Message, "paginationOpts") {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestRunnerJournal(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	page := func(c *hostCalls, _ string) (string, error) {
		return c.async("1.0/queryPage", `{"query":`+scanQuery("rows", "desc")+`,"cursor":null,"endCursor":null,"pageSize":3}`)
	}
	h.push("1", map[string]goFunction{
		"query m:page": page,
		"query m:twice": func(c *hostCalls, a string) (string, error) {
			if _, err := page(c, a); err != nil {
				return "", err
			}
			return page(c, a)
		},
		"mutation m:add": insertInto("rows"),
	})
	for n := range 5 {
		h.mustMutate(Request{Path: "m:add", Args: fmt.Appendf(nil, `{"n":%d}`, n)})
	}
	first := h.mustQuery(Request{Path: "m:page"})
	if first.Journal == nil || strings.Count(string(first.Value), `"n":`) != 3 {
		t.Fatalf("%s", first.Value)
	}
	h.mustMutate(Request{Path: "m:add", Args: []byte(`{"n":9}`)})
	again := h.mustQuery(Request{Path: "m:page", Journal: first.Journal})
	if strings.Count(string(again.Value), `"n":`) != 4 || *again.Journal != *first.Journal {
		t.Errorf("the page did not grow: %s", again.Value)
	}
	bad := "xyz"
	if out, err := h.Query(t.Context(), Request{Path: "m:page", Journal: &bad}); err != nil || out.Failure == nil || !strings.Contains(out.Failure.Message, "InvalidCursor") ||
		string(out.Failure.Data) != `{"isConvexSystemError":true,"paginationError":"InvalidCursor"}` {
		t.Errorf("%+v, %v", out, err)
	}
	if out, err := h.Query(t.Context(), Request{Path: "m:twice"}); err != nil || out.Failure == nil || !strings.Contains(out.Failure.Message, "multiple paginated queries") {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestRunnerNestedCalls(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	call := func(kind, name string) goFunction {
		return func(c *hostCalls, _ string) (string, error) {
			return c.async("1.0/runUdf", fmt.Sprintf(`{"udfType":%q,"name":%q,"args":{"n":1}}`, kind, name))
		}
	}
	h.push("1", map[string]goFunction{
		"query m:list":            listAll("rows"),
		"internal mutation m:add": insertInto("rows"),
		"internal mutation m:addThrow": func(c *hostCalls, a string) (string, error) {
			if _, err := insertInto("rows")(c, a); err != nil {
				return "", err
			}
			return "", &isolate.Throw{Message: "inner", Data: []byte(`"why"`)}
		},
		"query m:q": call("query", "m:list"), "query m:qm": call("mutation", "m:add"), "query m:qs": call("snapshotQuery", "m:list"),
		"mutation m:m": call("mutation", "m:add"), "mutation m:throws": call("mutation", "m:addThrow"), "mutation m:kind": call("query", "m:add"),
		"mutation m:caught": func(c *hostCalls, a string) (string, error) {
			if _, err := insertInto("rows")(c, `[{"n":5}]`); err != nil {
				return "", err
			}
			if _, err := call("mutation", "m:addThrow")(c, a); err == nil {
				return "", errors.New("nothing thrown")
			}
			fresh, err := call("query", "m:list")(c, a)
			if err != nil {
				return "", err
			}
			stale, err := call("snapshotQuery", "m:list")(c, a)
			return fmt.Sprintf(`[%d,%d]`, strings.Count(fresh, `"n"`), strings.Count(stale, `"n"`)), err
		},
		"query m:deep": call("query", "m:deep"),
	})
	if out := h.mustQuery(Request{Path: "m:q"}); string(out.Value) != "[]" {
		t.Errorf("%s", out.Value)
	}
	h.mustMutate(Request{Path: "m:m"})
	out := h.mustMutate(Request{Path: "m:caught"})
	if string(out.Value) != "[2,1]" {
		t.Errorf("own write and snapshot: %s", out.Value)
	}
	if out := h.mustQuery(Request{Path: "m:list"}); strings.Count(string(out.Value), `"n"`) != 2 {
		t.Errorf("the write of the nested call was not undone: %s", out.Value)
	}
	for path, want := range map[string]string{
		"m:qm": "A query can only call other queries", "m:qs": "A query can only call other queries", "m:deep": "depth limit exceeded",
	} {
		if out, err := h.Query(t.Context(), Request{Path: path}); err != nil || out.Failure == nil || !strings.Contains(out.Failure.Message, want) {
			t.Errorf("%s: %+v, %v", path, out, err)
		}
	}
	failed, err := h.Mutation(t.Context(), Request{Path: "m:throws"})
	if err != nil || failed.Failure == nil || string(failed.Failure.Data) != `"why"` || !strings.Contains(failed.Failure.Text, "inner") {
		t.Errorf("%+v, %v", failed.Failure, err)
	}
	if out, _ := h.Mutation(t.Context(), Request{Path: "m:kind"}); out.Failure == nil || !strings.Contains(out.Failure.Text, "Trying to execute m.js:add as Query, but it is defined as Mutation.") {
		t.Errorf("%+v", out.Failure)
	}
}

func TestRunnerAction(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.push("1", map[string]goFunction{
		"query m:list":            listAll("rows"),
		"internal mutation m:add": insertInto("rows"),
		"internal query m:me": func(c *hostCalls, _ string) (string, error) {
			return c.async("1.0/getUserIdentity", `{"requestId":""}`)
		},
		"action m:do": func(c *hostCalls, _ string) (string, error) {
			c.host.Print("LOG", "'working'")
			if _, err := c.async("1.0/actions/mutation", `{"name":"m:add","args":{"n":1}}`); err != nil {
				return "", err
			}
			list, err := c.async("1.0/actions/query", `{"name":"m:list","args":{}}`)
			if err != nil {
				return "", err
			}
			me, err := c.async("1.0/actions/query", `{"name":"m:me","args":{}}`)
			return fmt.Sprintf(`[%d,%s]`, strings.Count(list, `"n"`), me), err
		},
		"action m:bad": func(c *hostCalls, _ string) (string, error) {
			return c.async("1.0/actions/query", `{"name":"m:gone","args":{}}`)
		},
		"action m:metrics": func(c *hostCalls, _ string) (string, error) { return c.async("1.0/getTransactionMetrics", `{}`) },
		"action m:loop": func(c *hostCalls, _ string) (string, error) {
			return c.async("1.0/actions/action", `{"name":"m:loop","args":{}}`)
		},
		"action m:handle": func(c *hostCalls, _ string) (string, error) {
			handle, err := c.async("1.0/createFunctionHandle", `{"name":"m:list"}`)
			if err != nil {
				return "", err
			}
			return c.async("1.0/actions/query", `{"functionHandle":`+handle+`,"args":{}}`)
		},
	})
	out, err := h.Action(t.Context(), Request{Path: "m:do", Caller: user("ann")})
	h.must(out, err)
	if string(out.Value) != `[1,{"subject":"ann"}]` || !cmp.Equal(out.Logs, []string{"[LOG] 'working'"}) {
		t.Errorf("%s %v", out.Value, out.Logs)
	}
	out, err = h.Action(t.Context(), Request{Path: "m:handle"})
	if h.must(out, err); strings.Count(string(out.Value), `"n"`) != 1 {
		t.Errorf("%s", out.Value)
	}
	for path, want := range map[string]string{
		"m:bad": "Could not find function for 'm:gone'.", "m:metrics": "Unknown async operation", "m:loop": "levels deep",
	} {
		if out, err := h.Action(t.Context(), Request{Path: path}); err != nil || out.Failure == nil || !strings.Contains(out.Failure.Text, want) {
			t.Errorf("%s: %+v, %v", path, out, err)
		}
	}
	var entries []LogEntry
	for cursor := int64(0); len(entries) < 5; {
		more, next, err := h.Logs().Since(t.Context(), cursor)
		if err != nil || next <= cursor {
			t.Fatal(more, next, err)
		}
		entries, cursor = append(entries, more...), next
	}
	var kinds []string
	for _, e := range entries[:5] {
		kinds = append(kinds, e.Kind+" "+e.UDFType+" "+e.Identifier)
	}
	want := []string{"Progress Action m:do", "Completion Mutation m:add", "Completion Query m:list", "Completion Query m:me", "Completion Action m:do"}
	if diff := cmp.Diff(want, kinds); diff != "" {
		t.Error(diff)
	}
	if e := entries[1]; e.ParentExecutionID == nil || *e.ParentExecutionID != entries[0].ExecutionID || e.IdentityType != "user" {
		t.Errorf("%+v", e)
	}
}

func TestRunnerWrites(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.push("1", map[string]goFunction{"mutation m:do": func(c *hostCalls, args string) (string, error) {
		var a []struct{ Op, Args string }
		if err := json.Unmarshal([]byte(args), &a); err != nil {
			return "", err
		}
		return c.async("1.0/"+a[0].Op, a[0].Args)
	}, "query m:list": listAll("rows")})
	do := func(op, args string) *Outcome {
		t.Helper()
		b, _ := json.Marshal(map[string]string{"op": op, "args": args})
		out, err := h.Mutation(t.Context(), Request{Path: "m:do", Args: b})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	var made struct {
		ID string `json:"_id"`
	}
	if err := json.Unmarshal(do("insert", `{"table":"rows","value":{"a":1,"b":{"c":2}}}`).Value, &made); err != nil {
		t.Fatal(err)
	}
	gone := strings.Replace(made.ID, made.ID, value.ID{Table: 10001}.String(), 1)
	for _, c := range []struct{ op, args, want string }{
		{"shallowMerge", `{"id":"$ID","value":{"a":{"$undefined":null},"d":3}}`, ""},
		{"get", `{"id":"$ID","isSystem":false,"table":"rows"}`, ""},
		{"get", `{"id":"$ID","isSystem":false,"table":"other"}`, `expected to be an Id<"other">, got Id<"rows"> instead.`},
		{"get", `{"id":"$ID","isSystem":true}`, "User tables cannot be accessed with db.system."},
		{"get", `{"id":"zzz","isSystem":false}`, "Invalid argument `id` for `db.get`: Unable to decode ID"},
		{"get", `{"id":3}`, "Invalid argument `id` for `db.get`: expected a string"},
		{"shallowMerge", `{"id":"$GONE","value":{}}`, "Update on nonexistent document ID $GONE"},
		{"replace", `{"id":"$GONE","value":{}}`, "Replace on nonexistent document ID $GONE"},
		{"remove", `{"id":"$GONE"}`, "Delete on nonexistent document ID $GONE"},
		{"insert", `{"table":"_x","value":{}}`, "read-only"},
		{"insert", `{"table":"1x","value":{}}`, "Invalid table name"},
		{"insert", `{"table":"rows","value":{"_x":1}}`, "Field '_x' starts with an underscore, which is only allowed for system fields like '_id'"},
		{"insert", `{"table":"rows","value":{"_id":"x"}}`, "system field '_id'"},
		{"insert", `{"table":"rows","value":{"$x":1}}`, "reserved"},
		{"insert", `{"table":"rows","value":` + strings.Repeat(`{"a":`, 17) + `1` + strings.Repeat(`}`, 17) + `}`, "Document is too nested"},
		{"insert", `{"table":"rows","value":{"a":"` + strings.Repeat("x", 1<<20) + `"}}`, "Value is too large"},
		{"insert", `{"table":"rows","value":3}`, "Invalid argument `value` for `db.insert`"},
		{"shallowMerge", `{"id":"$ID","value":{"_id":"other"}}`, "'_id' cannot be changed"},
		{"replace", `{"id":"$ID","value":{"_creationTime":1}}`, "'_creationTime' cannot be changed"},
		{"replace", `{"id":"$ID","value":{"z":1,"_id":"$ID"}}`, ""},
		{"count", `{"table":"rows"}`, ""},
		{"remove", `{"id":"$ID"}`, ""},
		{"get", `{"id":"$ID"}`, ""},
	} {
		r := strings.NewReplacer("$ID", made.ID, "$GONE", gone)
		out := do(c.op, r.Replace(c.args))
		switch {
		case c.want == "" && out.Failure != nil:
			t.Errorf("%s %s: %s", c.op, c.args, out.Failure.Text)
		case c.want != "" && (out.Failure == nil || !strings.Contains(out.Failure.Text, r.Replace(c.want))):
			t.Errorf("%s %.99s: %+v", c.op, c.args, out.Failure)
		}
	}
	if out := h.mustQuery(Request{Path: "m:list"}); string(out.Value) != "[]" {
		t.Errorf("%s", out.Value)
	}
	h.update(func(tx *database.Tx) error {
		return SetActiveSchema(t.Context(), tx, []byte(`{"schemaValidation":true,"tables":[{"tableName":"rows","indexes":[],"searchIndexes":[],"vectorIndexes":[],
			"documentType":{"type":"object","value":{"a":{"fieldType":{"type":"number"},"optional":false}}}}]}`))
	})
	if out := do("insert", `{"table":"rows","value":{"a":"x"}}`); out.Failure == nil ||
		!strings.Contains(out.Failure.Text, `Failed to insert or update a document in table "rows" because it does not match the schema: `) {
		t.Errorf("%+v", out.Failure)
	}
	if out := do("insert", `{"table":"rows","value":{"a":1}}`); out.Failure != nil {
		t.Errorf("%+v", out.Failure)
	}
}

// TestRunnerCacheTellsTheTruth asks for random snapshots between random writes: what the cache
// answers is what running at that snapshot gives.
func TestRunnerCacheTellsTheTruth(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(seed, 2))
			h := newHouse(t)
			rows(t, h, 6)
			h.push("1", map[string]goFunction{"query m:group": func(c *hostCalls, args string) (string, error) {
				var a []struct{ G, Limit int }
				if err := json.Unmarshal([]byte(args), &a); err != nil {
					return "", err
				}
				docs, err := c.collect(fmt.Sprintf(`{"source":{"type":"IndexRange","indexName":"rows.by_g_n","range":[{"type":"Eq","fieldPath":"g","value":%d}],"order":"asc"},"operators":[{"limit":%d}]}`, a[0].G, a[0].Limit))
				if err != nil {
					return "", err
				}
				b, err := json.Marshal(append([]json.RawMessage{}, docs...))
				return string(b), err
			}})
			times := []persistence.Timestamp{h.DB.Latest()}
			hits := 0
			for range 400 {
				if rng.IntN(4) == 0 {
					times = append(times, h.update(func(tx *database.Tx) error {
						_, err := tx.Insert(t.Context(), "rows", obj("n", rng.IntN(100), "g", rng.IntN(3)))
						return err
					}))
					continue
				}
				q := Request{Path: "m:group", Args: fmt.Appendf(nil, `{"g":%d,"limit":%d}`, rng.IntN(3), 1+rng.IntN(3)), At: times[len(times)-1-rng.IntN(min(len(times), 5))]}
				got := h.mustQuery(q)
				want, _, err := h.runQuery(t.Context(), &q, q.At)
				if err != nil || string(got.Value) != string(want.Value) || got.TS != q.At {
					t.Fatalf("at %d of %s: %s, want %s (%v)", q.At, q.Args, got.Value, want.Value, err)
				}
				if got.Cached {
					hits++
				}
			}
			if hits < 50 {
				t.Errorf("only %d of 300 queries came from the cache", hits)
			}
		})
	}
}
