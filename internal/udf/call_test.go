package udf

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/isolate"
	"github.com/lentil-dev/lentil/internal/token"
	"github.com/lentil-dev/lentil/internal/value"
)

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

// TestRunnerActionReturnsNewTable: an id of a table that the action itself made is a valid result.
func TestRunnerActionReturnsNewTable(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.push("1", map[string]goFunction{
		"internal mutation m:add": func(c *hostCalls, a string) (string, error) {
			out, err := insertInto("fresh")(c, a)
			return strings.TrimSuffix(strings.TrimPrefix(out, `{"_id":`), "}"), err
		},
		"action m:make": func(c *hostCalls, _ string) (string, error) {
			return c.async("1.0/actions/mutation", `{"name":"m:add","args":{}}`)
		},
	}, FunctionRow{Name: "make", Returns: validator(t, `{"type":"id","tableName":"fresh"}`)})
	out, err := h.Action(t.Context(), Request{Path: "m:make"})
	h.must(out, err)
}
