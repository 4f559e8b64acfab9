// Many clients append to lists and read them while the server is killed again and again; the history must be one that
// a serial execution explains, in real time. Longer: HISTORY_SECONDS=120 node run.mjs 42-serializability
import { ConvexClient, ConvexHttpClient } from "convex/browser";
import { anyApi as api } from "convex/server";
import { execFileSync } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import WebSocket from "ws";
import { contains, fails, holds } from "../lib/check.mjs";
import { Lentil, patience, portFlags, removeFolder, root, scratchApp, sleep } from "../lib/lentil.mjs";

export async function setUp() {
  const dir = scratchApp(join(root, "conformance", "apps", "lists"), join(root, "conformance", "node_modules"));
  const lentil = await new Lentil(dir, await portFlags()).start();
  await lentil.cli(["dev", "--once", "--typecheck", "disable"]);
  return lentil;
}

export async function tearDown(lentil) {
  await lentil?.stop();
  lentil && removeFolder(lentil.dir);
}

const seconds = Number(process.env.HISTORY_SECONDS ?? 6);
const keys = ["w0", "w1", "w2", "p0", "p1", "p2"];
let nextValue = 1;

const pick = (list) => list[Math.floor(Math.random() * list.length)];
const randomOps = () =>
  Array.from({ length: 1 + Math.floor(Math.random() * 4) }, () =>
    Math.random() < 0.6 ? { op: "append", key: pick(keys), value: nextValue++ } : { op: "read", key: pick(keys) },
  );

/** Whether the error says that nothing was committed; otherwise nobody knows. */
const refused = (error) => /on purpose|OptimisticConcurrencyControlFailure/.test(String(error.message));

/** Runs one transaction and notes it. */
async function transact(history, client, mutate, ask) {
  const kind = Math.random();
  const txn = { client, start: performance.now(), end: 0, status: "unknown", ops: [] };
  try {
    if (kind < 0.2) {
      txn.ops = keys.map((key) => ({ op: "read", key }));
      const lists = await ask(api.lists.look, { keys });
      txn.ops.forEach((op, i) => (op.list = lists[i]));
    } else if (kind < 0.25) {
      txn.ops = [{ op: "append", key: pick(keys), value: nextValue++ }];
      await mutate(api.lists.fail, { key: txn.ops[0].key, value: txn.ops[0].value });
    } else {
      txn.ops = randomOps();
      const seen = await mutate(api.lists.transact, { ops: txn.ops.map((op) => ({ ...op })), nested: Math.random() < 0.2 });
      txn.ops.forEach((op, i) => op.op === "read" && (op.list = seen[i]));
    }
    txn.status = "ok";
  } catch (error) {
    txn.status = refused(error) ? "failed" : "unknown";
    txn.error = String(error.message).slice(0, 200);
  }
  txn.end = performance.now();
  history.push(txn);
  return txn;
}

/** Has the history checked by the Go program, which fails if it finds an anomaly. */
function check(history) {
  const dir = mkdtempSync(join(tmpdir(), "lentil-history-"));
  const file = join(dir, "history.jsonl");
  writeFileSync(file, history.map((txn) => JSON.stringify(txn)).join("\n") + "\n");
  try {
    const said = execFileSync("go", ["run", "./conformance/history", file], { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
    removeFolder(dir);
    return said;
  } catch (error) {
    throw new Error(`${file} is not serializable:\n${String(error.stdout).slice(0, 5000)}${error.stderr}`);
  }
}

export const scenarios = {
  [`a history of ${seconds} s with crashes is serializable, over HTTP and sockets`]: async (lentil) => {
    const history = [];
    let going = true;
    const httpClients = Array.from({ length: 10 }, (_, i) =>
      (async () => {
        const client = new ConvexHttpClient(lentil.info.url, { logger: false });
        while (going) {
          const txn = await transact(history, i, (f, args) => client.mutation(f, args), (f, args) => client.query(f, args));
          txn.status === "unknown" && (await sleep(20));
        }
      })(),
    );
    // What a socket was not told is sent again by the client, and must happen once.
    const sockets = Array.from({ length: 6 }, () => new ConvexClient(lentil.info.url, { webSocketConstructor: WebSocket, logger: false }));
    const socketClients = sockets.map(async (socket, i) => {
      const reader = new ConvexHttpClient(lentil.info.url, { logger: false });
      while (going) {
        await transact(history, 100 + i, (f, args) => socket.mutation(f, args), (f, args) => reader.query(f, args));
      }
    });
    const end = performance.now() + 1000 * seconds;
    const count = (status) => history.filter((txn) => txn.status === status).length;
    let crashes = 0;
    // As long as that, and until enough has happened.
    const enough = () => crashes >= 2 && count("ok") > 300 && count("failed") > 5;
    while (performance.now() < end || (!enough() && performance.now() < end + patience)) {
      await sleep(500 + Math.random() * 900);
      // A house that lives for no longer than that gets nothing done on a busy machine.
      const done = count("ok") + 30;
      while (count("ok") < done && performance.now() < end + patience) {
        await sleep(20);
      }
      await lentil.crashAndRestart();
      crashes++;
    }
    going = false;
    await Promise.all([...httpClients, ...socketClients]);
    await Promise.all(sockets.map((socket) => socket.close()));
    const client = new ConvexHttpClient(lentil.info.url, { logger: false });
    const last = { client: 1000, start: performance.now(), end: 0, status: "ok", ops: keys.map((key) => ({ op: "read", key })) };
    const lists = await client.query(api.lists.look, { keys });
    last.ops.forEach((op, i) => (op.list = lists[i]));
    last.end = performance.now();
    history.push(last);
    holds(enough(), `${crashes} crashes, ${count("ok")} ok, ${count("failed")} failed`);
    contains(check(history), " 0 anomalies");
    // The same history is no longer serializable when nobody ever saw one acknowledged append.
    const acknowledged = history.find((txn) => txn.status === "ok" && txn.ops.every((op) => op.op === "append"));
    const { key, value } = acknowledged.ops[0];
    const without = (op) => (op.key === key && op.list ? { ...op, list: op.list.filter((v) => v !== value) } : op);
    const forged = history.map((txn) => ({ ...txn, ops: txn.ops.map(without) }));
    contains((await fails(() => check(forged), "a forged history")).message, "lost update");
  },
};
