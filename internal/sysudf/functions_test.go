package sysudf

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/isolate"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/schema"
	"github.com/lentil-dev/lentil/internal/token"
	"github.com/lentil-dev/lentil/internal/udf"
	"github.com/lentil-dev/lentil/internal/value"
)

// house is a runner with the system functions over an in-memory database.
type house struct {
	testing.TB
	*udf.Runner
}

// newHouse opens one with a module, two variables and 25 documents.
func newHouse(t testing.TB) *house {
	t.Helper()
	db, err := database.Open(t.Context(), database.Options{Store: persistence.NewMemory()})
	if err != nil {
		t.Fatal(err)
	}
	h := &house{t, &udf.Runner{
		DB: db, Engine: new(isolate.Engine), Sealer: token.NewSealer([]byte("0123456789abcdef0123456789abcdef")), Log: slog.New(slog.DiscardHandler),
		CloudURL: "http://cloud.test", SiteURL: "http://site.test", Deployment: "happy-soup-1", System: Functions(),
	}}
	if err := h.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- db.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		<-done
		h.Close()
		db.Close()
	})
	args, err := schema.ParseArgs([]byte(`{"type":"object","value":{"n":{"fieldType":{"type":"number"},"optional":true}}}`))
	if err != nil {
		t.Fatal(err)
	}
	yes, no := "yes", "no"
	h.update(func(tx *database.Tx) error {
		for i := range 25 {
			if _, err := tx.Insert(t.Context(), "messages", value.ObjectOf(value.Field{Name: "n", Value: value.Float64(i)})); err != nil {
				return err
			}
		}
		if _, err := tx.CreateTable(t.Context(), "empty"); err != nil {
			return err
		}
		if err := udf.SetEnvironment(t.Context(), tx, []udf.EnvChange{{Name: "B", Value: &yes}, {Name: "A", Value: &no}}); err != nil {
			return err
		}
		return udf.InstallModules(t.Context(), tx, udf.Package{Config: udf.Config{ServerVersion: "1.48.0"}, Modules: []udf.ModuleRow{{
			Path: "messages.js", Environment: "isolate", Source: "//", Hash: udf.HashModule("//", ""),
			Functions: []udf.FunctionRow{{Name: "list", Kind: udf.Query, Public: true, Args: args}, {Name: "send", Kind: udf.Mutation}},
		}}})
	})
	return h
}

// update commits what f writes.
func (h *house) update(f func(*database.Tx) error) {
	h.Helper()
	if _, err := h.DB.Update(h.Context(), f); err != nil {
		h.Fatal(err)
	}
}

// as runs a function as an admin or as anybody, and gives its value or failure.
func (h *house) as(role token.Role, path, args string) string {
	h.Helper()
	out, err := h.Query(h.Context(), udf.Request{Path: path, Args: []byte(args), Caller: token.Caller{Role: role}})
	switch {
	case err != nil:
		return "error: " + err.Error()
	case out.Failure != nil:
		return "failure: " + out.Failure.Text
	}
	return string(out.Value)
}

