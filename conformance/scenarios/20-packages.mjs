// The official components, installed from npm as they are, in one app that uses them.
import { ConvexHttpClient } from "convex/browser";
import { anyApi as api } from "convex/server";
import { createHmac } from "node:crypto";
import { join } from "node:path";
import { contains, fails, holds, same } from "../lib/check.mjs";
import { Lentil, portFlags, removeFolder, root, scratchApp, until } from "../lib/lentil.mjs";

const webhookSecret = "whsec_of_the_scenario";

export async function setUp() {
  const dir = scratchApp(join(root, "conformance", "apps", "packages"), join(root, "conformance", "node_modules"));
  const lentil = await new Lentil(dir, await portFlags()).start();
  await lentil.cli(["env", "set", "WORKOS_WEBHOOK_SECRET", webhookSecret]);
  lentil.pushed = await lentil.cli(["dev", "--once", "--typecheck", "enable"]);
  return lentil;
}

export async function tearDown(lentil) {
  await lentil?.stop();
  lentil && removeFolder(lentil.dir);
}

const http = (lentil) => new ConvexHttpClient(lentil.info.url, { logger: false });
const events = (client, tag, n) =>
  until(`${n} events of ${tag}`, async () => {
    const list = await client.query(api.events.list, { tag });
    return list.length >= n && list;
  });

