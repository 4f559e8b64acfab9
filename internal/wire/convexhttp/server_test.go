package convexhttp_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/andybalholm/brotli"

	"github.com/lentil-dev/lentil/internal/backup"
	"github.com/lentil-dev/lentil/internal/blob"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/deploy"
	"github.com/lentil-dev/lentil/internal/filestorage"
	"github.com/lentil-dev/lentil/internal/isolate"
	"github.com/lentil-dev/lentil/internal/logstream"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/token"
	"github.com/lentil-dev/lentil/internal/udf"
	"github.com/lentil-dev/lentil/internal/wire/convexhttp"
)

// app is what a bundle of the official library exports, by hand.
const app = `
const make = (kind, pub, f) => Object.assign(f, {
  ["is" + kind]: true, [pub ? "isPublic" : "isInternal"]: true,
  ["invoke" + kind]: async (...a) => JSON.stringify((await f(...JSON.parse(a.at(-1)))) ?? null), // actions have a request id first
  exportArgs: () => '{"type":"any"}', exportReturns: () => '{"type":"any"}', _handler: f,
});
export const echo = make("Query", true, (a) => { console.log("called"); return a; });
export const me = make("Query", true, async () => JSON.parse(await Convex.asyncSyscall("1.0/getUserIdentity", "{}")));
export const hidden = make("Query", false, () => "secret");
export const fails = make("Query", true, () => { throw new Error("by design"); });
export const send = make("Mutation", true, async (a) => JSON.parse(await Convex.asyncSyscall("1.0/insert", JSON.stringify({ table: "messages", value: a })))._id);
export const act = make("Action", true, () => ({ $integer: "AQAAAAAAAAA=" }));
`

// engine is shared: one per process is its design.
var engine = sync.OnceValues(func() (*isolate.Engine, error) { return isolate.Open(isolate.Options{}) })

// house is a deployment with its fronts.
type house struct {
	*testing.T
	*httptest.Server
	site http.Handler
	key  string
	db   *database.DB
}

// open assembles a deployment in memory.
func open(t *testing.T) *house {
	t.Helper()
	e, err := engine()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	db, err := database.Open(ctx, database.Options{Store: persistence.NewMemory()})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); db.Run(ctx) }()
	secret := []byte("a secret of more than sixteen bytes")
	r := &udf.Runner{DB: db, Engine: e, Sealer: token.NewSealer(secret), Log: slog.New(slog.DiscardHandler), CloudURL: "http://cloud", SiteURL: "http://site", Deployment: "otter"}
	if err := r.Open(ctx); err != nil {
		t.Fatal(err)
	}
	files := &filestorage.Store{DB: db, Blobs: blob.NewMemory(), Sealer: token.NewSealer(secret), CloudURL: "http://cloud", Log: slog.New(slog.DiscardHandler)}
	if err := files.Open(ctx); err != nil {
		t.Fatal(err)
	}
	d := &deploy.Service{DB: db, Runner: r, Engine: e}
	if err := d.Open(ctx); err != nil {
		t.Fatal(err)
	}
	b := &backup.Service{Name: "otter", DB: db, Blobs: files.Blobs, Files: files, Log: files.Log}
	if err := b.Open(ctx); err != nil {
		t.Fatal(err)
	}
	streams := &logstream.Service{Name: "otter", DB: db, Logs: r.Logs(), Log: files.Log}
	if err := streams.Open(ctx); err != nil {
		t.Fatal(err)
	}
	keys := token.NewAdminKeys("otter", secret)
	gate := &token.Gate{Admin: keys, Verifier: &token.Verifier{}, Providers: func(context.Context) ([]token.Provider, error) { return nil, nil }}
	s := &convexhttp.Server{Name: "otter", Version: "1.2.3", CloudURL: "http://cloud", SiteURL: "http://site", Runner: r, Deploy: d, Files: files, Backup: b, Streams: streams, DB: db, Gate: gate}
	h := &house{T: t, Server: httptest.NewServer(s.Handler()), site: s.Site(), key: keys.Key(), db: db}
	t.Cleanup(func() {
		h.Server.Close()
		r.Close()
		cancel()
		<-done
		db.Close()
	})
	return h
}

