package convex_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/lentil-dev/lentil/internal/server"
)

// app is what the tests call.
const app = `
import { query, mutation, action, ConvexError } from "./library.js";
export const list = query(async ({ db }, { channel }) =>
  (await db.query("messages").collect()).filter((m) => m.channel === channel).map((m) => m.body));
export const send = mutation(({ db }, { channel, body }) => db.insert("messages", { channel, body }));
export const count = mutation(async ({ db }) => {
  const row = await db.query("counters").first();
  if (row === null) { await db.insert("counters", { n: 1 }); return 1; }
  await db.patch(row._id, { n: row.n + 1 });
  return row.n + 1;
});
export const total = query(async ({ db }) => (await db.query("counters").first())?.n ?? 0);
export const me = query(({ auth }) => auth.getUserIdentity());
export const fail = query(() => { throw new ConvexError({ code: 7, why: "because" }); });
export const crash = mutation(() => { throw new Error("not today"); });
export const twice = action(async (ctx, { n }) => 2 * n);
export const echo = query((ctx, args) => args);
`

// emptyApp is what the official CLI sends for an app without convex.config.ts.
const emptyApp = `export default { export: () => JSON.stringify({definitionType:{type:"app"},childComponents:[],httpMounts:{},exports:{type:"branch",branch:[]}}) };`

// house is a running house with the app pushed.
type house struct {
	server.Addresses
	stop func()
}

// start runs a house in a directory; "" is memory.
func start(t testing.TB, dir string) *house {
	t.Helper()
	return startWith(t, func(c *server.Config) { c.Data = dir })
}

// startWith runs a house with some settings of one's own.
func startWith(t testing.TB, change func(*server.Config)) *house {
	t.Helper()
	h, err := open(t.Context(), change)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.stop)
	return h
}

// open runs a house until its stop is called.
func open(ctx context.Context, change func(*server.Config)) (*house, error) {
	free := server.Port{Fixed: true}
	cfg := server.Config{Port: free, SitePort: free, AuthKitPort: free, Workers: 2, Version: "test", Log: slog.New(slog.DiscardHandler)}
	change(&cfg)
	s, err := server.Open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	run, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(run) }()
	h := &house{Addresses: s.Addresses(), stop: func() { cancel(); err := <-ended; ended <- err }}
	if err := s.Ready(ctx); err != nil {
		h.stop()
		return nil, err
	}
	return h, nil
}

// push makes modules live, or ends the test.
func (h *house) push(t testing.TB, source, authConfig string) {
	t.Helper()
	if err := h.deploy(t.Context(), source, authConfig); err != nil {
		t.Fatal(err)
	}
}

// deploy makes modules live, as the official CLI does.
func (h *house) deploy(ctx context.Context, source, authConfig string) error {
	library, err := os.ReadFile(filepath.Join("..", "internal", "udf", "testdata", "app", "library.js"))
	if err != nil {
		return err
	}
	module := func(path, source string) map[string]any {
		return map[string]any{"path": path, "source": source, "environment": "isolate"}
	}
	modules := []any{module("app.js", source), module("library.js", string(library))}
	if authConfig != "" {
		modules = append(modules, module("auth.config.js", authConfig))
	}
	started, err := h.post(ctx, "/api/deploy2/start_push", map[string]any{
		"adminKey": h.AdminKey, "functions": "convex/", "componentDefinitions": []any{}, "nodeDependencies": []any{},
		"appDefinition": map[string]any{
			"definition": module("convex.config.js", emptyApp), "dependencies": []any{}, "schema": nil,
			"changedModules": modules, "unchangedModuleHashes": []any{}, "udfServerVersion": "1.48.0",
		},
	})
	if err != nil {
		return err
	}
	var start struct {
		SchemaChange json.RawMessage `json:"schemaChange"`
	}
	if err := json.Unmarshal(started, &start); err != nil {
		return err
	}
	if _, err := h.post(ctx, "/api/deploy2/wait_for_schema", map[string]any{"adminKey": h.AdminKey, "schemaChange": start.SchemaChange, "timeoutMs": 10000}); err != nil {
		return err
	}
	_, err = h.post(ctx, "/api/deploy2/finish_push", map[string]any{"adminKey": h.AdminKey, "startPush": started})
	return err
}

// post sends JSON to the deployment.
func (h *house) post(ctx context.Context, path string, body any) (json.RawMessage, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL+path, bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Convex "+h.AdminKey)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %d %s", path, res.StatusCode, answer)
	}
	return answer, err
}

// exampleHouses are those of the examples, which have no testing.TB to end them.
var exampleHouses []*house

// exampleURL is the address of a fresh deployment with the app.
func exampleURL() string {
	h, err := open(context.Background(), func(*server.Config) {})
	if err == nil {
		exampleHouses = append(exampleHouses, h)
		err = h.deploy(context.Background(), app, "")
	}
	if err != nil {
		panic(err)
	}
	return h.URL
}

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		beHouse(dir)
	}
	code := m.Run()
	for _, h := range exampleHouses {
		h.stop()
	}
	os.Exit(code)
}

// within bounds a test's waiting.
func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeoutCause(t.Context(), 2*time.Minute, fmt.Errorf("%s waited too long", t.Name()))
	t.Cleanup(cancel)
	return ctx
}
