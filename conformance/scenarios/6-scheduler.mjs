// Scheduled functions and cron jobs: transactional, exactly or at most once, over crashes, and beside live calls.
import { ConvexClient, ConvexHttpClient } from "convex/browser";
import { anyApi as api } from "convex/server";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import WebSocket from "ws";
import { contains, fails, holds, same } from "../lib/check.mjs";
import { Lentil, portFlags, removeFolder, root, scratchApp, sleep, until, write } from "../lib/lentil.mjs";

export async function setUp() {
  const dir = scratchApp(join(root, "conformance", "apps", "scheduler"), join(root, "conformance", "node_modules"));
  const lentil = await new Lentil(dir, await portFlags()).start();
  await push(lentil);
  return lentil;
}

export async function tearDown(lentil) {
  await lentil?.stop();
  lentil && removeFolder(lentil.dir);
}

const push = (lentil) => lentil.cli(["dev", "--once", "--typecheck", "disable"]);
const http = (lentil) => new ConvexHttpClient(lentil.info.url, { logger: false });
const effects = (client, tag) => client.query(api.jobs.effects, { tag });
const stateOf = async (client, id) => (await client.query(api.jobs.get, { id }))?.state;
/** Lets a held action end. */
const mayEnd = (client, tag) => client.mutation(api.jobs.chain, { tag: `${tag} may end`, n: 1 });
const settled = (client, id) =>
  until("the job to end", async () => {
    const state = await stateOf(client, id);
    return state && state.kind !== "pending" && state.kind !== "inProgress" && state;
  });

const post = (lentil, path, body) =>
  fetch(`${lentil.info.url}${path}`, {
    method: "POST",
    headers: { "Content-Type": "application/json", Authorization: `Convex ${lentil.info.adminKey}` },
    body: JSON.stringify(body),
  });