// push makes the app live the way the official CLI does.
func (h *house) push() {
	h.Helper()
	body := map[string]any{
		"adminKey": h.key, "dryRun": false, "functions": "convex/",
		"appDefinition": map[string]any{
			"definition":   map[string]any{"path": "convex.config.js", "source": `export default { export: () => JSON.stringify({definitionType:{type:"app"},childComponents:[],httpMounts:{},exports:{type:"branch",branch:[]}}) };`, "environment": "isolate"},
			"dependencies": []string{}, "schema": nil,
			"changedModules":        []map[string]any{{"path": "app.js", "source": app, "environment": "isolate"}},
			"unchangedModuleHashes": []string{}, "udfServerVersion": "1.48.0",
		},
		"componentDefinitions": []string{}, "nodeDependencies": []string{},
	}
	raw, _ := json.Marshal(body)
	var br bytes.Buffer
	w := brotli.NewWriter(&br)
	w.Write(raw)
	w.Close()
	req, _ := http.NewRequest("POST", h.URL+"/api/deploy2/start_push", &br)
	req.Header.Set("Content-Encoding", "br")
	status, started := h.send(req)
	if status != 200 {
		h.Fatalf("start_push: %d %s", status, started)
	}
	var start struct {
		SchemaChange json.RawMessage `json:"schemaChange"`
	}
	json.Unmarshal([]byte(started), &start)
	for _, c := range []struct{ path, body string }{
		{"/api/deploy2/wait_for_schema", `{"adminKey":"` + h.key + `","schemaChange":` + string(start.SchemaChange) + `,"timeoutMs":10000}`},
		{"/api/deploy2/finish_push", `{"adminKey":"` + h.key + `","startPush":` + started + `,"dryRun":false,"message":null}`},
		{"/api/deploy2/report_push_completed", `{"adminKey":"` + h.key + `","spans":[]}`},
	} {
		if status, body := h.call("POST", c.path, c.body); status != 200 {
			h.Fatalf("%s: %d %s", c.path, status, body)
		}
	}
}

// send performs a request.
func (h *house) send(r *http.Request) (int, string) {
	h.Helper()
	res, err := h.Client().Do(r)
	if err != nil {
		h.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		h.Fatal(err)
	}
	return res.StatusCode, string(b)
}

// call makes a request with an optional Authorization header.
func (h *house) call(method, path, body string, auth ...string) (int, string) {
	h.Helper()
	r, err := http.NewRequest(method, h.URL+path, strings.NewReader(body))
	if err != nil {
		h.Fatal(err)
	}
	if len(auth) > 0 {
		r.Header.Set("Authorization", auth[0])
	}
	return h.send(r)
}

