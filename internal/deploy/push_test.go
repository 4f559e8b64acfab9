package deploy

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/udf"
)

func TestPush(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p := h.start(bundleOf(module("messages.js", messages)).withSchema(table("messages", withAuthor, "by_author: author")))
	// What the client makes types and specifications of.
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"environmentVariables":{}`, `"externalDepsId":null`, `"appAuth":[]`, `"definition":{"path":"","definitionType":{"type":"app"},"childComponents":[],"httpMounts":{}`,
		`"udfType":"Query","visibility":{"kind":"public"},"args":"{\"type\":\"object\",\"value\":{}}","returns":null`, `"visibility":{"kind":"internal"}`,
		`"httpRoutes":null,"cronSpecs":null,"sourceMapped":null`, `"serverVersion":"1.48.0","importPhaseRngSeed":{"$bytes":"`, `"importPhaseUnixTimestamp":{"$integer":"`,
		`"indexDiffs":{"":{"added_indexes":[{"name":"messages.by_author","type":"database","fields":["author"]}],"removed_indexes":[],"enabled_indexes":[],"disabled_indexes":[]}}`,
		`"httpRoutes":{"httpModuleRoutes":null,"mounts":[]}`, `"schemaValidation":true`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("answer lacks %s\n%s", want, text)
		}
	}
	if got := h.run("messages:list", "{}"); !strings.Contains(got, "Could not find") {
		t.Errorf("before the push is finished: %s", got)
	}
	if st := h.wait(p); st.Type != StatusComplete {
		t.Fatalf("waiting ended with %+v", st)
	}
	diff, err := h.finish(p)
	if err != nil {
		t.Fatal(err)
	}
	c := diff.ComponentDiffs[""]
	if c.DiffType.Type != "create" || len(c.ModuleDiff.Added) != 2 || c.SchemaDiff == nil || len(c.IndexDiff.Added) != 1 {
		t.Errorf("diff %+v", diff)
	}
	if got := h.run("messages:send", `{"author":"ada","body":"hi"}`); strings.HasPrefix(got, "f") || strings.HasPrefix(got, "e") {
		t.Fatal(got)
	}
	if got := h.run("messages:byAuthor", `{"author":"ada"}`); !strings.Contains(got, `"body":"hi"`) {
		t.Errorf("by index: %s", got)
	}
	if got := h.run("messages:send", `{"body":"hi"}`); !strings.Contains(got, "does not match the schema: Object is missing the required field `author`") {
		t.Errorf("a document against the schema: %s", got)
	}
	if _, err := h.finish(p); err == nil {
		t.Error("a push was finished twice")
	} else {
		h.refused(err, "RaceDetected", "overwritten")
	}
	hashes, err := h.ConfigHashes(t.Context())
	if err != nil || len(hashes.ModuleHashes) != 2 || *hashes.UDFServerVersion != "1.48.0" {
		t.Errorf("hashes %+v: %v", hashes, err)
	}
	// The same again is nothing new.
	diff = h.push(bundleOf(module("messages.js", messages)).withSchema(table("messages", withAuthor, "by_author: author")))
	if c := diff.ComponentDiffs[""]; c.DiffType.Type != "modify" || c.SchemaDiff != nil || len(c.ModuleDiff.Added)+len(c.ModuleDiff.Removed)+len(c.IndexDiff.Added)+len(c.IndexDiff.Removed) != 0 {
		t.Errorf("diff of an equal push %+v", diff)
	}
}

func TestPushUnchangedModules(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.push(bundleOf(module("messages.js", messages)))
	r := bundleOf(module("extra.js", `import { make } from "./_deps/LIB.js"; export const one = make("Query", "Public", '{"type":"any"}', () => 1);`))
	r.AppDefinition.ChangedModules = r.AppDefinition.ChangedModules[1:]
	r.AppDefinition.UnchangedModuleHashes = []ModuleHash{
		{"_deps/LIB.js", environmentIsolate, udf.HashModule(library, "")}, {"messages.js", environmentIsolate, udf.HashModule(messages, "")},
	}
	h.push(r)
	if got := h.run("extra:one", "{}") + h.run("messages:list", "{}"); got != "1[]" {
		t.Errorf("after the second push: %s", got)
	}
	r.AppDefinition.UnchangedModuleHashes[0].SHA256 = strings.Repeat("0", 64)
	_, err := h.StartPush(t.Context(), r)
	h.refused(err, "MissingExistingModule", "_deps/LIB.js")
}

func TestPushHasNoEffectBeforeFinish(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.insert("other", `{}`)
	seen := func() string {
		var names []string
		if err := h.DB.View(t.Context(), func(tx *database.Tx) error {
			for _, t := range tx.Tables() {
				if !t.System() {
					names = append(names, t.Name)
					for _, ix := range tx.Indexes(t.Name) {
						names = append(names, t.Name+"."+ix.Name)
					}
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return strings.Join(names, " ")
	}
	before := h.DB.Latest()
	r := bundleOf(module("messages.js", messages)).withSchema(table("messages", withAuthor, "by_author: author"))
	r.DryRun = true
	p := h.start(r)
	if st := h.wait(p); st.Type != StatusComplete {
		t.Errorf("dry run: %+v", st)
	}
	diff, err := h.FinishPush(t.Context(), &FinishPushRequest{DryRun: true, StartPush: struct {
		SchemaChange SchemaChange `json:"schemaChange"`
	}{p.SchemaChange}})
	if err != nil || len(diff.ComponentDiffs[""].IndexDiff.Added) != 1 {
		t.Errorf("dry run: %+v, %v", diff, err)
	}
	r.DryRun, r.ForCodegen = false, true
	h.start(r)
	if _, err := h.EvaluateSchema(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if after := h.DB.Latest(); after != before {
		t.Errorf("a dry run wrote at %d", after)
	}
	r.ForCodegen = false
	p = h.start(r)
	h.wait(p)
	if got := seen(); got != "other" {
		t.Errorf("an unfinished push made %s", got)
	}
}

func TestPushRace(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	first := h.start(bundleOf(module("messages.js", messages)))
	second := h.start(bundleOf(module("messages.js", messages+"\n// second")))
	if st := h.wait(first); st.Type != StatusComplete {
		t.Fatalf("first: %+v", st)
	}
	if st := h.wait(second); st.Type != StatusComplete {
		t.Fatalf("second: %+v", st)
	}
	if st := h.wait(first); st.Type != StatusRaceDetected {
		t.Errorf("first after second: %+v", st)
	}
	_, err := h.finish(first)
	h.refused(err, "RaceDetected", "overwritten by another push")
	if _, err := h.finish(second); err != nil {
		t.Error(err)
	}
	ms := 0.0
	for _, id := range []string{"", "x", "j57000820c20a1g7104gm2rc1m70ynr8"} {
		_, err := h.WaitForSchema(t.Context(), &WaitRequest{SchemaChange: SchemaChange{SchemaIDs: map[string]string{"": id}}, TimeoutMS: &ms})
		h.refused(err, "InvalidPush", "no push")
	}
	third := h.start(bundleOf(module("messages.js", messages)))
	_, err = h.finish(third)
	h.refused(err, "PushNotReady", "wait_for_schema")
}

func TestPushRefusals(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	component := bundleOf()
	component.ComponentDefinitions = []ComponentDefinition{{DefinitionPath: "../node_modules/@convex-dev/x"}}
	mounted := bundleOf()
	mounted.AppDefinition.Definition.Source = `export default { export() { return JSON.stringify({ definitionType: {type: "app"}, childComponents: [{name: "limiter", path: "x"}], httpMounts: {}, exports: {type: "branch", branch: []} }) } };`
	environment := module("t.js", "")
	environment.Environment = "deno"
	short := bundleOf()
	short.AppDefinition.UnchangedModuleHashes = []ModuleHash{{"t.js", environmentIsolate, "abc"}}
	badSchema := bundleOf()
	badSchema.withSchema(`[]`).AppDefinition.Schema.Source = `export default { isSchema: true, export() { return process.env.X } };`
	for _, c := range []struct {
		name, code, text string
		r                *StartPushRequest
	}{
		{"http.js", "InvalidModules", "must be a router made with httpRouter()", bundleOf(module("http.js", "export default 1"))},
		{"crons.js", "InvalidCron", "must be made by cronJobs()", bundleOf(module("crons.js", "export default 1"))},
		{"cron without function", "InvalidCron", `calls the function "a:b", which does not exist`, bundleOf(cronsOf(`{"x":{"name":"a:b","args":[{}],"schedule":{"type":"hourly"}}}`))},
		{"cron expression", "InvalidCron", "Hit an error while pushing:\nInvalid cron job \"x\": the cron expression", bundleOf(cronsOf(`{"x":{"name":"a:b","args":[{}],"schedule":{"type":"cron","cron":"* *"}}}`))},
		{"component without definition", "InvalidPush", "../node_modules/@convex-dev/x has no `definition`", component},
		{"mounted component", "InvalidDefinition", "lacks the definition x of component \"limiter\"", mounted},
		{"throws", "InvalidModules", "Failed to analyze t.js: Uncaught Error: oh", bundleOf(module("t.js", "throw new Error('oh')"))},
		{"syntax", "InvalidModules", "Failed to analyze t.js: Uncaught SyntaxError", bundleOf(module("t.js", "const = 1"))},
		{"missing import", "InvalidModules", "t.js", bundleOf(module("t.js", "import './nothing.js'"))},
		{"args validator", "InvalidModules", "Invalid args validator of f: args validator must be an object validator or v.any()", bundleOf(module("t.js", `import { make } from "./_deps/LIB.js"; export const f = make("Query", "Public", '{"type":"string"}', () => 1);`))},
		{"twice", "InvalidModules", "twice", bundleOf(module("t.js", ""), module("t.js", ""))},
		{"path", "InvalidModules", "must be relative", bundleOf(module("../t.js", ""))},
		{"absolute path", "InvalidModules", "must be relative", bundleOf(module("/t.js", ""))},
		{"no module", "InvalidModules", "must end in .js", bundleOf(module("t", ""))},
		{"environment", "InvalidModules", "unknown environment", bundleOf(environment)},
		{"hash", "InvalidModules", "sha256", short},
		{"index rule", "IndexNameReserved", "by_id", bundleOf().withSchema(table("t", anything, "by_id: a"))},
		{"schema reads variables", "NoEnvironmentVariablesInSchema", "", badSchema},
	} {
		_, err := h.StartPush(t.Context(), c.r)
		if err == nil {
			t.Errorf("%s: no error", c.name)
			continue
		}
		t.Log(c.name, err)
		h.refused(err, c.code, c.text)
	}
}

func FuzzStartPush(f *testing.F) {
	r := bundleOf(module("messages.js", messages)).withSchema(table("messages", withAuthor, "by_author: author"))
	r.AppDefinition.UnchangedModuleHashes = []ModuleHash{{"x.js", environmentIsolate, strings.Repeat("a", 64)}}
	seed, err := json.Marshal(r)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add([]byte(`{"appDefinition":{"definition":null,"schema":null}}`))
	f.Add([]byte(`{"appDefinition":{"changedModules":[{"path":"a/../b.js","environment":"node"}]},"componentDefinitions":[{}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var r StartPushRequest
		if json.Unmarshal(body, &r) != nil {
			return
		}
		modules, err := r.check()
		if err != nil {
			return
		}
		for _, m := range modules {
			if strings.Contains(m.Path, "..") && strings.Contains("/"+m.Path+"/", "/../") || strings.HasPrefix(m.Path, "/") || !isHash(m.hash) {
				t.Fatalf("took %q with hash %q", m.Path, m.hash)
			}
		}
	})
}
