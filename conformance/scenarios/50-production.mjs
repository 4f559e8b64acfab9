// Life in production: pushes under load, contention, slow clients, large bundles, and what `lentil status` tells.
import { ConvexClient, ConvexHttpClient } from "convex/browser";
import { anyApi as api } from "convex/server";
import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { connect } from "node:net";
import { join } from "node:path";
import WebSocket from "ws";
import { contains, holds, same } from "../lib/check.mjs";
import { binary, Lentil, portFlags, removeFolder, root, scratchApp, until, write } from "../lib/lentil.mjs";

const accounts = 200;

export async function setUp() {
  const dir = scratchApp(join(root, "conformance", "apps", "production"), join(root, "conformance", "node_modules"));
  const lentil = await new Lentil(dir, [...(await portFlags()), "--max-sockets", "150"]).start();
  await push(lentil);
  const client = new ConvexHttpClient(lentil.info.url, { logger: false });
  await client.mutation(api.bank.open, { from: 0, to: accounts });
  await client.mutation(api.bank.log, { text: "x".repeat(1000), times: 500 });
  return lentil;
}

export async function tearDown(lentil) {
  await lentil?.stop();
  lentil && removeFolder(lentil.dir);
}

const push = (lentil, options) => lentil.cli(["dev", "--once", "--typecheck", "disable"], options);
const socket = (lentil) => new ConvexClient(lentil.info.url, { webSocketConstructor: WebSocket, unsavedChangesWarning: false, logger: false });
const someone = () => `account-${1 + Math.floor(Math.random() * (accounts - 1))}`;
const status = (lentil) => JSON.parse(execFileSync(binary, ["status", lentil.dir, "--json"], { encoding: "utf8" })).status;

/** Clients that make one call after the other until told to stop; gives how many each made and what failed. */
function writers(lentil, n, call) {
  const state = { made: Array(n).fill(0), failures: [], stop: false };
  const clients = Array.from({ length: n }, () => socket(lentil));
  const done = clients.map(async (client, i) => {
    while (!state.stop) {
      await call(client).then(
        () => state.made[i]++,
        (error) => state.failures.push(error),
      );
    }
    await client.close();
  });
  state.end = async () => {
    state.stop = true;
    await Promise.all(done);
    return state;
  };
  return state;
}