func TestServer(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.push()
	admin := "Convex " + h.key
	tests := []struct {
		name, method, path, body, auth string
		status                         int
		want                           string // a part of the answer; with = all of it
	}{
		{"query", "POST", "/api/query", `{"path":"app:echo","args":{"a":1}}`, "", 200, `={"status":"success","value":{"a":1},"logLines":["[LOG] 'called'"]}`},
		{"query, args as list", "POST", "/api/query", `{"path":"app.js:echo","args":[{"a":1}],"format":"convex_encoded_json"}`, "", 200, `"value":{"a":1}`},
		{"query by GET", "GET", "/api/query?path=app:echo&args=%7B%22b%22%3A2%7D&format=json", "", "", 200, `"value":{"b":2}`},
		{"query without args", "GET", "/api/query?path=app:echo", "", "", 200, `"value":{}`},
		{"internal function", "POST", "/api/query", `{"path":"app:hidden","args":{}}`, "", 200, `Could not find public function for 'app:hidden'`},
		{"internal function by admin", "POST", "/api/function", `{"path":"app:hidden","args":{}}`, admin, 200, `"value":"secret"`},
		{"acting as", "POST", "/api/query", `{"path":"app:me","args":{}}`, admin + ":eyJzdWJqZWN0IjoiMSIsImlzc3VlciI6ImkifQ==", 200, `"tokenIdentifier":"i|1"`},
		{"thrown error", "POST", "/api/query", `{"path":"app:fails","args":{}}`, "", 200, `Uncaught Error: by design`},
		{"wrong kind", "POST", "/api/mutation", `{"path":"app:echo","args":{}}`, "", 200, `Trying to execute app.js:echo as Mutation, but it is defined as Query.`},
		{"mutation", "POST", "/api/mutation", `{"path":"app:send","args":{"body":"x"}}`, "", 200, `"status":"success"`},
		{"action, clean", "POST", "/api/action", `{"path":"app:act","args":{}}`, "", 200, `"value":"1"`},
		{"action, encoded", "POST", "/api/action", `{"path":"app:act","args":{},"format":"convex_encoded_json"}`, "", 200, `"value":{"$integer":"AQAAAAAAAAA="}`},
		{"any kind", "POST", "/api/function", `{"path":"app:send","args":{"body":"y"}}`, "", 200, `"status":"success"`},
		{"run by path", "POST", "/api/run/app/echo", `{"args":{"z":[]}}`, "", 200, `"value":{"z":[]}`},
		{"run without function", "POST", "/api/run/app", `{"args":{}}`, "", 400, `BadFunctionPath`},
		{"batch", "POST", "/api/query_batch", `{"queries":[{"path":"app:echo","args":{"i":0}},{"path":"app:none","args":{}}]}`, "", 200, `{"results":[{"status":"success","value":{"i":0},`},
		{"format", "POST", "/api/query", `{"path":"app:echo","args":{},"format":"xml"}`, "", 400, `BadFormat`},
		{"no path", "POST", "/api/query", `{}`, "", 400, `path`},
		{"no JSON", "POST", "/api/query", `hello`, "", 400, `BadJsonBody`},
		{"empty body", "POST", "/api/mutation", ``, "", 400, `empty`},
		{"bad timestamp", "POST", "/api/query_at_ts", `{"path":"app:echo","args":{},"ts":"AAAA"}`, "", 400, `InvalidTimestamp`},
		{"bad token", "POST", "/api/query", `{"path":"app:echo","args":{}}`, "Bearer nope", 401, `InvalidAuthHeader`},
		{"bad admin key", "POST", "/api/function", `{"path":"app:echo","args":{}}`, "Convex otter|00", 401, `BadAdminKey`},
		{"other scheme", "POST", "/api/query", `{"path":"app:echo","args":{}}`, "Basic Zm9vOmJhcg==", 400, `InvalidAdminKey`},
		{"short header", "POST", "/api/query", `{}`, "abc", 400, `InvalidHeaderFailure`},

		{"canonical URLs", "GET", "/api/v1/get_canonical_urls", "", admin, 200, `={"convexCloudUrl":"http://cloud","convexSiteUrl":"http://site"}`},
		{"admin route without key", "GET", "/api/v1/get_canonical_urls", "", "", 401, `MissingAdminKey`},
		{"config hashes", "POST", "/api/get_config_hashes", `{"version":"1.48.0","adminKey":"` + h.key + `"}`, "", 200, `"path":"app.js"`},
		{"config hashes, key in header", "POST", "/api/get_config_hashes", `{"version":"1.48.0"}`, admin, 200, `"moduleHashes"`},
		{"push without key", "POST", "/api/deploy2/start_push", `{}`, "", 401, `MissingAdminKey`},
		{"push with a wrong key in the body", "POST", "/api/deploy2/start_push", `{"adminKey":"otter|01"}`, "", 401, `BadAdminKey`},
		{"push of the wrong shape", "POST", "/api/deploy2/start_push", `{"appDefinition":3}`, admin, 400, `appDefinition`},
		{"finish of nothing", "POST", "/api/deploy2/finish_push", `{}`, admin, 400, `"code"`},
		{"set variables", "POST", "/api/update_environment_variables", `{"changes":[{"name":"PLANET","value":"Mars"}]}`, admin, 200, `=null`},
		{"bad variable", "POST", "/api/update_environment_variables", `{"changes":[{"name":"1","value":"x"}]}`, admin, 400, `EnvironmentVariableNameInvalid`},
		{"logs without key", "GET", "/api/stream_function_logs?cursor=0", "", "", 401, `MissingAdminKey`},
		{"logs at first", "GET", "/api/stream_function_logs?cursor=0", "", admin, 200, `"newCursor":`},
		{"logs, bad cursor", "GET", "/api/stream_function_logs?cursor=x", "", admin, 400, `InvalidCursor`},
		{"completions", "GET", "/api/stream_udf_execution?cursor=0", "", admin, 200, `"entries":[`},
		{"check key", "GET", "/api/check_admin_key", "", admin, 200, `={"success":true,"allowedOps":[],"isReadOnly":false}`},
		{"check wrong key", "GET", "/api/check_admin_key", "", "Convex otter|00", 401, `BadAdminKey`},
		{"deployment info", "GET", "/api/v1/deployment_info", "", admin, 200, `={"kind":"selfHosted"}`},
		{"shapes", "GET", "/api/shapes2", "", admin, 200, `={"messages":{"type":"Unknown"}}`},
		{"signed in", "HEAD", "/api/authorize", "", "Bearer " + h.key, 200, ``},
		{"signed in with a wrong key", "POST", "/api/check_opt_ins", "", "Bearer otter|00", 401, `BadAdminKey`},
		{"not signed in", "POST", "/api/check_opt_ins", "", admin, 401, `MissingAccessToken`},
		{"terms", "POST", "/api/check_opt_ins", "{}", "Bearer " + h.key, 200, `={"optInsToAccept":[]}`},
		{"version", "GET", "/version", "", "", 200, `=1.2.3`},
		{"instance name", "GET", "/instance_name", "", "", 200, `=otter`},
		{"root", "GET", "/", "", "", 200, `otter`},
		{"echo", "POST", "/echo", "\x00hello", "", 200, "=\x00hello"},

		{"HTTP actions", "GET", "/http/x", "", "", 404, `=This Convex deployment does not have HTTP actions enabled.`},
		{"one-off query without source", "POST", "/api/run_test_function", `{}`, admin, 400, `InvalidModules`},
		{"file storage", "POST", "/api/storage/upload?token=x", `x`, "", 401, `InvalidUploadToken`},
		{"no file's address", "GET", "/api/storage/x", ``, "", 400, `InvalidStoragePath`},
		{"no file", "GET", "/api/storage/00000000-0000-4000-8000-000000000000", ``, "", 404, `FileNotFound`},
		{"snapshot", "GET", "/api/list_snapshot", ``, admin, 200, `"hasMore":false`},
		{"snapshot by POST", "POST", "/api/list_snapshot", `{"format":"convex_encoded_json"}`, admin, 200, `"cursor":null`},
		{"snapshot in a bad format", "GET", "/api/list_snapshot?format=xml", ``, admin, 400, `InvalidFormat`},
		{"snapshot with a stray cursor", "GET", "/api/list_snapshot?cursor=x", ``, admin, 400, `InvalidCursor`},
		{"a selection", "POST", "/api/list_snapshot", `{"selection":{"_other":"excluded","":{"_other":"excluded","messages":{"_other":"excluded"}}}}`, admin, 200, `"_table":"messages"`},
		{"a selection in the query", "GET", "/api/list_snapshot?selection=%7B%22_other%22%3A%22excluded%22%7D", ``, admin, 200, `"values":[]`},
		{"a selection of nothing", "POST", "/api/list_snapshot", `{"selection":{"":"included"}}`, admin, 400, `InvalidSelection`},
		{"a selection and a table", "POST", "/api/list_snapshot", `{"tableName":"messages","selection":{"_other":"included"}}`, admin, 400, `InvalidSelection`},
		{"changes without a cursor", "GET", "/api/document_deltas", ``, admin, 400, `DocumentDeltasCursorRequired`},
		{"changes of the future", "POST", "/api/document_deltas", `{"cursor":9000000000000000000}`, admin, 400, `InvalidCursor`},
		{"json schemas", "GET", "/api/json_schemas?deltaSchema=true", ``, admin, 200, `{`},
		{"streaming export connection", "GET", "/api/test_streaming_export_connection", ``, admin, 200, `{}`},
		{"streaming export by a stranger", "GET", "/api/list_snapshot", ``, "", 401, `MissingAdminKey`},
		{"data sync", "POST", "/api/v1/data/sync", `{"selection":{"_other":"included"}}`, admin, 200, `"truncates":[{"component":"","table":"messages"}]`},
		{"data sync of nothing in particular", "POST", "/api/v1/data/sync", `{}`, admin, 400, `InvalidSelection`},
		{"data sync with a bad cursor", "POST", "/api/v1/data/sync", `{"cursor":"x","selection":{"_other":"included"}}`, admin, 400, `InvalidCursor`},
		{"data sync by a stranger", "POST", "/api/v1/data/sync", `{}`, "", 401, `MissingAdminKey`},
		{"data sync after changes", "POST", "/api/data_sync_cursor_from_deltas", `{"cursor":1,"selection":{"_other":"included"}}`, admin, 200, `{"cursor":"`},
		{"data sync after no changes", "POST", "/api/data_sync_cursor_from_deltas", `{"selection":{"_other":"included"}}`, admin, 400, `DocumentDeltasCursorRequired`},
		{"active syncs", "GET", "/api/v1/data/list_active_syncs", ``, admin, 400, `PlatformRouteNotSupported`},
		{"primary keys", "PUT", "/api/streaming_import/add_primary_key_indexes", `{"indexes":{"streamed":[["id"]]}}`, admin, 200, `=null`},
		{"primary keys are ready", "GET", "/api/streaming_import/primary_key_indexes_ready", `{"tables":["streamed"]}`, admin, 200, `={"indexesReady":true}`},
		{"records", "POST", "/api/streaming_import/import_airbyte_records", `{"tables":{"streamed":{"primaryKey":[["id"]],"jsonSchema":{}}},"messages":[{"tableName":"streamed","data":{"id":1}}]}`, admin, 200, `=null`},
		{"records of no stream", "POST", "/api/streaming_import/import_airbyte_records", `{"tables":{},"messages":[{"tableName":"x","data":{}}]}`, admin, 400, `UnknownStream`},
		{"records of a stranger", "POST", "/api/streaming_import/import_airbyte_records", `{}`, "", 401, `MissingAdminKey`},
		{"clear tables", "PUT", "/api/streaming_import/clear_tables", `{"tableNames":["streamed"]}`, admin, 200, `=null`},
		{"clear a table of the system", "PUT", "/api/streaming_import/clear_tables", `{"tableNames":["_storage"]}`, admin, 400, `InvalidTableName`},
		{"replace tables", "POST", "/api/streaming_import/replace_tables", `{}`, admin, 501, `ReplaceTablesNotSupported`},
		{"records of Fivetran", "POST", "/api/streaming_import/apply_fivetran_operations", `{}`, admin, 501, `StreamingImportNotSupported`},
		{"log streams", "GET", "/api/v1/list_log_streams", ``, admin, 200, `[]`},
		{"log stream of another type", "POST", "/api/v1/create_log_stream", `{"logStreamType":"axiom"}`, admin, 501, `LogStreamTypeNotSupported`},
		{"log stream without a URL", "POST", "/api/v1/create_log_stream", `{"logStreamType":"webhook","format":"json"}`, admin, 400, `InvalidWebhookUrl`},
		{"no log stream", "POST", "/api/v1/delete_log_stream/x", ``, admin, 400, `LogStreamNotFound`},
		{"metrics", "GET", "/metrics", ``, "", 200, ``},
		{"no export", "GET", "/api/export/zip/7", ``, admin, 400, `ExportNotFound`},
		{"export by a stranger", "POST", "/api/export/request/zip", ``, "", 401, `MissingAdminKey`},
		{"export with a bad parameter", "POST", "/api/export/request/zip?includeStorage=maybe", ``, admin, 400, `BadQueryParameter`},
		{"import", "POST", "/api/import/start_upload", ``, admin, 200, `{"uploadToken":"`},
		{"import without an upload", "POST", "/api/import/upload_part?uploadToken=x&partNumber=1", `x`, admin, 400, `UploadNotFound`},
		{"import of a bad part", "POST", "/api/import/upload_part?uploadToken=x&partNumber=x", `x`, admin, 400, `InvalidPartNumber`},
		{"import of a bad mode", "POST", "/api/import/finish_upload", `{"import":{"mode":"x","format":"zip"}}`, admin, 400, `InvalidImportMode`},
		{"import of a bad format", "POST", "/api/import/finish_upload", `{"import":{"mode":"append","format":"x"}}`, admin, 400, `InvalidImportFormat`},
		{"perform no import", "POST", "/api/perform_import", `{"importId":"x"}`, admin, 400, `ImportNotFound`},
		{"cancel no import", "POST", "/api/cancel_import", `{"importId":"x"}`, admin, 400, `ImportNotFound`},
		{"get_config", "POST", "/api/get_config", `{}`, admin, 501, `GetConfigNotSupported`},
		{"unknown platform route", "GET", "/api/v1/list_usage_limits", ``, admin, 400, `PlatformRouteNotSupported`},
		{"unknown POST", "POST", "/api/whatever", ``, "", 501, `UnknownRoute`},
		{"unknown GET", "GET", "/api/whatever", ``, "", 400, `UnknownRoute`},
		{"other method", "DELETE", "/api/query", ``, "", 400, `UnknownRoute`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var auth []string
			if tt.auth != "" {
				auth = []string{tt.auth}
			}
			status, body := h.call(tt.method, tt.path, tt.body, auth...)
			all, exact := strings.CutPrefix(tt.want, "=")
			if status != tt.status || exact && body != all || !strings.Contains(body, all) {
				t.Errorf("%d %s\nwant %d %s", status, body, tt.status, tt.want)
			}
			if status >= 400 && tt.status != 404 {
				var e struct{ Code, Message string }
				if json.Unmarshal([]byte(body), &e) != nil || e.Code == "" || e.Message == "" {
					t.Errorf("%s is no {code, message}", body)
				}
			}
		})
	}
	if status, body := h.call("GET", "/api/v1/list_environment_variables", "", admin); status != 200 || body != `{"environmentVariables":{"PLANET":"Mars"}}` {
		t.Errorf("variables: %d %s", status, body)
	}
}

