package deploy

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/token"
	"github.com/lentil-dev/lentil/internal/udf"
	"github.com/lentil-dev/lentil/internal/value"
)

// mounting is one use() of a component, as a definition exports it.
type mounting struct {
	Name string   `json:"name"`
	Path string   `json:"path"`
	Env  [][2]any `json:"env"`
}

// definition writes convex.config.js as a bundle has it. What it imports is in the
// text only so that the specifiers are resolved.
func definition(name string, children []mounting, more map[string]any) *Module {
	def := map[string]any{"childComponents": children, "httpMounts": map[string]string{}, "exports": map[string]any{"type": "branch", "branch": []any{}}}
	if children == nil {
		def["childComponents"] = []mounting{}
	}
	def["definitionType"] = map[string]any{"type": "app"}
	if name != "" {
		def["name"], def["definitionType"] = name, map[string]any{"type": "childComponent", "name": name, "args": []any{}}
	}
	maps.Copy(def, more)
	text, err := json.Marshal(def)
	if err != nil {
		panic(err)
	}
	var imports strings.Builder
	for i, c := range children {
		fmt.Fprintf(&imports, "import d%d from \"./%s%s\";\n", i, dependencyPrefix, base64.RawURLEncoding.EncodeToString([]byte(c.Path)))
		fmt.Fprintf(&imports, "if (d%d.componentDefinitionPath !== %q || !d%d.defaultName) throw new Error(JSON.stringify(d%d));\n", i, c.Path, i, i)
	}
	m := module("convex.config.js", imports.String()+"export default { export: () => JSON.stringify("+string(text)+") };")
	return &m
}

// withApp makes the app mount components.
func (r *StartPushRequest) withApp(children []mounting, more map[string]any) *StartPushRequest {
	r.AppDefinition.Definition = definition("", children, more)
	r.AppDefinition.Dependencies = definitionsOf(children)
	return r
}

// definitionsOf are the definitions that mountings need.
func definitionsOf(children []mounting) (list []string) {
	for _, c := range children {
		if !slices.Contains(list, c.Path) {
			list = append(list, c.Path)
		}
	}
	return list
}

// withComponent adds a definition to a push.
func (r *StartPushRequest) withComponent(path, name string, children []mounting, more map[string]any, tables string, modules ...Module) *StartPushRequest {
	c := ComponentDefinition{DefinitionPath: path, Definition: definition(name, children, more), Dependencies: definitionsOf(children), UDFServerVersion: "1.48.0"}
	c.Functions = append([]Module{module("_deps/LIB.js", library)}, modules...)
	if tables != "" {
		var s StartPushRequest
		c.Schema = s.withSchema(tables).AppDefinition.Schema
	}
	r.ComponentDefinitions = append(r.ComponentDefinitions, c)
	return r
}

// calls is a module that calls others.
const calls = `import { make } from "./_deps/LIB.js";
const run = async (udfType, target, args) => JSON.parse(await Convex.asyncSyscall("1.0/runUdf", JSON.stringify({ udfType, args, ...target })));
export const query = make("Query", "Public", '{"type":"any"}', ({ target, args }) => run("query", target, args ?? {}));
export const mutate = make("Mutation", "Public", '{"type":"any"}', ({ target, args }) => run("mutation", target, args ?? {}));
export const forgive = make("Mutation", "Public", '{"type":"any"}', async ({ target, args }) => {
  try { await run("mutation", target, args); } catch (e) { return String(e.message).split("\n")[0]; }
});
export const handle = make("Query", "Public", '{"type":"any"}', async ({ target }) => JSON.parse(await Convex.asyncSyscall("1.0/createFunctionHandle", JSON.stringify(target))));
export const meta = make("Query", "Public", '{"type":"any"}', async () => JSON.parse(await Convex.asyncSyscall("1.0/getFunctionMetadata", "{}")));
export const env = make("Query", "Public", '{"type":"any"}', () => [process.env.A ?? null, process.env.B ?? null, process.env.CONVEX_SITE_URL]);
export const sendAndFail = make("Mutation", "Public", '{"type":"any"}', async ({ doc, target }) => {
  await Convex.asyncSyscall("1.0/insert", JSON.stringify({ table: "messages", value: doc }));
  if (target) await run("mutation", target, doc);
  throw new Error("oh");
});`

