// Streaming export, log streams and metrics, over HTTP as connectors use them.
import { ConvexHttpClient } from "convex/browser";
import { anyApi as api } from "convex/server";
import { createHmac } from "node:crypto";
import { createServer, request } from "node:http";
import { join } from "node:path";
import { contains, holds, same } from "../lib/check.mjs";
import { Lentil, portFlags, removeFolder, root, scratchApp, until } from "../lib/lentil.mjs";

export async function setUp() {
  const dir = scratchApp(join(root, "conformance", "apps", "backup"), join(root, "conformance", "node_modules"));
  const lentil = await new Lentil(dir, await portFlags()).start();
  await lentil.cli(["dev", "--once", "--typecheck", "disable"]);
  return lentil;
}

export async function tearDown(lentil) {
  await lentil?.stop();
  lentil && removeFolder(lentil.dir);
}

const client = (lentil) => new ConvexHttpClient(lentil.info.url, { logger: false });

const ask = async (lentil, method, route, body) => {
  const answer = await fetch(lentil.info.url + route, {
    method,
    headers: { Authorization: `Convex ${lentil.info.adminKey}`, "Content-Type": "application/json" },
    body: body && JSON.stringify(body),
  });
  const text = await answer.text();
  // Timestamps are integers beyond what a double holds.
  return JSON.parse(text.replace(/"(snapshot|cursor|_ts)":(\d+)/g, '"$1":"$2"'));
};

// A GET with a body, as the connector for Airbyte sends it; fetch has none.
const getWithBody = (lentil, route, body) =>
  new Promise((done, failed) => {
    const r = request(lentil.info.url + route, {
      method: "GET",
      headers: { Authorization: `Convex ${lentil.info.adminKey}`, "Content-Type": "application/json", "Content-Length": Buffer.byteLength(JSON.stringify(body)) },
    });
    r.on("error", failed);
    r.on("response", async (answer) => done(JSON.parse(Buffer.concat(await answer.toArray()))));
    r.end(JSON.stringify(body));
  });

