package deploy

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/isolate"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/token"
	"github.com/lentil-dev/lentil/internal/udf"
	"github.com/lentil-dev/lentil/internal/value"
)

// engine is the engine of all tests: there is one per process.
var engine = sync.OnceValues(func() (*isolate.Engine, error) {
	return isolate.Open(isolate.Options{Workers: 2, Log: slog.New(slog.DiscardHandler)})
})

// house is a deployment on an in-memory database.
type house struct {
	testing.TB
	*Service
}

// newHouse opens a deployment; its database runs until the test ends.
func newHouse(t testing.TB) *house {
	t.Helper()
	e, err := engine()
	if err != nil {
		t.Fatal(err)
	}
	db, err := database.Open(t.Context(), database.Options{Store: persistence.NewMemory()})
	if err != nil {
		t.Fatal(err)
	}
	runner := &udf.Runner{
		DB: db, Engine: e, Sealer: token.NewSealer([]byte("0123456789abcdef0123456789abcdef")), Log: slog.New(slog.DiscardHandler),
		CloudURL: "http://cloud.test", SiteURL: "http://site.test", Deployment: "happy-soup-1",
	}
	if err := runner.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	h := &house{t, &Service{DB: db, Runner: runner, Engine: e}}
	if err := h.Service.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- db.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		<-done
		runner.Close()
		db.Close()
	})
	return h
}

// library is what modules of these tests import in place of the official one.
const library = `
export const make = (type, visibility, args, handler) => {
  const f = (ctx, ...a) => handler(ctx, ...a);
  f["is" + type] = true; f["is" + visibility] = true;
  f.exportArgs = () => args; f.exportReturns = () => "null"; f._handler = handler;
  f["invoke" + type] = async (text) => JSON.stringify(await handler(JSON.parse(text)[0]) ?? null);
  return f;
};
export const insert = async (table, value) => JSON.parse(await Convex.asyncSyscall("1.0/insert", JSON.stringify({table, value})))._id;
export const collect = async (query) => {
  const { queryId } = JSON.parse(Convex.syscall("1.0/queryStream", JSON.stringify({query: {source: query, operators: []}})));
  const rows = [];
  for (;;) {
    const { value, done } = JSON.parse(await Convex.asyncSyscall("1.0/queryStreamNext", JSON.stringify({queryId})));
    if (done) return rows;
    rows.push(value);
  }
};`

// messages is a module with a query and a mutation.
const messages = `import { make, insert, collect } from "./_deps/LIB.js";
export const list = make("Query", "Public", '{"type":"object","value":{}}', () => collect({type: "FullTableScan", tableName: "messages", order: null}));
export const send = make("Mutation", "Public", '{"type":"any"}', (doc) => insert("messages", doc));
export const hidden = make("Query", "Internal", '{"type":"any"}', () => process.env.GREETING ?? "unset");
export const byAuthor = make("Query", "Public", '{"type":"any"}', ({author}) =>
  collect({type: "IndexRange", indexName: "messages.by_author", range: [{type: "Eq", fieldPath: "author", value: author}], order: null}));
export const helper = 42;`

// module makes a module in the default runtime.
func module(path, source string) Module {
	return Module{Path: path, Source: source, Environment: environmentIsolate}
}

// bundle makes a push of modules, the library included.
func bundleOf(modules ...Module) *StartPushRequest {
	r := &StartPushRequest{Functions: "convex/"}
	r.AppDefinition.UDFServerVersion = "1.48.0"
	r.AppDefinition.ChangedModules = append([]Module{module("_deps/LIB.js", library)}, modules...)
	def := module("convex.config.js", `export default { export() { return JSON.stringify({ definitionType: {type: "app"}, childComponents: [], httpMounts: {}, exports: {type: "branch", branch: []} }) } };`)
	r.AppDefinition.Definition = &def
	return r
}

