package node

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/lentil-dev/lentil/internal/isolate"
)

// ordinary is what well-behaved actions do.
const ordinary = `
import { readFileSync, readdirSync, readlinkSync } from "node:fs";
import { createHash } from "node:crypto";
let counter = 0;
export const count = action(() => ++counter);
export const add = action((ctx, { a, b }) => a + b);
export const hash = action(() => createHash("sha256").update(Buffer.from("lentil")).digest("hex").slice(0, 8));
export const env = action(() => ({ ...process.env }));
export const environ = action(() => readFileSync("/proc/self/environ", "utf8"));
export const fds = action(() => readdirSync("/proc/self/fd").map((f) => { try { return readlinkSync("/proc/self/fd/" + f); } catch { return ""; } }));
export const calls = action(async () => Promise.all([1, 2, 3].map((i) => call("op" + i, { i }))));
export const caught = action(async () => { try { await call("bad"); } catch (e) { return [e.message, e.data]; } });
export const sync = action(() => [Convex.syscall("echo", "{}"), (() => { try { Convex.syscall("x", "{}"); } catch (e) { return e.message; } })()]);
export const log = action(() => {
  console.log("a", { b: [1, 'x'] }, new Map([[1, 2]])); console.error(1n);
  process.stdout.write("raw\n"); console.warn(undefined); console.info(null); console.debug(-0);
});
export const thrower = action(() => { throw new TypeError("broken\nin two"); });
export const payload = action(() => { const e = new Error("{}"); e.payload = { code: 7 }; throw e; });
export const literal = action(() => { throw "just text"; });
export const never = action(() => new Promise(() => {}));
export const slow = action(() => new Promise((r) => setTimeout(() => r("late"), 20)));
export const unawaited = action(() => { call("1.0/actions/mutation"); call("1.0/actions/query"); return 1; });
export const store = action(async () => [await Convex.jsSyscall("storage/storeBlob", { blob: new Blob(["soup"], { type: "text/plain" }) }),
  await (await Convex.jsSyscall("storage/getBlob", { storageId: "f1" })).text()]);
export const required = action(() => typeof require("node:os").cpus);
export const helper = 42;
`

func TestRun(t *testing.T) {
	t.Parallel()
	p := load(t, open(t, Options{}), module("act.js", ordinary), module("dir/deep.js", `export default action(() => import("../act.js").then((m) => m.helper));`))
	want(t, p, "act:add", `{"a":1,"b":2}`, "3", nil)
	want(t, p, "dir/deep:default", `{}`, "42", nil)
	want(t, p, "act:sync", `{}`, `["{}","Unknown operation x"]`, nil)
	want(t, p, "act:required", `{}`, `"function"`, nil)
	want(t, p, "act:slow", `{}`, `"late"`, nil)
	want(t, p, "act:calls", `{}`, `["op1","op2","op3"]`, &host{async: func(_ context.Context, op, args string) (string, error) { return `"` + op + `"`, nil }})
	want(t, p, "act:caught", `{}`, `["no",{"code":3}]`, &host{async: func(context.Context, string, string) (string, error) {
		return "", &isolate.Throw{Message: "no", Data: []byte(`{"code":3}`)}
	}})
	want(t, p, "act:store", `{}`, `["f1","soup"]`, &host{js: func(op string, args, body []byte) (text, raw []byte, err error) {
		switch op {
		case "storage/storeBlob":
			if string(body) != "soup" || string(args) != `{"contentType":"text/plain"}` {
				return nil, nil, errors.New("stored " + string(body) + string(args))
			}
			return []byte(`"f1"`), nil, nil
		case "storage/getBlob":
			return []byte(`{"contentType":"text/plain"}`), nil, nil
		}
		return nil, []byte("soup"), nil
	}})
}

// TestFiles moves files that no frame could hold, and some that break.
func TestFiles(t *testing.T) {
	t.Parallel()
	p := load(t, open(t, Options{}), module("act.js", `
import { openAsBlob, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
const store = (blob) => Convex.jsSyscall("storage/storeBlob", { blob });
export const big = action(async () => {
  const bytes = new Uint8Array(80 << 20); bytes[bytes.length - 1] = 7;
  await store(new Blob([bytes]));
  const back = new Uint8Array(await (await Convex.jsSyscall("storage/getBlob", { storageId: "f1" })).arrayBuffer());
  return [back.length, back[back.length - 1]];
});
export const many = action(async () => (await Promise.all(Array.from({ length: 20 }, (_, i) => store(new Blob([String(i).repeat(100000)]))))).length);
export const wrong = action(async () => { try { await store("text"); } catch (e) { return e.message; } });
export const refused = action(async () => { try { await store(new Blob([new Uint8Array(1 << 20)])); } catch (e) { return e.message; } });
export const broken = action(async () => {
  const path = tmpdir() + "/lentil-" + process.pid + Math.random();
  writeFileSync(path, "x".repeat(1 << 20));
  const blob = await openAsBlob(path);
  writeFileSync(path, "shorter");
  try { await store(blob); } catch (e) { return e.message; }
});`))
	kept := map[string][]byte{}
	var mu sync.Mutex
	h := &host{js: func(op string, args, body []byte) (text, raw []byte, err error) {
		mu.Lock()
		defer mu.Unlock()
		switch op {
		case "storage/storeBlob":
			kept["f1"] = body
			return []byte(`"f1"`), nil, nil
		case "storage/getBlob":
			return []byte("{}"), nil, nil
		}
		return nil, kept["f1"], nil
	}}
	want(t, p, "act:big", "{}", "[83886080,7]", h)
	want(t, p, "act:many", "{}", "20", h)
	want(t, p, "act:broken", "{}", `"The Blob to store could not be read to its end."`, h)
	if v := try(t, p, "act:wrong", "{}", h).Value; !strings.HasPrefix(v, `"store() expects a Blob.`) {
		t.Errorf("a string gave %s", v)
	}
	want(t, p, "act:refused", "{}", `"no room"`, &host{js: func(string, []byte, []byte) (text, raw []byte, err error) {
		return nil, nil, &isolate.Throw{Message: "no room"}
	}})
}