export const scenarios = {
  "streaming import: records replace by primary key, or are added": async (lentil) => {
    const to = "/api/streaming_import/";
    const send = (primaryKey, table, ...records) =>
      ask(lentil, "POST", `${to}import_airbyte_records`, {
        tables: { [table]: { primaryKey, jsonSchema: { type: "object" } } },
        messages: records.map((data) => ({ tableName: table, data })),
      });
    const rows = async (table) =>
      (await ask(lentil, "GET", `/api/list_snapshot?tableName=${table}`)).values.map(({ sku, of, n }) => ({ sku, of, n }));
    const key = [["sku"], ["of", "shop"]];
    same((await send(key, "stock", { sku: 1, of: { shop: "a" }, n: 1 })).code, "PrimaryKeyIndexMissing");
    // Documents that are there before the index is.
    same(await send(undefined, "stock", { sku: 1, of: { shop: "a" }, n: 1 }, { sku: 2, of: { shop: "a" }, n: 2 }), null);
    same(await ask(lentil, "PUT", `${to}add_primary_key_indexes`, { indexes: { stock: key } }), null);
    const ready = () => getWithBody(lentil, `${to}primary_key_indexes_ready`, { tables: ["stock"] });
    await until("the index", async () => (await ready()).indexesReady);
    same(await send(key, "stock", { sku: 2, of: { shop: "a" }, n: 3 }, { sku: 2, of: { shop: "b" }, n: 4 }), null);
    const stock = [
      { sku: 1, of: { shop: "a" }, n: 1 },
      { sku: 2, of: { shop: "a" }, n: 3 },
      { sku: 2, of: { shop: "b" }, n: 4 },
    ];
    same((await rows("stock")).sort((a, b) => a.n - b.n), stock);
    // A push leaves the index alone, and queries do not see it.
    await lentil.cli(["dev", "--once", "--typecheck", "disable"]);
    same(await ready(), { indexesReady: true });
    const source = 'import { query } from "convex:/_system/repl/wrappers.js"; export default query({ handler: (ctx) => ctx.db.query("stock").withIndex("!primary_key").collect() });';
    const seen = await ask(lentil, "POST", "/api/run_test_function", { adminKey: lentil.info.adminKey, args: {}, bundle: { path: "testQuery.js", source }, format: "convex_encoded_json" });
    contains(seen.errorMessage, "Index stock.!primary_key not found");
    same((await send(undefined, "people", { name: 7 })).code, "SchemaEnforcementError");
    same(await ask(lentil, "PUT", `${to}clear_tables`, { tableNames: ["stock", "neverSeen"] }), null);
    same(await rows("stock"), []);
    same((await ask(lentil, "POST", `${to}replace_tables`, { tableNames: {} })).code, "ReplaceTablesNotSupported");
  },

  "streaming export: a snapshot, and what changes after it": async (lentil) => {
    for (let i = 0; i < 150; i++) {
      await client(lentil).mutation(api.data.add, { name: `p${i}` });
    }
    let page = await ask(lentil, "GET", "/api/list_snapshot?tableName=people");
    const names = page.values.map((d) => d.name);
    while (page.hasMore) {
      page = await ask(lentil, "GET", `/api/list_snapshot?tableName=people&snapshot=${page.snapshot}&cursor=${encodeURIComponent(page.cursor)}`);
      names.push(...page.values.map((d) => d.name));
    }
    same(new Set(names).size, 150);
    const id = await client(lentil).mutation(api.data.add, { name: "late" });
    const deltas = await ask(lentil, "GET", `/api/document_deltas?cursor=${page.snapshot}`);
    same(deltas.values.map(({ _table, _deleted, _component, _id, name }) => ({ _table, _deleted, _component, _id, name })), [
      { _table: "people", _deleted: false, _component: "", _id: id, name: "late" },
    ]);
    same((await ask(lentil, "GET", `/api/document_deltas?cursor=${deltas.cursor}`)).values, []);
    const selection = { _other: "excluded", "": { _other: "excluded", people: { _other: "included", name: "excluded" } } };
    const [narrow] = (
      await ask(lentil, "GET", `/api/document_deltas?cursor=${page.snapshot}&selection=${encodeURIComponent(JSON.stringify(selection))}`)
    ).values;
    same([narrow._id, narrow.name], [id, undefined]);
    const schemas = await ask(lentil, "GET", "/api/json_schemas?deltaSchema=true");
    same(schemas.people.properties.name, { type: "string" });
    same(schemas.notes.properties.author.type, "string");
    same(await ask(lentil, "GET", "/api/test_streaming_export_connection"), {});
  },

  "data sync: one cursor over a snapshot and what changes after it": async (lentil) => {
    const selection = { _other: "excluded", "": { _other: "excluded", people: { _other: "included", _creationTime: "excluded" } } };
    const sync = (cursor) => ask(lentil, "POST", "/api/v1/data/sync", { cursor, selection });
    const before = await client(lentil).mutation(api.data.add, { name: "synced" });
    let page = await sync();
    same(page.truncates, [{ component: "", table: "people" }]);
    same([page.status.type, page.pagination.hasMore], ["snapshotting", true]);
    const seen = new Map();
    for (;;) {
      page.values.forEach(({ value, deleted }) => (deleted ? seen.delete(value._id) : seen.set(value._id, value)));
      if (page.status.type === "upToDate") break;
      page = await sync(page.pagination.nextCursor);
    }
    same(seen.get(before), { _id: before, name: "synced" });
    const after = await client(lentil).mutation(api.data.add, { name: "synced later" });
    const { values, syncId } = await sync(page.pagination.nextCursor);
    same(syncId, page.syncId);
    same(values.map(({ component, table, deleted, value }) => ({ component, table, deleted, value })), [
      { component: "", table: "people", deleted: false, value: { _id: after, name: "synced later" } },
    ]);
  },

  "log streams: a webhook gets signed events": async (lentil) => {
    const got = [];
    const receiver = createServer((request, answer) => {
      const chunks = [];
      request.on("data", (chunk) => chunks.push(chunk));
      request.on("end", () => {
        got.push({ body: Buffer.concat(chunks), signature: request.headers["x-webhook-signature"] });
        answer.end();
      });
    });
    await new Promise((done) => receiver.listen(0, "127.0.0.1", done));
    try {
      const url = `http://127.0.0.1:${receiver.address().port}/logs`;
      const made = await ask(lentil, "POST", "/api/v1/create_log_stream", { logStreamType: "webhook", url, format: "jsonl" });
      same(made.logStreamType, "webhook");
      const events = () => got.flatMap(({ body }) => body.toString().split("\n").map((line) => JSON.parse(line)));
      await until("the verification", () => events().some((e) => e.topic === "verification"));
      await client(lentil).mutation(api.data.add, { name: "watched" });
      await until("the execution", () => events().some((e) => e.topic === "function_execution" && e.function.path === "data:add"));
      for (const { body, signature } of got) {
        same(signature, `sha256=${createHmac("sha256", made.hmacSecret).update(body).digest("hex")}`);
      }
      const [listed] = await ask(lentil, "GET", "/api/v1/list_log_streams");
      same([listed.id, listed.url, listed.status.type], [made.id, url, "active"]);
      await ask(lentil, "POST", `/api/v1/delete_log_stream/${made.id}`, {});
      same(await ask(lentil, "GET", "/api/v1/list_log_streams"), []);
    } finally {
      receiver.close();
    }
  },

  "metrics: Prometheus text, without a key on this machine only": async (lentil) => {
    const answer = await fetch(`${lentil.info.url}/metrics`);
    contains(answer.headers.get("content-type"), "version=0.0.4");
    const text = await answer.text();
    holds(/^lentil_uptime_seconds\{deployment=".+"\} \d+$/m.test(text), text);
    contains(text, "# TYPE lentil_memory_bytes gauge");
    same((await fetch(`${lentil.info.url}/metrics`, { headers: { "X-Forwarded-For": "10.1.2.3" } })).status, 401);
  },
};
