package udf

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/isolate"
	"github.com/lentil-dev/lentil/internal/token"
)

// engine is the JavaScript engine of all tests: one per process is its design.
var engine = sync.OnceValues(func() (*isolate.Engine, error) { return isolate.Open(isolate.Options{}) })

// newApp opens a runner whose live package is the JavaScript of a directory, pushed as deploy would.
func newApp(t testing.TB, dir string) *house {
	t.Helper()
	h := newHouse(t)
	var err error
	if h.Runner.Engine, err = engine(); err != nil {
		t.Fatal(err)
	}
	h.Runner.loader = func(ctx context.Context, m []isolate.Module, w isolate.Import) (javascript, error) {
		return h.Engine.Load(ctx, m, w)
	}
	var modules []isolate.Module
	err = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".js" {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		sourceMap, _ := os.ReadFile(path + ".map")
		modules = append(modules, isolate.Module{Path: filepath.ToSlash(name), Source: string(source), SourceMap: string(sourceMap)})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	h.install(modules)
	return h
}

// install pushes modules, with what the engine finds in them.
func (h *house) install(modules []isolate.Module) {
	h.Helper()
	var p Package
	p.Config = Config{ServerVersion: "1.48.0", ImportPhaseRngSeed: [32]byte{7}, ImportPhaseUnixTimestampMS: 1766500000000}
	program, err := h.Engine.Load(h.Context(), modules, isolate.Import{Env: map[string]string{}, Now: time.UnixMilli(1766500000000)})
	if err != nil {
		h.Fatal(err)
	}
	defer program.Release()
	infos, err := program.Inspect(h.Context())
	if err != nil {
		h.Fatal(err)
	}
	functions := map[string][]FunctionRow{}
	for _, info := range infos {
		for _, f := range info.Functions {
			row := FunctionRow{Name: f.Name, Kind: Kind(f.Kind), Public: f.Public}
			if row.Args, err = parseStored(json.RawMessage(f.Args)); err != nil {
				h.Fatal(err)
			}
			if row.Returns, err = parseStored(json.RawMessage(f.Returns)); err != nil {
				h.Fatal(err)
			}
			functions[info.Path] = append(functions[info.Path], row)
		}
		if info.Path == "broken.js" {
			functions[info.Path] = []FunctionRow{{Name: "list", Kind: Query, Public: true}}
		}
	}
	for _, m := range modules {
		p.Modules = append(p.Modules, ModuleRow{Path: m.Path, Environment: "isolate", Source: m.Source, SourceMap: m.SourceMap, Functions: functions[m.Path]})
	}
	h.update(func(tx *database.Tx) error {
		for _, ix := range tx.Indexes("messages") {
			if ix.Name == "by_author" {
				return InstallModules(h.Context(), tx, p)
			}
		}
		if err := tx.AddIndex(h.Context(), "messages", "by_author", []string{"author"}, database.Enabled); err != nil {
			return err
		}
		return InstallModules(h.Context(), tx, p)
	})
}

func TestJavaScript(t *testing.T) {
	t.Parallel()
	h := newApp(t, "testdata/app")
	send := h.mustMutate(Request{Path: "messages:send", Args: []byte(`{"body":"hi"}`), Caller: user("ann")})
	if len(send.Logs) != 1 || !strings.HasPrefix(send.Logs[0], "[LOG] 'sending' {") {
		t.Errorf("%q", send.Logs)
	}
	h.mustMutate(Request{Path: "messages:send", Args: []byte(`[{"body":"ho"}]`)})
	h.mustMutate(Request{Path: "messages:like", Args: fmt.Appendf(nil, `{"id":%s}`, send.Value)})
	h.mustMutate(Request{Path: "messages:like", Args: fmt.Appendf(nil, `{"id":%s}`, send.Value)})
	h.mustMutate(Request{Path: "messages:unawaited"})
	for _, c := range []struct{ path, args, want string }{
		{"list", "", "ann:hi:2 nobody:ho:0 x:late:0"},
		{"newest", `{"n":2}`, "x:late:0 nobody:ho:0"},
		{"by", `{"author":"nobody"}`, "nobody:ho:0"},
		{"filtered", "", "ann:hi:2"},
	} {
		out := h.mustQuery(Request{Path: "messages:" + c.path, Args: []byte(c.args)})
		var list []struct {
			Body, Author string
			Likes        int
		}
		if err := json.Unmarshal(out.Value, &list); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, m := range list {
			got = append(got, fmt.Sprintf("%s:%s:%d", m.Author, m.Body, m.Likes))
		}
		if diff := cmp.Diff(c.want, strings.Join(got, " ")); diff != "" {
			t.Errorf("%s: %s", c.path, diff)
		}
	}
	for path, want := range map[string]string{
		"state": `[1,1766500000000]`, "clock": "true", "env": "null", "me": "null",
	} {
		if out := h.mustQuery(Request{Path: "messages:" + path}); string(out.Value) != want {
			t.Errorf("%s: %s", path, out.Value)
		}
	}
	if out := h.mustMutate(Request{Path: "messages:nested"}); string(out.Value) != `["Uncaught Error: changed my mind",4]` {
		t.Errorf("nested: %s", out.Value)
	}
	if out := h.mustMutate(Request{Path: "messages:nestedData"}); string(out.Value) != `[true,{"code":"gone"}]` {
		t.Errorf("nestedData: %s", out.Value)
	}
	out, err := h.Action(t.Context(), Request{Path: "messages:busy", Caller: user("bob")})
	if h.must(out, err); string(out.Value) != `[3,7,"bob"]` {
		t.Errorf("busy: %s", out.Value)
	}
}

func TestJavaScriptFailures(t *testing.T) {
	t.Parallel()
	h := newApp(t, "testdata/app")
	for _, c := range []struct {
		kind       Kind
		path, want string
	}{
		{Mutation, "half", "Uncaught Error: changed my mind\n    at"},
		{Query, "spin", "Function execution timed out (maximum duration: 1"}, // of its own, or 15 s where a machine is so busy
		{Query, "never", "will never resolve"},
		{Query, "wrongArgs", "Uncaught Error: Invalid argument `id` for `db.get`: Unable to decode ID"},
		{Query, "page", "Uncaught TypeError"},
	} {
		run := h.Query
		if c.kind == Mutation {
			run = h.Mutation
		}
		out, err := run(t.Context(), Request{Path: "messages:" + c.path})
		if err != nil || out.Failure == nil || !strings.Contains(out.Failure.Message, c.want) {
			t.Errorf("%s: %+v, %v", c.path, out, err)
		}
	}
	out, err := h.Query(t.Context(), Request{Path: "broken:list"})
	if err != nil || out.Failure == nil || !strings.Contains(out.Failure.Message, "does not load") {
		t.Errorf("%+v, %v", out, err)
	}
	out, err = h.Mutation(t.Context(), Request{Path: "messages:like", Args: []byte(`{"id":"j57000820c20a1g7104gm2rc1m70ynr8"}`)})
	if err != nil || out.Failure == nil || string(out.Failure.Data) != `{"code":"gone"}` || !strings.Contains(out.Failure.Message, "Uncaught ConvexError: ") {
		t.Errorf("%+v, %v", out, err)
	}
	if out := h.mustQuery(Request{Path: "messages:list"}); string(out.Value) != "[]" {
		t.Errorf("a failed mutation left %s", out.Value)
	}
	if _, err := h.Mutation(t.Context(), Request{Path: "messages:conflict"}); err == nil || !strings.Contains(err.Error(), "to some table changed") || apierr.KindOf(err) != apierr.Overloaded {
		t.Error(err)
	}
}

// TestJavaScriptEnvironment: a changed variable is a new program, and reaches the next call.
func TestJavaScriptEnvironment(t *testing.T) {
	t.Parallel()
	h := newApp(t, "testdata/app")
	for _, v := range []string{"hello", "good day"} {
		h.update(func(tx *database.Tx) error { return SetEnvironment(t.Context(), tx, []EnvChange{{"GREETING", &v}}) })
		if out := h.mustQuery(Request{Path: "messages:env"}); string(out.Value) != `"`+v+`"` {
			t.Errorf("%s", out.Value)
		}
	}
}

// TestJavaScriptManyAtOnce: nested calls within many concurrent mutations do not wait for one another for ever.
func TestJavaScriptManyAtOnce(t *testing.T) {
	t.Parallel()
	h := newApp(t, "testdata/app")
	var wg sync.WaitGroup
	for i := range 30 {
		wg.Go(func() {
			_, err := h.Mutation(t.Context(), Request{Path: "messages:nested", Caller: user(fmt.Sprint(i))})
			if err != nil && apierr.KindOf(err) != apierr.Overloaded {
				t.Error(err)
			}
			if _, err := h.Action(t.Context(), Request{Path: "messages:busy", Caller: token.Caller{}}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}