func TestRunFailures(t *testing.T) {
	t.Parallel()
	p := load(t, open(t, Options{}), module("act.js", ordinary), module("broken.js", `throw new Error("at import"); export const f = 1;`))
	x := fails(t, p, "act:thrower", "Uncaught TypeError: broken\nin two\n    at ", isolate.Thrown)
	if !strings.Contains(x.Text, "act.js:18:45") || strings.Contains(x.Text, "child.mjs") || strings.Contains(x.Text, "node:internal") || strings.Contains(x.Text, "file:") {
		t.Errorf("the stack is %s", x.Text)
	}
	if x := fails(t, p, "act:payload", "Uncaught Error: {}", isolate.Thrown); string(x.Data) != `{"code":7}` {
		t.Errorf("the data is %s", x.Data)
	}
	fails(t, p, "act:literal", "Uncaught just text", isolate.Thrown)
	fails(t, p, "act:never", "Returned promise will never resolve", isolate.NeverResolves)
	fails(t, p, "act:nothing", `Couldn't find "nothing" in module "act.js".`, isolate.Developer)
	fails(t, p, "act:helper", "act.js:helper is not an action.", isolate.Developer)
	fails(t, p, "broken:f", "Uncaught Error: at import", isolate.Thrown)
	ours := errors.New("the store is gone")
	_, err := p.Run(t.Context(), isolate.Call{Module: "act.js", Export: "calls", Method: "invokeAction", Args: []string{"", "[{}]"},
		Host: &host{async: func(context.Context, string, string) (string, error) { return "", ours }}})
	if !errors.Is(err, ours) {
		t.Errorf("the host's error came back as %v", err)
	}
}

func TestRunLogs(t *testing.T) {
	t.Parallel()
	p := load(t, open(t, Options{}), module("act.js", ordinary))
	h := &host{}
	want(t, p, "act:log", `{}`, "null", h)
	for _, line := range []string{"LOG 'a' { b: [ 1, 'x' ] } Map(1) { 1 => 2 }", "ERROR 1n", "LOG raw", "WARN undefined", "INFO null", "DEBUG -0"} {
		if !strings.Contains(h.printed()+"\n", line+"\n") {
			t.Errorf("the log lacks %q:\n%s", line, h.printed())
		}
	}
}

// TestLogsAreLive sees a line while its action still runs.
func TestLogsAreLive(t *testing.T) {
	t.Parallel()
	p := load(t, open(t, Options{}), module("act.js", `export const go = action(async () => { console.log("begun"); await call("wait"); });`))
	h := &host{heard: make(chan string, 1)}
	h.async = func(ctx context.Context, op, args string) (string, error) {
		select {
		case line := <-h.heard:
			return `"` + line + `"`, nil
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
	want(t, p, "act:go", "{}", "null", h)
}

func TestRunUnawaited(t *testing.T) {
	t.Parallel()
	p := load(t, open(t, Options{}), module("act.js", ordinary))
	r := try(t, p, "act:unawaited", "{}", &host{async: func(ctx context.Context, _, _ string) (string, error) { <-ctx.Done(); return "", ctx.Err() }})
	if got := strings.Join(r.Unawaited, " "); r.Value != "1" || got != "runMutation runQuery" {
		t.Errorf("gave %s with %q left, %v", r.Value, got, r.Exception)
	}
}

func TestInspect(t *testing.T) {
	t.Parallel()
	p := load(t, open(t, Options{}), module("act.js", ordinary), module("bad.js", `throw new RangeError("no")`))
	infos, err := p.Inspect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(infos) != 2 || infos[0].Path != "act.js" || infos[1].Path != "bad.js" {
		t.Fatalf("found %+v", infos)
	}
	if x := infos[1].Error; x == nil || !strings.HasPrefix(x.Text, "Uncaught RangeError: no\n    at bad.js:1:") {
		t.Errorf("the failing module has %v", x)
	}
	for _, f := range infos[0].Functions {
		if f.Name == "add" {
			if f.Kind != isolate.Action || !f.Public || f.Args != `{"type":"any"}` || f.Pos.Path != "act.js" || f.Pos.Line != 6 {
				t.Errorf("add is %+v", f)
			}
			return
		}
	}
	t.Errorf("add was not found in %+v", infos[0].Functions)
}