// nested is a push of an app that mounts a component twice, which mounts another.
func nested() *StartPushRequest {
	return bundleOf(module("messages.js", messages), module("calls.js", calls)).
		withSchema(table("messages", anything)).
		withApp([]mounting{{Name: "a", Path: "c/outer"}, {Name: "b", Path: "c/outer"}}, nil).
		withComponent("c/outer", "outer", []mounting{{Name: "deep", Path: "c/inner"}}, nil, table("messages", withAuthor, "by_author: author"), module("messages.js", messages), module("calls.js", calls)).
		withComponent("c/inner", "inner", nil, nil, "", module("messages.js", messages), module("sub/calls.js", strings.ReplaceAll(calls, "./_deps", "../_deps")))
}

// child is an address of a function of a child.
func child(path string) string { return `{"reference":"_reference/childComponent/` + path + `"}` }

// in runs a function of a component as an admin.
func (h *house) in(component, path, args string) string {
	h.Helper()
	out, err := h.Runner.Any(h.Context(), udf.Request{Component: component, Path: path, Args: []byte(args), Caller: token.Caller{Role: token.Admin}})
	switch {
	case err != nil:
		return "error: " + err.Error()
	case out.Failure != nil:
		return "failure: " + out.Failure.Text
	}
	return string(out.Value)
}

// authors lists the authors of the messages of a component.
func (h *house) authors(component string) string {
	h.Helper()
	var rows []struct{ Author string }
	text := h.in(component, "messages:list", "{}")
	if err := json.Unmarshal([]byte(text), &rows); err != nil {
		h.Fatalf("%s: %v", text, err)
	}
	var list []string
	for _, r := range rows {
		list = append(list, r.Author)
	}
	return strings.Join(list, " ")
}