func TestServerReadsAtOneTimestamp(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.push()
	_, before := h.call("POST", "/api/query_ts", "")
	var ts struct{ TS string }
	if json.Unmarshal([]byte(before), &ts) != nil || len(ts.TS) != 12 {
		t.Fatal(before)
	}
	h.call("POST", "/api/mutation", `{"path":"app:send","args":{"body":"x"}}`)
	if status, body := h.call("POST", "/api/query_at_ts", `{"path":"app:echo","args":{"n":1},"ts":"`+ts.TS+`"}`); status != 200 || !strings.Contains(body, `"value":{"n":1}`) {
		t.Errorf("%d %s", status, body)
	}
}

func TestServerHoldsReadersOfLogs(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.push()
	admin := "Convex " + h.key
	var page struct {
		Entries   []struct{ Kind, Identifier string }
		NewCursor int64
	}
	read := func() {
		t.Helper()
		_, body := h.call("GET", fmt.Sprintf("/api/stream_function_logs?cursor=%d", page.NewCursor), "", admin)
		if err := json.Unmarshal([]byte(body), &page); err != nil {
			t.Fatal(body, err)
		}
	}
	read()
	if len(page.Entries) != 0 || page.NewCursor == 0 {
		t.Fatalf("at first: %+v", page)
	}
	called := time.AfterFunc(50*time.Millisecond, func() { h.call("POST", "/api/query", `{"path":"app:echo","args":{}}`) })
	defer called.Stop()
	read()
	if len(page.Entries) != 1 || !strings.HasPrefix(page.Entries[0].Identifier, "app") || page.Entries[0].Kind != "Completion" {
		t.Fatalf("after a call: %+v", page)
	}
}

