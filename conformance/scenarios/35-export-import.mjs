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
};