export const scenarios = {
  "pushes under live queries and mutations fail nobody": async (lentil) => {
    const seen = new Map();
    const errors = [];
    const watchers = Array.from({ length: 25 }, () => socket(lentil));
    for (const [i, client] of watchers.entries()) {
      for (let j = 0; j < 8; j++) {
        const key = `${i}-${j}`;
        const name = `account-${(8 * i + j) % accounts}`;
        const query = j % 2 ? api.bank.versioned : api.bank.balance;
        client.onUpdate(query, { name }, (value) => seen.set(key, { name, value }), (error) => errors.push(error));
      }
    }
    await until("all first values", () => seen.size === 200);
    const load = writers(lentil, 6, (client) => client.mutation(api.bank.transfer, { from: someone(), to: "account-0", amount: 1 }));
    await until("some transfers", () => load.made.every((n) => n > 3));

    write(join(lentil.dir, "convex/version.ts"), "export const version = 2;\n");
    await push(lentil);
    const versions = () => [...seen.values()].filter(({ value }) => value?.version !== undefined);
    await until("the new function on all screens", () => versions().every(({ value }) => value.version === 2));

    write(
      join(lentil.dir, "convex/schema.ts"),
      `import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";
export default defineSchema({
  accounts: defineTable({ name: v.string(), balance: v.number(), region: v.string(), note: v.optional(v.string()) })
    .index("by_name", ["name"])
    .index("by_region", ["region", "name"]),
  logs: defineTable({ text: v.string() }),
});
`,
    );
    write(join(lentil.dir, "convex/regions.ts"), `import { query } from "./_generated/server";
export const north = query({ args: {}, handler: async (ctx) =>
  (await ctx.db.query("accounts").withIndex("by_region", (q) => q.eq("region", "north")).collect()).length });
`);
    write(join(lentil.dir, "convex/version.ts"), "export const version = 3;\n");
    await push(lentil);
    await until("the third version on all screens", () => versions().every(({ value }) => value.version === 3));

    const { made, failures } = await load.end();
    same(failures.map(String), [], "failed mutations");
    same(errors.map(String), [], "failed live queries");
    holds(made.every((n) => n > 3), `everybody got on: ${made}`);
    const http = new ConvexHttpClient(lentil.info.url, { logger: false });
    same(await http.query(api.regions.north, {}), accounts / 2);
    same(await http.query(api.bank.total, {}), 0);
    for (const { name, value } of seen.values()) {
      const now = await http.query(api.bank.balance, { name });
      await until(`${name} on the screen`, () => {
        const shown = [...seen.values()].filter((s) => s.name === name).map((s) => s.value?.balance ?? s.value);
        return shown.every((n) => n === now);
      });
    }
    await Promise.all(watchers.map((client) => client.close()));
  },

  "transfers that meet in few accounts all succeed, whoever makes them": async (lentil) => {
    // Zipf's law: the k-th account is picked with a likelihood of about k^-1.5.
    const pick = () => `account-${Math.min(accounts - 1, Math.floor(Math.random() ** -2) - 1)}`;
    const load = writers(lentil, 32, (client) => {
      const from = pick();
      let to = pick();
      while (to === from) to = pick();
      return client.mutation(api.bank.transfer, { from, to, amount: 1 });
    });
    await until("ten transfers of each", () => load.made.every((n) => n >= 10) || load.failures.length > 0);
    const { made, failures } = await load.end();
    same(failures.map(String), [], "failed transfers");
    holds(Math.min(...made) * 8 > Math.max(...made), `nobody is left behind: ${made}`);
    same(await new ConvexHttpClient(lentil.info.url, { logger: false }).query(api.bank.total, {}), 0);
  },

  "sockets that stop reading do not hold up the others": async (lentil) => {
    const stalled = await Promise.all(
      Array.from({ length: 40 }, async () => {
        const ws = new WebSocket(`${lentil.info.url.replace("http", "ws")}/api/1.48.0/sync`);
        await new Promise((done, fail) => ws.once("open", done).once("error", fail));
        ws.send(JSON.stringify({ type: "Connect", sessionId: randomUUID(), connectionCount: 0, lastCloseReason: "InitialConnect", clientTs: 0 }));
        ws.send(JSON.stringify({ type: "ModifyQuerySet", baseVersion: 0, newVersion: 1,
          modifications: [{ type: "Add", queryId: 0, udfPath: "bank:whole", args: [{}] }] }));
        ws._socket.pause();
        return ws;
      }),
    );
    const client = socket(lentil);
    let shown;
    client.onUpdate(api.bank.whole, {}, ({ all }) => (shown = all.length));
    await until("the first value", () => shown === 500);
    for (let i = 1; i <= 30; i++) {
      await client.mutation(api.bank.log, { text: "y".repeat(1000), times: 1 });
      await until(`value ${i}`, () => shown === 500 + i);
    }
    holds(status(lentil).sockets.used >= 41, "the stalled sockets are still open");
    stalled.forEach((ws) => ws.terminate());
    await client.close();
    await until("they are gone", () => status(lentil).sockets.used === 0);
  },

  "a socket too many is refused, and status says who is there": async (lentil) => {
    const url = `${lentil.info.url.replace("http", "ws")}/api/sync`;
    const open = await Promise.all(
      Array.from({ length: 150 }, () => {
        const ws = new WebSocket(url);
        return new Promise((done, fail) => ws.once("open", () => done(ws)).once("error", fail));
      }),
    );
    const refused = await new Promise((done) => {
      const ws = new WebSocket(url);
      ws.on("error", () => {});
      ws.once("unexpected-response", (_, answer) => done(answer));
    });
    same(refused.statusCode, 503);
    holds(refused.headers["retry-after"], "when to come back");
    const now = status(lentil);
    same(now.sockets, { used: 150, limit: 150 });
    holds(now.refused >= 1 && now.problems.some((p) => p.includes("--max-sockets")), JSON.stringify(now));
    const health = await (await fetch(`${lentil.info.url}/health`)).json();
    same(health.status, "attention");
    contains(health.advice, "lentil status");
    open.forEach((ws) => ws.terminate());
    await until("they are gone", () => status(lentil).sockets.used === 0);
  },

  "a connection that says nothing more is heard no longer than its patience": async (lentil) => {
    const { hostname, port } = new URL(lentil.info.url);
    const quiet = connect(Number(port), hostname);
    quiet.write("POST /api/query HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{");
    await until("it counts as a request", () => status(lentil).requests.used >= 2);
    quiet.destroy();
    await until("it is let go", () => status(lentil).requests.used === 1);
  },

  "800 modules of several megabytes are pushed and called": async (lentil) => {
    const filler = (i) => Array.from({ length: 40 }, (_, j) => `export const text_${i}_${j} = ${JSON.stringify(randomUUID().repeat(4))};`).join("\n");
    for (let i = 0; i < 800; i++) {
      write(join(lentil.dir, `convex/many/m${i}.ts`), `import { query } from "../_generated/server";
import { v } from "convex/values";
${filler(i)}
export const it = query({ args: { n: v.number() }, handler: async (_, { n }) => n + ${i} });
`);
    }
    await push(lentil, { timeoutMs: 240_000 });
    const http = new ConvexHttpClient(lentil.info.url, { logger: false });
    same(await http.query(api.many.m0.it, { n: 1 }), 1);
    same(await http.query(api.many.m799.it, { n: 1 }), 800);
  },
};