func TestServerSpeaksCORS(t *testing.T) {
	t.Parallel()
	h := open(t)
	r, _ := http.NewRequest("OPTIONS", h.URL+"/api/query", nil)
	r.Header.Set("Origin", "http://localhost:5173")
	r.Header.Set("Access-Control-Request-Method", "POST")
	r.Header.Set("Access-Control-Request-Headers", "authorization,convex-client")
	res, err := h.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	for name, want := range map[string]string{
		"Access-Control-Allow-Origin": "http://localhost:5173", "Access-Control-Allow-Credentials": "true",
		"Access-Control-Allow-Headers": "authorization,convex-client", "Access-Control-Max-Age": "86400",
	} {
		if got := res.Header.Get(name); got != want || res.StatusCode != 200 {
			t.Errorf("%s = %q, status %d", name, got, res.StatusCode)
		}
	}
	r, _ = http.NewRequest("POST", h.URL+"/api/query", strings.NewReader("x"))
	r.Header.Set("Origin", "http://a.example")
	res, err = h.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.Header.Get("Access-Control-Allow-Origin") != "http://a.example" || res.StatusCode != 400 {
		t.Errorf("an error has no CORS headers: %v", res.Header)
	}
}

func TestServerBoundsBodies(t *testing.T) {
	t.Parallel()
	h := open(t)
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	zeros := make([]byte, 1<<20)
	for range 64 {
		z.Write(zeros)
	}
	z.Close()
	r, _ := http.NewRequest("POST", h.URL+"/api/query", &bomb)
	r.Header.Set("Content-Encoding", "gzip")
	if status, body := h.send(r); status != 413 || !strings.Contains(body, "RequestBodyTooLarge") {
		t.Errorf("a bomb: %d %s", status, body)
	}
	r, _ = http.NewRequest("POST", h.URL+"/api/deploy2/start_push", strings.NewReader("not brotli"))
	r.Header.Set("Content-Encoding", "br")
	if status, body := h.send(r); status != 400 || !strings.Contains(body, "BadRequestBody") {
		t.Errorf("no brotli: %d %s", status, body)
	}
}