export const scenarios = {
  "the app type-checks": async (lentil) => {
    await lentil.cli(["dev", "--once", "--typecheck", "enable"]);
  },

  "a job is a document of the virtual table, runs once as nobody, and succeeds": async (lentil) => {
    const client = http(lentil);
    const before = Date.now();
    const hour = 3600_000;
    const far = await client.mutation(api.jobs.noteLater, { tag: "never", ms: hour });
    const pending = await client.query(api.jobs.get, { id: far });
    same(Object.keys(pending).sort(), ["_creationTime", "_id", "args", "name", "scheduledTime", "state"]);
    same([pending._id, pending.name, pending.args, pending.state], [far, "jobs.js:note", [{ tag: "never", n: 0 }], { kind: "pending" }]);
    holds(pending.scheduledTime >= before + hour && pending.scheduledTime <= Date.now() + hour, "scheduledTime");
    same(await client.query(api.jobs.normalize, { id: far }), [far, null]);
    await client.mutation(api.jobs.cancel, { id: far });
    const id = await client.mutation(api.jobs.noteLater, { tag: "one", ms: 700 });
    same(await settled(client, id), { kind: "success" });
    const rows = await effects(client, "one");
    same(rows.length, 1);
    same([rows[0].state, rows[0].identity, rows[0].job], ["inProgress", null, id]);
    const done = await client.query(api.jobs.get, { id });
    holds(rows[0].at >= done.scheduledTime, `ran ${done.scheduledTime - rows[0].at} ms early`);
    holds(done.completedTime >= rows[0].at, "completedTime");
    contains((await fails(() => client.mutation(api.jobs.tamper, { id }), "deleting a job")).message, "read-only");
  },

  "runAt, also in the past; jobs due together run in order of their times": async (lentil) => {
    const client = http(lentil);
    await settled(client, await client.mutation(api.jobs.noteAt, { tag: "past", at: Date.now() - 3600_000 }));
    same((await effects(client, "past")).length, 1);
    await client.mutation(api.jobs.chain, { tag: "chain", n: 30 });
    await until("the chain", async () => (await client.query(api.jobs.count, { tag: "chain" })) === 30);
    same((await effects(client, "chain")).map((row) => row.n), Array.from({ length: 30 }, (_, i) => 30 - i));
  },

  "scheduling is part of the transaction": async (lentil) => {
    const client = http(lentil);
    await fails(() => client.mutation(api.jobs.noteLaterAndFail, { tag: "undone" }), "noteLaterAndFail");
    same(await client.mutation(api.jobs.nested, { tag: "nested" }), "caught");
    await until("the outer job", async () => (await client.query(api.jobs.count, { tag: "nested" })) > 0);
    contains((await fails(() => client.action(api.jobs.fromAction, { tag: "by action" }), "fromAction")).message, "after scheduling");
    await until("the action's job", async () => (await client.query(api.jobs.count, { tag: "by action" })) === 1);
    await sleep(200);
    same(await client.query(api.jobs.count, { tag: "undone" }), 0);
    same((await effects(client, "nested")).map((row) => row.n), [1]);
    same(await client.mutation(api.jobs.metrics, {}), 1);
  },

  "what cannot be scheduled is refused with its reason": async (lentil) => {
    const client = http(lentil);
    const said = await client.mutation(api.jobs.refusals, {});
    contains(said.missing, "Attempted to schedule function at nonexistent path: jobs.js:missing");
    contains(said.query, "Only mutations and actions can be scheduled");
    contains(said.args, "ArgumentValidationError");
    contains(said.far, "more than 5 years in the future");
    contains(said.negative, "must be non-negative");
    contains((await fails(() => client.mutation(api.jobs.tooMany, {}), "tooMany")).message, "Too many functions scheduled by this mutation (limit: 1000)");
    same(await client.query(api.jobs.count, { tag: "too many" }), 0);
  },

  "a failing job leaves nothing but its error": async (lentil) => {
    const client = http(lentil);
    const state = await settled(client, await client.mutation(api.jobs.start, { what: "failing", tag: "failing" }));
    same(state.kind, "failed");
    contains(state.error, "ConvexError");
    same(await client.query(api.jobs.count, { tag: "failing" }), 0);
    const action = await settled(client, await client.mutation(api.jobs.start, { what: "failingAction", tag: "" }));
    contains(action.error, "the action failed");
  },

  "cancel: pending never runs, ended stays, an action's children are dropped, oneself is no one": async (lentil) => {
    const client = http(lentil);
    const due = 2500;
    const pending = await client.mutation(api.jobs.noteLater, { tag: "canceled", ms: due });
    await client.mutation(api.jobs.cancel, { id: pending });
    same(await stateOf(client, pending), { kind: "canceled" });
    const second = await client.mutation(api.jobs.noteLater, { tag: "canceled", ms: due });
    const asked = performance.now();
    await client.action(api.jobs.cancelFromAction, { id: second });
    same(await stateOf(client, second), { kind: "canceled" });

    const ended = await client.mutation(api.jobs.noteLater, { tag: "ended", ms: 0 });
    await settled(client, ended);
    await client.mutation(api.jobs.cancel, { id: ended });
    same(await stateOf(client, ended), { kind: "success" });

    const running = await client.mutation(api.jobs.start, { what: "held", tag: "running" });
    await until("the action to begin", async () => (await client.query(api.jobs.count, { tag: "running began" })) === 1);
    same(await stateOf(client, running), { kind: "inProgress" });
    await client.mutation(api.jobs.cancel, { id: running });
    await mayEnd(client, "running");
    await until("the action to end", async () => (await client.query(api.jobs.count, { tag: "running ended" })) === 1);
    await client.mutation(api.jobs.startSelfish, { tag: "selfish" });
    await until("the selfish one", async () => (await client.query(api.jobs.count, { tag: "selfish" })) === 1);
    await sleep(asked + due + 200 - performance.now());
    same(await stateOf(client, running), { kind: "canceled" });
    same(await client.query(api.jobs.count, { tag: "running child" }), 0);
    same(await client.query(api.jobs.count, { tag: "canceled" }), 0);
  },

  "admins cancel one job, or all of a function": async (lentil) => {
    const client = http(lentil);
    const one = await client.mutation(api.jobs.noteLater, { tag: "far", ms: 3600_000 });
    same((await post(lentil, "/api/cancel_job", { id: one, componentId: null })).status, 200);
    same(await stateOf(client, one), { kind: "canceled" });
    await client.mutation(api.jobs.noteLater, { tag: "far", ms: 3600_000, times: 700 });
    await client.mutation(api.jobs.noteLater, { tag: "far", ms: 3600_000, times: 700 });
    same((await post(lentil, "/api/cancel_all_jobs", { udfPath: "jobs.js:chain", componentId: null })).status, 200);
    same((await client.query(api.jobs.list, { kind: "pending" })).length, 1400);
    same((await post(lentil, "/api/cancel_all_jobs", { udfPath: "jobs.js:note", componentId: null })).status, 200);
    same((await client.query(api.jobs.list, { kind: "pending" })).length, 0);
    same((await post(lentil, "/api/cancel_job", { id: "nonsense" })).status, 400);
    const page = await client.query(api.jobs.page, { cursor: null });
    same([page.page.length, page.isDone], [2, false]);
    const next = await client.query(api.jobs.page, { cursor: page.continueCursor });
    const { stdout } = await lentil.cli(["data", "_scheduled_functions", "--limit", "3"]);
    contains(stdout, "jobs.js:note");
    contains(stdout, "canceled");
    holds(next.page.every((row) => row._creationTime > page.page[1]._creationTime && row.due === undefined), "pages go on");
  },

  "thousands due at once run once each, and callers hardly notice": async (lentil) => {
    const client = http(lentil);
    const times = 1000;
    for (let i = 0; i < 3; i++) {
      await client.mutation(api.jobs.noteLater, { tag: "crowd", ms: 0, times });
    }
    const waits = [];
    const began = performance.now();
    let over = false;
    const caller = (async () => {
      while (!over) {
        const start = performance.now();
        await client.mutation(api.jobs.chain, { tag: "caller", n: 1 });
        waits.push(performance.now() - start);
      }
    })();
    const watcher = http(lentil); // mutations of one client wait for one another
    try {
      await until("the crowd", async () => (await watcher.query(api.jobs.list, { kind: "pending" })).length === 0);
    } finally {
      over = true;
    }
    await caller;
    const seconds = (performance.now() - began) / 1000;
    same((await effects(client, "crowd")).length, 3 * times);
    waits.sort((a, b) => a - b);
    const median = waits[waits.length >> 1];
    console.log(`      3,000 jobs in ${seconds.toFixed(1)} s; a caller's mutation meanwhile: median ${median.toFixed(0)} ms, worst ${waits.at(-1).toFixed(0)} ms of ${waits.length}`);
    // However fast the machine is: callers have their turns among the jobs, not after them.
    holds(waits.length >= 10 && median < (1000 * seconds) / 10, `median of ${waits.length} callers ${median} ms, in ${seconds} s`);
  },

  "jobs that conflict with one another all take effect, once": async (lentil) => {
    const client = http(lentil);
    await client.mutation(api.jobs.bumpLater, { tag: "bumped", times: 400 });
    await until("the jobs", async () => (await client.query(api.jobs.list, { kind: "pending" })).length === 0);
    same((await effects(client, "bumped")).map((row) => row.n), [400]);
  },

  "kill -9: mutations neither lost nor twice, an interrupted action fails": async (lentil) => {
    const client = http(lentil);
    const action = await client.mutation(api.jobs.start, { what: "slow", tag: "killed", ms: 60_000 });
    await until("the action to begin", async () => (await client.query(api.jobs.count, { tag: "killed began" })) === 1);
    const later = await client.mutation(api.jobs.noteLater, { tag: "after the crash", ms: 1500 });
    await client.mutation(api.jobs.bumpLater, { tag: "bumped over crashes", times: 300 });
    await client.mutation(api.jobs.noteLater, { tag: "crash", ms: 0, times: 1000 });
    for (let i = 0; i < 3; i++) {
      await sleep(150);
      await lentil.crashAndRestart();
    }
    await until("the rest", async () => (await client.query(api.jobs.list, { kind: "pending" })).length === 0);
    const rows = await effects(client, "crash");
    same(rows.map((row) => row.n).sort((a, b) => a - b), Array.from({ length: 1000 }, (_, i) => i));
    same((await effects(client, "bumped over crashes")).map((row) => row.n), [300]);
    same(await stateOf(client, action), { kind: "failed", error: "Transient error while executing action" });
    same(await client.query(api.jobs.count, { tag: "killed ended" }), 0);
    same(await settled(client, later), { kind: "success" });
    same(await client.query(api.jobs.count, { tag: "after the crash" }), 1);
  },

  "ctrl-c does not wait for a long action, which the next start marks as failed": async (lentil) => {
    const client = http(lentil);
    const action = await client.mutation(api.jobs.start, { what: "held", tag: "stopped" });
    await until("the action to begin", async () => (await client.query(api.jobs.count, { tag: "stopped began" })) === 1);
    same(await lentil.stop(), 0); // nobody has let it end
    await lentil.start();
    same((await settled(client, action)).kind, "failed");
  },

  "live queries follow the state of a job": async (lentil) => {
    const client = new ConvexClient(lentil.info.url, { webSocketConstructor: WebSocket, unsavedChangesWarning: false, logger: false });
    try {
      const id = await client.mutation(api.jobs.start, { what: "held", tag: "followed" });
      const seen = [];
      const stop = client.onUpdate(api.jobs.get, { id }, (job) => seen.at(-1) !== job.state.kind && seen.push(job.state.kind));
      await until("the job to begin", () => seen.at(-1) === "inProgress");
      await mayEnd(client, "followed");
      await until("the job to succeed", () => seen.at(-1) === "success");
      stop();
    } finally {
      await client.close();
    }
  },

  "cron jobs: every form is accepted, intervals fire, one run at a time": async (lentil) => {
    const client = http(lentil);
    const count = (tag) => client.query(api.jobs.count, { tag });
    await until("the interval", async () => (await count("cron: second")) >= 3);
    const began = Date.now();
    const before = (await effects(client, "cron: second")).length;
    const since = async (tag) => (await effects(client, tag)).map((row) => row.at).filter((at) => at >= began);
    await until("three more, and two of the action", async () => (await count("cron: second")) >= before + 3 && (await since("cron: action began")).length >= 2);
    const fired = (await count("cron: second")) - before;
    const expected = (Date.now() - began) / 1000;
    holds(fired <= expected + 1.5, `fired ${fired} times in ${expected} s`);
    same(await count("cron: rarely"), 1); // at once when pushed, and not again by the pushes and restarts since
    same(await count("cron: failing"), 0);
    const starts = await since("cron: action began");
    holds(starts.every((at, i) => i === 0 || at - starts[i - 1] >= 2500), `one run of 2.5 s at a time: ${starts}`);
    const entries = JSON.stringify(await (await fetch(`${lentil.info.url}/api/stream_function_logs?cursor=0`, { headers: { Authorization: `Convex ${lentil.info.adminKey}` } })).json());
    contains(entries, '"caller":"Cron"');
    contains(entries, "on purpose");
  },

  "a push reschedules changed cron jobs, keeps the others, and refuses bad ones": async (lentil) => {
    const client = http(lentil);
    const count = (tag) => client.query(api.jobs.count, { tag });
    const path = join(lentil.dir, "convex/crons.ts");
    const source = readFileSync(path, "utf8");
    write(path, source.replace("hours: 5", "hours: 6").replace(/crons\.interval\("every second".*\n/, ""));
    await push(lentil);
    await until("the changed job to fire anew", async () => (await count("cron: rarely")) === 2);
    let seconds;
    await until("the one that was taken away to fire no more", async () => {
      seconds = await count("cron: second");
      await sleep(1500);
      return (await count("cron: second")) === seconds;
    });

    for (const [bad, message] of [
      ['crons.cron("bad", "61 * * * *", internal.jobs.note, { tag: "" });', "cannot be understood"],
      ['crons.interval("bad", { hours: 1 }, "jobs:missing" as any);', "does not exist"],
      ['crons.hourly("every second", { minuteUTC: 1 }, internal.jobs.note, { tag: "" });', "registered twice"],
    ]) {
      write(path, source.replace("export default", `${bad}\nexport default`));
      const { code, stdout, stderr } = await lentil.cli(["dev", "--once", "--typecheck", "disable"], { allowFailure: true });
      holds(code !== 0, "exit code");
      contains(stdout + stderr, message);
    }
    write(path, source);
    await push(lentil);
    await until("the job that came back", async () => (await count("cron: second")) > seconds);
  },
};