func TestFunctions(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for _, c := range []struct{ path, args, want string }{
		{"_system/cli/convexUrl:cloudUrl", `{}`, `"http://cloud.test"`},
		{"_system/cli/convexUrl:siteUrl", `{}`, `"http://site.test"`},
		{"_system/cli/exports:getLatest", `{}`, `null`},
		{"_system/frontend/getSchemas", `{}`, `{"active":null}`},
		{"_system/cli/queryImport:list", `{}`, `[]`},
		{"_system/cli/queryImport", `{"importId":"x"}`, `null`},
		{"_system/cli/queryEnvironmentVariables:default", `{}`, `[{"name":"A","value":"no"},{"name":"B","value":"yes"}]`},
		{"_system/cli/queryEnvironmentVariables", `{}`, `[{"name":"A","value":"no"},{"name":"B","value":"yes"}]`},
		{"_system/cli/queryEnvironmentVariables:get", `{"name":"B"}`, `{"name":"B","value":"yes"}`},
		{"_system/cli/queryEnvironmentVariables:get", `{"name":"CONVEX_SITE_URL"}`, `{"name":"CONVEX_SITE_URL","value":"http://site.test"}`},
		{"_system/cli/queryEnvironmentVariables:get", `{"name":"C"}`, `null`},
		{"_system/cli/tables", `{"paginationOpts":{"cursor":null,"numItems":10000}}`, `{"continueCursor":"end","isDone":true,"page":[{"name":"empty"},{"name":"messages"}]}`},
		{"_system/cli/tableSize:default", `{"tableName":"messages"}`, `25`},
		{"_system/cli/tableSize:default", `{"tableName":"nothing"}`, `0`},
		{"_system/cli/modules:apiSpec", `{}`, `[{"args":{"type":"object","value":{"n":{"fieldType":{"type":"number"},"optional":true}}},"functionType":"Query","identifier":"messages.js:list","returns":{"type":"any"},"visibility":{"kind":"public"}},` +
			`{"args":{"type":"any"},"functionType":"Mutation","identifier":"messages.js:send","returns":{"type":"any"},"visibility":{"kind":"internal"}}]`},
	} {
		if got := h.as(token.Admin, c.path, c.args); got != c.want {
			t.Errorf("%s %s = %s, want %s", c.path, c.args, got, c.want)
		}
		if got := h.as(token.Anonymous, c.path, c.args); !strings.HasPrefix(got, "failure") && !strings.HasPrefix(got, "error") {
			t.Errorf("anybody may call %s: %s", c.path, got)
		}
	}
}

func TestTableData(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var seen []float64
	cursor := "null"
	for range 10 {
		got := h.as(token.Admin, "_system/cli/tableData", fmt.Sprintf(`{"table":"messages","order":"desc","paginationOpts":{"cursor":%s,"numItems":10}}`, cursor))
		var page struct {
			Page           []struct{ N float64 }
			IsDone         bool
			ContinueCursor string
		}
		if err := json.Unmarshal([]byte(got), &page); err != nil {
			t.Fatalf("%v in %s", err, got)
		}
		for _, d := range page.Page {
			seen = append(seen, d.N)
		}
		if page.IsDone {
			break
		}
		cursor = fmt.Sprintf("%q", page.ContinueCursor)
	}
	if len(seen) != 25 || seen[0] != 24 || seen[24] != 0 {
		t.Errorf("documents %v", seen)
	}
	for _, args := range []string{
		`{}`, `{"table":7}`, `{"table":"_modules","paginationOpts":{"cursor":null,"numItems":1}}`, `{"table":"messages"}`, `{"table":"messages","order":"up","paginationOpts":{"cursor":null,"numItems":1}}`,
		`{"table":"messages","order":[],"paginationOpts":{"cursor":null,"numItems":1}}`, `{"table":"messages","paginationOpts":{"cursor":"x","numItems":1}}`, `{"table":"messages","paginationOpts":{"cursor":null,"numItems":0}}`,
	} {
		if got := h.as(token.Admin, "_system/cli/tableData", args); !strings.HasPrefix(got, "failure") {
			t.Errorf("%s = %s", args, got)
		}
	}
}

func TestQueryTableChanges(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	watch := func() string { return h.as(token.Admin, "_system/cli/queryTable", `{"tableName":"messages"}`) }
	before := watch()
	h.update(func(tx *database.Tx) error {
		_, err := tx.Insert(t.Context(), "other", value.Object{})
		return err
	})
	if got := watch(); got != before {
		t.Errorf("a write elsewhere made %s of %s", got, before)
	}
	h.update(func(tx *database.Tx) error {
		c := tx.Scan("messages", database.ByCreationTime, database.Interval{}, database.Asc)
		d, err := c.Next(t.Context())
		if err != nil {
			return err
		}
		return tx.Replace(t.Context(), d.ID, value.Object{})
	})
	if got := watch(); got == before {
		t.Errorf("a changed document left %s", got)
	}
}