func TestPushComponents(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p := h.start(nested())
	if got := slices.Sorted(maps.Keys(p.Analysis)); !slices.Equal(got, []string{"", "c/inner", "c/outer"}) {
		t.Errorf("analysis of %q", got)
	}
	if x := string(p.Analysis["c/inner"].Definition.Exports); !strings.Contains(x, `["sub",{"branch":[["calls",{"branch":[["env",{"leaf":"_reference/function/sub/calls:env"`) || strings.Contains(x, "hidden") {
		t.Errorf("exports %s", x)
	}
	if deep := p.App.ChildComponents["b"].ChildComponents["deep"]; deep == nil || deep.ComponentPath != "b/deep" || deep.DefinitionPath != "c/inner" {
		t.Errorf("tree %+v", deep)
	}
	if d := p.SchemaChange.IndexDiffs["a"]; len(d.Added) != 1 || d.Added[0].Name != "messages.by_author" {
		t.Errorf("indexes %+v", p.SchemaChange.IndexDiffs)
	}
	if h.run("calls:query", `{"target":`+child("a/messages/list")+`}`) == "[]" {
		t.Error("the push is live before it is finished")
	}
	if st := h.wait(p); st.Type != StatusComplete {
		t.Fatalf("%+v", st)
	}
	diff, err := h.finish(p)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"", "a", "a/deep", "b", "b/deep"} {
		if diff.ComponentDiffs[path].DiffType.Type != "create" {
			t.Errorf("%q: %+v", path, diff.ComponentDiffs[path].DiffType)
		}
	}
	for _, c := range []struct{ path, args, want string }{
		{"calls:mutate", `{"target":` + child("a/messages/send") + `,"args":{"author":"x"}}`, `"`},
		{"calls:query", `{"target":` + child("b/messages/list") + `}`, "[]"},
		{"calls:query", `{"target":` + child("a/calls/meta") + `}`, `{"componentPath":"a","name":"calls:meta"}`},
		{"calls:query", `{"target":` + child("a/calls/query") + `,"args":{"target":` + child("deep/sub/calls/meta") + `}}`, `{"componentPath":"a/deep","name":"sub/calls:meta"}`},
		{"calls:query", `{"target":` + child("a/messages/hidden") + `}`, `does not export ["messages","hidden"]`},
		{"calls:query", `{"target":` + child("a/messages") + `}`, `does not export ["messages"]`},
		{"calls:query", `{"target":` + child("a") + `}`, `does not export []`},
		{"calls:query", `{"target":` + child("deep/messages/list") + `}`, `Child component "deep" not found`},
		{"calls:query", `{"target":{"reference":"_reference/currentSystemUdfInComponent/a"}}`, "cannot be resolved"},
		{"calls:mutate", `{"target":` + child("a/messages/send") + `,"args":{"autor":"x"}}`, "missing the required field `author`"},
	} {
		if got := h.run(c.path, c.args); !strings.Contains(got, c.want) {
			t.Errorf("%s %s: %s, want %s", c.path, c.args, got, c.want)
		}
	}
	// What failed in a, and below it, is undone; what went before is not.
	failing := fmt.Sprintf(`{"target":%s,"args":{"doc":{"author":"gone"},"target":%s}}`, child("a/calls/sendAndFail"), child("deep/messages/send"))
	if got := h.run("calls:forgive", failing); got != `"Uncaught Error: oh"` {
		t.Errorf("forgiven: %s", got)
	}
	if got := h.authors("a") + "|" + h.authors("a/deep") + "|" + h.authors("b"); got != "x||" {
		t.Errorf("authors %s", got)
	}
	// Only the diff of what changed is told, and what did not change keeps its handle.
	handle := h.run("calls:handle", `{"target":`+child("a/messages/send")+`}`)
	again := h.push(nested())
	if again.ComponentDiffs["a"].DiffType.Type != "modify" || again.ComponentDiffs["a"].SchemaDiff != nil || len(again.ComponentDiffs["a"].ModuleDiff.Added) > 0 {
		t.Errorf("%+v", again.ComponentDiffs["a"])
	}
	if got := h.run("calls:handle", `{"target":`+child("a/messages/send")+`}`); got != handle || !strings.HasPrefix(got, `"function://`) {
		t.Errorf("handle %s became %s", handle, got)
	}
	if got := h.in("b/deep", "sub/calls:mutate", `{"target":{"functionHandle":`+handle+`},"args":{"author":"y"}}`); !strings.HasPrefix(got, `"`) || h.authors("a") != "x y" {
		t.Errorf("through the handle: %s, %s", got, h.authors("a"))
	}
}