export const scenarios = {
  "the CLI tells which components it installed, and the app type-checks against the generated code": async (lentil) => {
    for (const path of ["rateLimiter", "rateLimiter/batchWorker", "shardedCounter", "otherCounter", "workflow/workpool", "workOSAuthKit/eventWorkpool"]) {
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

  "aggregate: counts, sums and ranks beside a table": async (lentil) => {
    const client = http(lentil);
    const ids = [];
    for (const score of [5, 9, 1, 7]) {
      ids.push(await client.mutation(api.scores.add, { game: "go", player: `p${score}`, score }));
    }
    await client.mutation(api.scores.add, { game: "chess", player: "p", score: 100 });
    same(await client.query(api.scores.table, { game: "go", from: 5 }), { count: 4, sum: 22, above: 3, best: 9, median: 7 });
    await client.mutation(api.scores.remove, { id: ids[1] });
    same(await client.query(api.scores.table, { game: "go", from: 5 }), { count: 3, sum: 13, above: 2, best: 7, median: 5 });
    same(await client.query(api.scores.table, { game: "none" }), { count: 0, sum: 0, above: null, best: null, median: null });
  },

  "workpool: jobs of the app run, are tried again, and call back": async (lentil) => {
    const client = http(lentil);
    const ids = await client.mutation(api.pool.start, { tag: "pool", jobs: [2, 3, 4].map((n) => ({ n, failures: { 2: 0, 3: 1, 4: 9 }[n] })) });
    const done = (await events(client, "pool", 3)).sort((a, b) => a.n - b.n);
    same(done.slice(0, 2), [{ n: 2, kind: "success", returnValue: 4 }, { n: 3, kind: "success", returnValue: 9 }]);
    same([done[2].n, done[2].kind], [4, "failed"]);
    contains(done[2].error, "try 3 of 4");
    same(await events(client, "pool:mutation", 1), ["ran"]);
    same((await client.query(api.pool.status, { id: ids[0] })).state, "finished");
  },

  "workflow: steps in order, in parallel, and tried again, over the component's own workpool": async (lentil) => {
    const client = http(lentil);
    const id = await client.mutation(api.flow.start, { tag: "flow", items: [1, 2, 3] });
    same(await events(client, "flow", 1), [{ kind: "success", returnValue: { total: 60, mail: "mail 2" } }]);
    same(await client.query(api.events.list, { tag: "flow:step" }), [60]);
    same(await client.query(api.flow.status, { id }), "completed");
  },

  "action-retrier: runs an action until it succeeds": async (lentil) => {
    const client = http(lentil);
    const id = await client.mutation(api.retry.start, { tag: "retry", failures: 2 });
    same(await events(client, id, 1), [{ type: "success", returnValue: 3 }]);
    same(await client.query(api.retry.status, { id }), { type: "completed", result: { type: "success", returnValue: 3 } });
    same((await client.query(api.events.list, { tag: "retry" })).length, 3);
  },

  "migrations: run by the CLI, walks the table once": async (lentil) => {
    const client = http(lentil);
    await client.mutation(api.migrate.fill, {});
    contains((await lentil.cli(["run", "migrate:run"])).stdout, "Migration started");
    await until("the migration", async () => (await client.query(api.migrate.state, {})).state === "success");
    same(await client.query(api.migrate.state, {}), { state: "success", processed: 35, right: 35 });
    contains((await lentil.cli(["run", "--component", "migrations", "lib:getStatus", '{"names":["migrate:double"]}'])).stdout, '"isDone": true');
    contains((await lentil.cli(["run", "migrate:run"])).stdout, "already done");
  },

  "crons: registered while the app runs, ticking until removed": async (lentil) => {
    const client = http(lentil);
    await client.mutation(api.dynamic.register, { name: "tick", ms: 1000 });
    await client.mutation(api.dynamic.registerDaily, {});
    same((await client.query(api.dynamic.list, {})).map((cron) => cron.name).sort(), ["daily", "tick"]);
    await events(client, "tick", 2);
    await client.mutation(api.dynamic.remove, { name: "tick" });
    same((await client.query(api.dynamic.list, {})).map((cron) => cron.name), ["daily"]);
  },

  "persistent-text-streaming: streams to the client and keeps the text": async (lentil) => {
    const client = http(lentil);
    const id = await client.mutation(api.chat.create, {});
    same(await client.query(api.chat.body, { id }), { status: "pending", text: "" });
    const response = await fetch(`${lentil.info.siteUrl}/chat-stream`, { method: "POST", body: JSON.stringify({ id }) });
    same([response.status, await response.text()], [200, "Hello. This is a stream."]);
    await until("the text to be kept", async () => (await client.query(api.chat.body, { id })).status === "done");
    same(await client.query(api.chat.body, { id }), { status: "done", text: "Hello. This is a stream." });
  },

  "workos-authkit: a signed webhook makes the user known to the component and to the app": async (lentil) => {
    const client = http(lentil);
    const user = {
      object: "user", id: "user_1", email: "ada@example.com", email_verified: true, first_name: "Ada", last_name: null, profile_picture_url: null,
      last_sign_in_at: null, locale: null, external_id: null, metadata: {}, created_at: "2026-01-01T00:00:00.000Z", updated_at: "2026-01-01T00:00:00.000Z",
    };
    const post = (event, secret = webhookSecret) => {
      const body = JSON.stringify(event);
      const at = Date.now();
      const signature = createHmac("sha256", secret).update(`${at}.${body}`).digest("hex");
      return fetch(`${lentil.info.siteUrl}/workos/webhook`, {
        method: "POST", body, headers: { "Content-Type": "application/json", "workos-signature": `t=${at}, v1=${signature}` },
      });
    };
    const event = (id, name) => ({ id, event: name, created_at: "2026-01-01T00:00:00.000Z", data: user });
    same((await post(event("event_1", "user.created"), "whsec_wrong")).status, 500);
    same(await client.query(api.auth.known, { id: "user_1" }), { mine: null, theirs: null });
    const answer = await post(event("event_1", "user.created"));
    same([answer.status, await answer.text()], [200, "OK"]);
    same(await client.query(api.auth.known, { id: "user_1" }), { mine: "ada@example.com", theirs: "ada@example.com" });
    same((await post(event("event_1", "user.created"))).status, 200, "an event that comes twice");
    same((await post(event("event_2", "user.deleted"))).status, 200);
    same(await client.query(api.auth.known, { id: "user_1" }), { mine: null, theirs: null });
  },

  "what components keep survives a crash, and another push": async (lentil) => {
    const client = http(lentil);
    const before = await client.query(api.counter.count, { name: "calls" });
    await lentil.crashAndRestart();
    same(await client.query(api.counter.count, { name: "calls" }), before);
    await lentil.cli(["dev", "--once", "--typecheck", "disable"]);
    same(await client.query(api.counter.count, { name: "calls" }), before);
    const id = await client.mutation(api.flow.start, { tag: "again", items: [4] });
    same(await events(client, "again", 1), [{ kind: "success", returnValue: { total: 40, mail: "mail 2" } }]);
    same(await client.query(api.flow.status, { id }), "completed");
  },
};