// withSchema adds a schema, given as tables in JSON.
func (r *StartPushRequest) withSchema(tables string) *StartPushRequest {
	text, err := json.Marshal(`{"schemaValidation":true,"tables":` + tables + `}`)
	if err != nil {
		panic(err)
	}
	m := module("schema.js", `export default { isSchema: true, export() { return `+string(text)+` } };`)
	r.AppDefinition.Schema = &m
	return r
}

// table is a table of a schema: indexes as "name: field, field", fields as JSON validators.
func table(name string, document string, indexes ...string) string {
	var list []string
	for _, ix := range indexes {
		name, fields, _ := strings.Cut(ix, ":")
		var quoted []string
		for f := range strings.SplitSeq(fields, ",") {
			quoted = append(quoted, fmt.Sprintf("%q", strings.TrimSpace(f)))
		}
		list = append(list, fmt.Sprintf(`{"indexDescriptor":%q,"fields":[%s]}`, name, strings.Join(quoted, ",")))
	}
	return fmt.Sprintf(`[{"tableName":%q,"indexes":[%s],"searchIndexes":[],"vectorIndexes":[],"documentType":%s}]`, name, strings.Join(list, ","), document)
}

// Validators of messages.
const (
	anything   = `{"type":"any"}`
	withAuthor = `{"type":"object","value":{"author":{"fieldType":{"type":"string"},"optional":false},"body":{"fieldType":{"type":"string"},"optional":true}}}`
)

// start starts a push that must succeed.
func (h *house) start(r *StartPushRequest) *StartPushResponse {
	h.Helper()
	out, err := h.StartPush(h.Context(), r)
	if err != nil {
		h.Fatal(err)
	}
	return out
}

// wait waits until there is an answer other than in progress.
func (h *house) wait(p *StartPushResponse) *SchemaStatus {
	h.Helper()
	for range 100 {
		ms := 1000.0
		st, err := h.WaitForSchema(h.Context(), &WaitRequest{SchemaChange: p.SchemaChange, TimeoutMS: &ms})
		if err != nil {
			h.Fatal(err)
		}
		if st.Type != StatusInProgress {
			return st
		}
	}
	h.Fatal("still in progress")
	return nil
}

// finish finishes a push.
func (h *house) finish(p *StartPushResponse) (*FinishPushDiff, error) {
	var r FinishPushRequest
	r.StartPush.SchemaChange = p.SchemaChange
	return h.FinishPush(h.Context(), &r)
}

// push takes a push from beginning to end.
func (h *house) push(r *StartPushRequest) *FinishPushDiff {
	h.Helper()
	p := h.start(r)
	if st := h.wait(p); st.Type != StatusComplete {
		h.Fatalf("waiting ended with %+v", st)
	}
	diff, err := h.finish(p)
	if err != nil {
		h.Fatal(err)
	}
	return diff
}

// run runs a function as an admin and gives its value or failure as text.
func (h *house) run(path, args string) string {
	h.Helper()
	out, err := h.Runner.Any(h.Context(), udf.Request{Path: path, Args: []byte(args), Caller: token.Caller{Role: token.Admin}})
	if err != nil {
		return "error: " + err.Error()
	}
	if out.Failure != nil {
		return "failure: " + out.Failure.Text
	}
	return string(out.Value)
}

// insert adds a document, past all schemas.
func (h *house) insert(table string, doc string) {
	h.Helper()
	o, err := value.ParseObject([]byte(doc))
	if err != nil {
		h.Fatal(err)
	}
	if _, err := h.DB.Update(h.Context(), func(tx *database.Tx) error {
		_, err := tx.Insert(h.Context(), table, o)
		return err
	}); err != nil {
		h.Fatal(err)
	}
}

// refused checks that err is a refusal with a code and a text.
func (h *house) refused(err error, code, text string) {
	h.Helper()
	e, ok := apierr.As(err)
	if !ok || e.Kind != apierr.BadRequest || e.Code != code || !strings.Contains(e.Message, text) {
		h.Errorf("got %v; want %s: …%s…", err, code, text)
	}
}
