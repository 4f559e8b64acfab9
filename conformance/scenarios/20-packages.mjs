// The official components, installed from npm as they are, in one app that uses them.
import { ConvexHttpClient } from "convex/browser";
import { anyApi as api } from "convex/server";
import { join } from "node:path";
import { contains, fails, holds, same } from "../lib/check.mjs";
import { Lentil, portFlags, removeFolder, root, scratchApp } from "../lib/lentil.mjs";

export async function setUp() {
  const dir = scratchApp(join(root, "conformance", "apps", "packages"), join(root, "conformance", "node_modules"));
  const lentil = await new Lentil(dir, await portFlags()).start();
  lentil.pushed = await lentil.cli(["dev", "--once", "--typecheck", "enable"]);
  return lentil;
}

export async function tearDown(lentil) {
  await lentil?.stop();
  lentil && removeFolder(lentil.dir);
}

const http = (lentil) => new ConvexHttpClient(lentil.info.url, { logger: false });

export const scenarios = {
  "the CLI tells which components it installed, and the app type-checks against the generated code": async (lentil) => {
    for (const path of ["rateLimiter", "rateLimiter/batchWorker", "shardedCounter", "otherCounter"]) {
      contains(lentil.pushed.stderr, `Installed component ${path}.`);
    }
  },

  "sharded-counter: counts in the caller's transaction, in each mounting apart": async (lentil) => {
    const client = http(lentil);
    await client.mutation(api.counter.add, { name: "a", n: 3 });
    same(await client.query(api.counter.count, { name: "a" }), { mine: 3, others: 0 });
    same(await client.query(api.counter.count, { name: "calls" }), { mine: 0, others: 1 });
    contains((await fails(() => client.mutation(api.counter.add, { name: "a", n: 9, fail: true }), "a failing mutation")).message, "not 9");
    same(await client.query(api.counter.count, { name: "a" }), { mine: 3, others: 0 }, "after a failure");
    same(await client.query(api.counter.count, { name: "calls" }), { mine: 0, others: 1 }, "after a failure");
    contains(await client.mutation(api.counter.addAndForgive, { name: "a" }), "Uncaught Error: no");
    same(await client.query(api.counter.count, { name: "a" }), { mine: 4, others: 0 }, "after a nested failure");
    same(await client.action(api.counter.fromAction, { name: "a" }), 5);
  },

  "rate-limiter: what a failing mutation took is given back": async (lentil) => {
    const client = http(lentil);
    for (let i = 0; i < 3; i++) {
      await fails(() => client.mutation(api.limits.send, { key: "k", fail: true }), "a failing mutation");
    }
    for (let i = 0; i < 3; i++) {
      same(await client.mutation(api.limits.send, { key: "k" }), { ok: true, waits: false });
    }
    same(await client.query(api.limits.check, { key: "k" }), false);
    same(await client.mutation(api.limits.send, { key: "k" }), { ok: false, waits: true });
    same(await client.query(api.limits.check, { key: "other" }), true);
    await client.mutation(api.limits.signUp, {});
    await client.mutation(api.limits.signUp, {});
    const refused = await fails(() => client.mutation(api.limits.signUp, {}), "a third sign-up");
    same([refused.data.kind, refused.data.name], ["RateLimited", "signUp"]);
    holds(refused.data.retryAfter > 0, "retryAfter");
    holds(Math.abs((await client.mutation(api.limits.getServerTime, {})) - Date.now()) < 60_000, "the server's time");
    same((await client.query(api.limits.getRateLimit, {})).config.capacity, 3);
  },
};
