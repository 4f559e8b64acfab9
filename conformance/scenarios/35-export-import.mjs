// `convex export` and `convex import`, by the official CLI: everything that goes out comes back the same.
import { ConvexClient, ConvexHttpClient } from "convex/browser";
import { anyApi as api } from "convex/server";
import { convexToJson } from "convex/values";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import WebSocket from "ws";
import { contains, holds, lacks, same } from "../lib/check.mjs";
import { Lentil, portFlags, removeFolder, root, scratchApp, until } from "../lib/lentil.mjs";

globalThis.WebSocket ??= WebSocket;

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

/** Everything there is, as text that tells every kind of value apart. */
async function everything(lentil) {
  const c = client(lentil);
  const out = {};
  for (const table of ["people", "notes", "rows"]) {
    out[table] = (await c.query(api.data[table], {})).map((doc) => JSON.stringify(convexToJson(doc))).sort();
  }
  out.files = [];
  for (const { url, ...file } of await c.query(api.data.files, {})) {
    const answer = await fetch(url);
    out.files.push(JSON.stringify([file, answer.headers.get("content-type"), Buffer.from(await answer.arrayBuffer()).toString("hex")]));
  }
  out.files.sort();
  return out;
}

export const scenarios = {
  "export: a ZIP of one snapshot, and back into an emptied deployment": async (lentil) => {
    await client(lentil).action(api.data.seed, {});
    const before = await everything(lentil);
    const zip = join(lentil.dir, "snapshot.zip");
    const made = await lentil.cli(["export", "--path", zip, "--include-file-storage"]);
    contains(made.stderr, "Created snapshot export at timestamp");
    contains(made.stderr, `Downloaded snapshot export to ${zip}`);
    await client(lentil).mutation(api.data.clear, {});
    const back = await lentil.cli(["import", zip, "-y"]);
    contains(back.stderr, "Added 11 documents");
    same(await everything(lentil), before);
  },

  "export: into a folder, under the name the deployment gives": async (lentil) => {
    const dir = join(lentil.dir, "exports");
    mkdirSync(dir);
    await lentil.cli(["export", "--path", dir]);
    const [name] = readdirSync(dir);
    holds(/^snapshot_.+_\d+\.zip$/.test(name), name);
    same(readFileSync(join(dir, name)).subarray(0, 2).toString(), "PK");
  },

  "import: --replace-all brings everything back, over itself and live": async (lentil) => {
    const zip = join(lentil.dir, "snapshot.zip");
    const before = await everything(lentil);
    const live = new ConvexClient(lentil.info.url, { logger: false });
    const seen = [];
    live.onUpdate(api.data.people, {}, (list) => seen.push(list.map((p) => p.name).sort().join()));
    try {
      await client(lentil).mutation(api.data.add, { name: "Zoe" });
      await until("the live query", () => seen.at(-1) === "Ada,Grace,Zoe");
      const out = await lentil.cli(["import", "--replace-all", "-y", zip]);
      contains(out.stderr, "people   | 2      | 3 of 3 |");
      contains(out.stderr, "notes    | 7      | 7 of 7 |");
      await until("the live query", () => seen.at(-1) === "Ada,Grace");
      same(await everything(lentil), before);
    } finally {
      await live.close();
    }
  },

  "import: without a mode, into a table with documents, fails and says what to do": async (lentil) => {
    const out = await lentil.cli(["import", join(lentil.dir, "snapshot.zip"), "-y"], { allowFailure: true });
    same(out.code, 1);
    contains(out.stderr, 'Use --append to add to them, or --replace to replace them');
  },

  "import: one table from JSON lines, a JSON array and CSV": async (lentil) => {
    const file = (name, text) => {
      const path = join(lentil.dir, name);
      writeFileSync(path, text);
      return path;
    };
    const rows = async () => (await client(lentil).query(api.data.rows, {})).map(({ _id, _creationTime, ...rest }) => rest);
    await lentil.cli(["import", "--table", "rows", file("rows.jsonl", '{"a":1}\n{"a":{"$integer":"AQAAAAAAAAA="}}\n')]);
    same(await rows(), [{ a: 1 }, { a: 1n }]);
    await lentil.cli(["import", "--table", "rows", "--append", file("rows.json", '[{"b":[1,null]}]')]);
    same(await rows(), [{ a: 1 }, { a: 1n }, { b: [1, null] }]);
    const csv = await lentil.cli(["import", "--table", "rows", "--replace", "-y", "--format", "csv", file("rows", 'name,n\n"Soup, hot",2.5\nx,\n')]);
    contains(csv.stderr, 'Added 2 documents to table "rows"');
    same(await rows(), [{ n: 2.5, name: "Soup, hot" }, { n: "", name: "x" }]);
    const bad = await lentil.cli(["import", "--table", "people", "--append", file("bad.jsonl", '{"name":"Eve"}\n{"name":7}\n')], { allowFailure: true });
    same(bad.code, 1);
    contains(bad.stderr, "line 2: the document does not match the schema");
    same((await client(lentil).query(api.data.people, {})).length, 2);
  },

  "import: many documents, a crash in the middle, and nothing is lost": async (lentil) => {
    const path = join(lentil.dir, "many.jsonl");
    writeFileSync(path, Array.from({ length: 20_000 }, (_, n) => JSON.stringify({ n, text: "x".repeat(50) })).join("\n"));
    const url = lentil.info.url;
    const admin = { Authorization: `Convex ${lentil.info.adminKey}`, "Content-Type": "application/json" };
    const post = async (route, body) => await (await fetch(url + route, { method: "POST", headers: admin, body })).json();
    const { uploadToken } = await post("/api/import/start_upload");
    const part = await post(`/api/import/upload_part?uploadToken=${uploadToken}&partNumber=1`, readFileSync(path));
    const { importId } = await post("/api/import/finish_upload", JSON.stringify({ import: { tableName: "rows", mode: "replace", format: "jsonLines" }, uploadToken, partTokens: [part] }));
    const state = async () => {
      const c = client(lentil);
      c.setAdminAuth(lentil.info.adminKey);
      return (await c.query("_system/cli/queryImport:default", { importId })).state;
    };
    await until("the survey", async () => (await state()).state === "waiting_for_confirmation");
    const before = await client(lentil).query(api.data.rows, {});
    await post("/api/perform_import", JSON.stringify({ importId }));
    await lentil.crashAndRestart();
    const now = (await client(lentil).query(api.data.rows, {}).catch(() => [])).length;
    holds(now === before.length || now === 0, `half an import is seen: ${now}`);
    await until("the import", async () => (await state()).state === "completed");
    same((await state()).num_rows_written, 20_000n);
    await lentil.cli(["import", "--table", "rows", "--replace", "-y", join(lentil.dir, "rows.jsonl")]);
    same((await client(lentil).query(api.data.rows, {})).length, 2);
  },
};