func TestPushUnmountsAndMountsAgain(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.push(nested())
	for i, component := range []string{"a", "b", "a/deep"} {
		h.in(component, "messages:send", fmt.Sprintf(`{"author":"%d"}`, i))
	}
	handle := h.run("calls:handle", `{"target":`+child("a/messages/send")+`}`)
	less := nested()
	less.withApp([]mounting{{Name: "b", Path: "c/outer"}}, nil)
	diff := h.push(less)
	if a, deep, b := diff.ComponentDiffs["a"], diff.ComponentDiffs["a/deep"], diff.ComponentDiffs["b"]; a.DiffType.Type != "unmount" || deep.DiffType.Type != "unmount" || b.DiffType.Type != "modify" {
		t.Errorf("%+v", diff.ComponentDiffs)
	}
	for _, got := range []string{
		h.run("calls:query", `{"target":`+child("a/messages/list")+`}`), h.in("a", "messages:list", "{}"), h.in("a/deep", "messages:list", "{}"),
		h.run("calls:mutate", `{"target":{"functionHandle":`+handle+`},"args":{"author":"no"}}`),
	} {
		if !strings.Contains(got, "is not mounted") {
			t.Errorf("got %s", got)
		}
	}
	if diff = h.push(less); len(diff.ComponentDiffs) != 3 {
		t.Errorf("an instance is unmounted once: %+v", diff.ComponentDiffs)
	}
	if diff = h.push(nested()); diff.ComponentDiffs["a"].DiffType.Type != "remount" {
		t.Errorf("%+v", diff.ComponentDiffs["a"].DiffType)
	}
	if got := h.authors("a") + h.authors("b") + h.authors("a/deep"); got != "012" {
		t.Errorf("authors %s", got)
	}
	// A third instance gets a namespace that nobody had.
	more := nested()
	more.withApp([]mounting{{Name: "a", Path: "c/outer"}, {Name: "b", Path: "c/outer"}, {Name: "third", Path: "c/inner"}}, nil)
	h.push(more)
	if got := h.authors("third"); got != "" {
		t.Errorf("authors of the third: %s", got)
	}
	spaces := map[value.Space]bool{}
	if err := h.DB.View(t.Context(), func(tx *database.Tx) error {
		tree, err := udf.Components(t.Context(), tx)
		for _, c := range tree.All {
			if spaces[c.Space] {
				t.Errorf("%q shares namespace %d", c.Path, c.Space)
			}
			spaces[c.Space] = true
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

func TestPushComponentSchemaFails(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	loose := nested()
	loose.ComponentDefinitions[0].Schema = nil
	h.push(loose)
	h.in("b", "messages:send", `{"autor":"typo"}`)
	st := h.wait(h.start(nested()))
	if st.Type != StatusFailed || st.ComponentPath == nil || *st.ComponentPath != "b" || *st.TableName != "messages" || !strings.Contains(st.Error, "missing the required field `author`") {
		t.Errorf("%+v", st)
	}
	if got := h.in("b", "messages:send", `{"autor":"again"}`); strings.Contains(got, "failure") {
		t.Errorf("the failed schema is enforced: %s", got)
	}
	// A write while a push waits, in one component.
	h2 := newHouse(t)
	h2.push(loose)
	p := h2.start(nested())
	if st := h2.wait(p); st.Type != StatusComplete {
		t.Fatalf("%+v", st)
	}
	h2.in("a", "messages:send", `{"autor":"late"}`)
	_, err := h2.finish(p)
	h2.refused(err, "SchemaValidationFailed", "missing the required field `author`")
}

func TestPushComponentEnvironment(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	text := [2]any{"A", map[string]any{"type": "value", "value": `{"type":"string"}`}}
	literal := [2]any{"B", map[string]any{"type": "value", "value": `{"type":"literal","value":"x"}`, "optional": true}}
	build := func(env ...[2]any) *StartPushRequest {
		return bundleOf(module("calls.js", calls)).
			withApp([]mounting{{Name: "c", Path: "p", Env: env}}, map[string]any{"envVars": [][2]any{{"KEY", text[1]}}, "httpMounts": map[string]string{"/in/": "_reference/childComponent/c"}}).
			withComponent("p", "c", nil, map[string]any{"envVars": [][2]any{text, literal}}, "", module("calls.js", calls))
	}
	bound := func(name string) map[string]any { return map[string]any{"type": "envVar", "name": name} }
	fixed := func(v string) map[string]any { return map[string]any{"type": "value", "value": v} }
	for _, c := range []struct {
		want string
		env  [][2]any
	}{
		{`needs the variable "A"`, nil},
		{`declares no variable "Z"`, [][2]any{{"A", fixed("1")}, {"Z", fixed("1")}}},
		{`the value of "B" does not match its validator`, [][2]any{{"A", fixed("1")}, {"B", fixed("y")}}},
		{`"NONE", which is not declared there`, [][2]any{{"A", bound("NONE")}}},
		{`unknown type "secret"`, [][2]any{{"A", map[string]any{"type": "secret"}}}},
	} {
		_, err := h.StartPush(t.Context(), build(c.env...))
		h.refused(err, "InvalidDefinition", c.want)
	}
	p := h.start(build([2]any{"A", bound("KEY")}, [2]any{"B", fixed("x")}))
	h.wait(p)
	_, err := h.finish(p)
	h.refused(err, "MissingEnvironmentVariables", "KEY")
	for _, v := range []string{"one", "two"} {
		if err := h.UpdateEnvironment(t.Context(), &UpdateEnvironmentRequest{Changes: []udf.EnvChange{{Name: "KEY", Value: &v}}}); err != nil {
			t.Fatal(err)
		}
		if v == "one" {
			h.push(build([2]any{"A", bound("KEY")}, [2]any{"B", fixed("x")}))
		}
		if got := h.in("c", "calls:env", "{}"); got != `["`+v+`","x","http://site.test/in"]` {
			t.Errorf("environment %s", got)
		}
	}
	if got := h.run("calls:env", "{}"); got != `[null,null,"http://site.test"]` {
		t.Errorf("environment of the app %s", got)
	}
}

func TestPushComponentRefusals(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	node := module("act.js", "")
	node.Environment = environmentNode
	simple := func(children ...mounting) *StartPushRequest {
		return bundleOf().withApp(children, nil).withComponent("p", "c", nil, nil, "")
	}
	twice := simple(mounting{Name: "c", Path: "p"})
	twice.ComponentDefinitions = append(twice.ComponentDefinitions, twice.ComponentDefinitions[0])
	cyclic := bundleOf().withApp([]mounting{{Name: "c", Path: "p"}}, nil).withComponent("p", "c", []mounting{{Name: "d", Path: "q"}}, nil, "").withComponent("q", "d", []mounting{{Name: "c", Path: "p"}}, nil, "")
	app := simple(mounting{Name: "c", Path: "p"})
	app.ComponentDefinitions[0].Definition = definition("", nil, nil)
	clock := simple(mounting{Name: "c", Path: "p"})
	clock.ComponentDefinitions[0].Definition.Source = "Date.now(); " + clock.ComponentDefinitions[0].Definition.Source
	undeclared := simple(mounting{Name: "c", Path: "p"})
	undeclared.AppDefinition.Dependencies = nil
	mount := bundleOf().withApp([]mounting{{Name: "c", Path: "p"}}, map[string]any{"httpMounts": map[string]string{"/x/": "_reference/childComponent/d"}}).withComponent("p", "c", nil, nil, "")
	for _, c := range []struct {
		name, code, text string
		r                *StartPushRequest
	}{
		{"same name", "InvalidDefinition", `"c" is used twice`, simple(mounting{Name: "c", Path: "p"}, mounting{Name: "c", Path: "p"})},
		{"bad name", "", "a b", simple(mounting{Name: "a b", Path: "p"})},
		{"definition twice", "InvalidPush", "twice", twice},
		{"cycle", "CyclicImport", "depends on itself", cyclic},
		{"app as component", "InvalidDefinition", "must be made with defineComponent()", app},
		{"clock", "NoDateDuringDefinitionEvaluation", "Date", clock},
		{"import without dependency", "InvalidDefinition", "Could not resolve the import \"./_componentDeps/", undeclared},
		{"mount of nobody", "InvalidDefinition", `"/x/"`, mount},
		{"node", "InvalidModules", "components run in Convex's own runtime only", bundleOf().withApp(nil, nil).withComponent("p", "c", nil, nil, "", node)},
		{"throws", "InvalidModules", "This is in the component p", bundleOf().withApp([]mounting{{Name: "c", Path: "p"}}, nil).withComponent("p", "c", nil, nil, "", module("t.js", "throw new Error('oh')"))},
	} {
		_, err := h.StartPush(t.Context(), c.r)
		if e := asRefusal(err); e == nil || c.code != "" && e.Code != c.code || !strings.Contains(e.Message, c.text) {
			t.Errorf("%s: %v, want %s …%s…", c.name, err, c.code, c.text)
		}
	}
}
