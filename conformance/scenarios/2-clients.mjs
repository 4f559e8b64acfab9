// ConvexHttpClient, ConvexClient and ConvexReactClient from npm against one deployment.
import { ConvexClient, ConvexHttpClient } from "convex/browser";
import { ConvexReactClient } from "convex/react";
import { anyApi as api } from "convex/server";
import { ConvexError } from "convex/values";
import { createServer } from "node:http";
import { join } from "node:path";
import WebSocket from "ws";
import { contains, fails, holds, lacks, same } from "../lib/check.mjs";
import { Lentil, patience, portFlags, removeFolder, root, scratchApp, sleep, until } from "../lib/lentil.mjs";
import { Proxy } from "../lib/proxy.mjs";

globalThis.WebSocket ??= WebSocket;

export async function setUp() {
  const dir = scratchApp(join(root, "conformance", "apps", "contract"), join(root, "conformance", "node_modules"));
  const lentil = await new Lentil(dir, await portFlags()).start();
  await lentil.cli(["dev", "--once", "--typecheck", "disable"]);
  return lentil;
}

export async function tearDown(lentil) {
  await lentil?.stop();
  lentil && removeFolder(lentil.dir);
}

const http = (lentil) => new ConvexHttpClient(lentil.info.url, { logger: false });
const live = (url, options) => new ConvexClient(url, { webSocketConstructor: WebSocket, unsavedChangesWarning: false, logger: false, ...options });
const bodies = (rows) => rows.map((row) => row.body);

/** Subscribes and keeps every result. */
function watch(client, query, args) {
  const seen = { values: [], errors: [] };
  seen.stop = client.onUpdate(query, args, (value) => seen.values.push(value), (error) => seen.errors.push(error));
  seen.last = () => seen.values.at(-1);
  return seen;
}

export const scenarios = {
  "http: query, mutation, action": async (lentil) => {
    const client = http(lentil);
    const id = await client.mutation(api.messages.send, { channel: "http", body: "hello" });
    holds(/^[0-9a-z]{31,37}$/.test(id), `id ${id}`);
    const rows = await client.query(api.messages.list, { channel: "http" });
    same(bodies(rows), ["hello"]);
    same(rows[0]._id, id);
    holds(Math.abs(rows[0]._creationTime - Date.now()) < 60_000, "_creationTime");
    same(await client.action(api.actions.wait, { ms: 5 }), 5);
    const chain = await client.action(api.actions.chain, { channel: "chain" });
    same([chain.before, chain.after], [0, 1]);
    holds(chain.secret >= 3, "the internal query counts all rows");
  },

  "http: get, patch, replace, delete": async (lentil) => {
    const client = http(lentil);
    const id = await client.mutation(api.messages.send, { channel: "crud", body: "a", rank: 1 });
    await client.mutation(api.messages.edit, { id, body: "b" });
    const edited = await client.query(api.messages.get, { id });
    same([edited.body, edited.rank], ["b", 1]);
    await client.mutation(api.messages.replace, { id, channel: "crud", body: "c" });
    const replaced = await client.query(api.messages.get, { id });
    same([replaced.body, replaced.rank, replaced._creationTime], ["c", undefined, edited._creationTime]);
    await client.mutation(api.messages.remove, { id });
    same(await client.query(api.messages.get, { id }), null);
    contains((await fails(() => client.mutation(api.messages.remove, { id }), "a second delete")).message, "nonexistent document");
  },

  "http: every kind of value makes the round trip": async (lentil) => {
    const client = http(lentil);
    const bytes = new Uint8Array([0, 1, 254, 255]).buffer;
    const value = {
      null: null,
      int: 9223372036854775807n,
      negative: -1n,
      float: 1.5,
      whole: 3,
      big: 1e300,
      nan: NaN,
      minusZero: -0,
      infinity: Infinity,
      yes: true,
      text: "höß \u{1f35c} \u0000",
      bytes,
      list: [1, "a", [null]],
      object: { nested: { deeper: [] } },
    };
    for (const back of [await client.query(api.values.echo, { value }), await client.mutation(api.values.store, { value })]) {
      same(Object.keys(back).sort(), Object.keys(value).sort());
      same(back.int, value.int);
      holds(Object.is(back.minusZero, -0) && Number.isNaN(back.nan) && back.infinity === Infinity, "special floats");
      same([...new Uint8Array(back.bytes)], [0, 1, 254, 255]);
      same([back.text, back.list, back.object, back.big, back.negative], [value.text, value.list, value.object, value.big, value.negative]);
    }
  },

  "http: every form of range, filter, order and end": async (lentil) => {
    const client = http(lentil);
    const { missing } = await client.query(api.messages.forms, { channel: "forms" });
    await client.mutation(api.messages.sendMany, { channel: "forms", count: 5 });
    await client.mutation(api.messages.send, { channel: "forms", body: "no rank" });
    same(await client.query(api.messages.forms, { channel: "forms" }), {
      gt: [3, 4],
      gte: [2, 3, 4],
      lt: [null, 0, 1],
      between: [1, 2, 3],
      eq: [3],
      desc: [4, 3, 2, 1, 0, null],
      take: [null, 0],
      first: null,
      unique: "refused",
      iterated: [4, 3],
      filtered: [3, 4],
      missing: missing + 6, // none of the six has the field
    });
  },

  "http: errors keep their kind": async (lentil) => {
    const client = http(lentil);
    const plain = await fails(() => client.query(api.errors.plain, {}), "errors:plain");
    contains(plain.message, "Uncaught Error: the plain one");
    contains(plain.message, "[Request ID: ");
    const typed = await fails(() => client.mutation(api.errors.convexError, { code: 3 }), "errors:convexError");
    holds(typed instanceof ConvexError, "is a ConvexError");
    same(typed.data, { code: 3, why: "on purpose" });
    contains((await fails(() => client.query(api.messages.list, { channel: 5 }), "bad args")).message, "ArgumentValidationError");
    contains((await fails(() => client.query(api.messages.list, { channel: "x", extra: 1 }), "extra args")).message, "extra field `extra`");
    contains((await fails(() => client.query(api.errors.wrongReturn, {}), "bad return")).message, "ReturnsValidationError");
    contains((await fails(() => client.mutation(api.errors.breaksSchema, {}), "schema")).message, "does not match the schema");
    contains((await fails(() => client.query(api.messages.secretCount, {}), "internal")).message, "Could not find public function");
    contains((await fails(() => client.query(api.messages.send, { channel: "a", body: "b" }), "kind")).message, "as Query, but it is defined as Mutation");
    same(await client.action(api.errors.throughAction, {}), "caught 7");
    contains((await fails(() => client.query(api.errors.fetches, {}), "fetch in a query")).message, "Can't use fetch() in queries and mutations");
  },

  "http: a mutation that throws leaves nothing; a nested one takes back its own": async (lentil) => {
    const client = http(lentil);
    await fails(() => client.mutation(api.errors.halfWritten, {}), "halfWritten");
    same(await client.query(api.messages.list, { channel: "half" }), []);
    const nested = await client.mutation(api.actions.nested, { channel: "nested" });
    same(nested.bodies, ["outer"]);
    contains(nested.thrown, "inner failed");
  },

  "http: hostile functions end as their caller's error and harm nobody": async (lentil) => {
    const client = http(lentil);
    const [endless, greedy, fine] = await Promise.all([
      fails(() => client.query(api.errors.endless, {}), "endless"),
      fails(() => client.query(api.errors.greedy, {}), "greedy"),
      client.query(api.messages.list, { channel: "http" }),
    ]);
    contains(endless.message, "timed out");
    contains(greedy.message, "ran out of memory");
    holds(fine.length >= 1, "others are served");
  },

  "http: queries are frozen in time and modules are fresh": async (lentil) => {
    const client = http(lentil);
    const first = await client.query(api.values.deterministic, {});
    holds(first.frozen && first.random >= 0 && first.random < 1, "frozen");
    holds(Math.abs(first.now - Date.now()) < 20_000, "now");
    same([await client.query(api.values.fresh, { salt: 1 }), await client.query(api.values.fresh, { salt: 2 })], [1, 1]);
  },

  "http: actions fetch": async (lentil) => {
    const server = createServer((request, response) => {
      let body = "";
      request.on("data", (chunk) => (body += chunk));
      request.on("end", () => response.writeHead(201).end(`${request.method} ${body} ${request.headers["x-test"]}`));
    });
    await new Promise((done) => server.listen(0, "127.0.0.1", done));
    const url = `http://127.0.0.1:${server.address().port}/`;
    same(await http(lentil).action(api.actions.fetchText, { url }), { status: 201, text: "POST ping 1" });
    server.close();
  },

  "http: consistent reads at one timestamp": async (lentil) => {
    const client = http(lentil);
    same(await client.consistentQuery(api.counters.read, { name: "nobody" }), 0);
    await client.mutation(api.counters.increment, { name: "nobody" });
    const other = http(lentil);
    same(await other.consistentQuery(api.counters.read, { name: "nobody" }), 1);
    same(await client.consistentQuery(api.counters.read, { name: "nobody" }), 0);
  },

  "live: a change reaches another client": async (lentil) => {
    const [alice, bob] = [live(lentil.info.url), live(lentil.info.url)];
    const seen = watch(bob, api.messages.list, { channel: "live" });
    await until("the first result", () => seen.values.length === 1);
    await alice.mutation(api.messages.send, { channel: "live", body: "one" });
    await until("the change", () => seen.last().length === 1);
    same(bodies(seen.last()), ["one"]);
    // A change that does not concern the query sends nothing.
    const count = seen.values.length;
    await alice.mutation(api.messages.send, { channel: "elsewhere", body: "two" });
    await sleep(200);
    same(seen.values.length, count);
    await alice.close();
    await bob.close();
  },

  "live: errors of queries arrive, and the query recovers": async (lentil) => {
    const client = live(lentil.info.url);
    const seen = watch(client, api.errors.plain, {});
    await until("the error", () => seen.errors.length === 1);
    contains(seen.errors[0].message, "the plain one");
    const typed = await fails(() => client.mutation(api.errors.convexError, { code: 9 }), "convexError");
    same(typed.data, { code: 9, why: "on purpose" });
    contains((await fails(() => client.query(api.messages.secretCount, {}), "internal")).message, "Could not find public function");
    await client.close();
  },

  "live: mutations run in order, one at a time": async (lentil) => {
    const client = live(lentil.info.url);
    const results = await Promise.all(Array.from({ length: 50 }, () => client.mutation(api.counters.increment, { name: "ordered" })));
    same(results, Array.from({ length: 50 }, (_, i) => i + 1));
    await client.close();
  },

  "live: many clients on one counter lose nothing": async (lentil) => {
    const clients = Array.from({ length: 8 }, () => live(lentil.info.url));
    await Promise.all(clients.flatMap((client) => Array.from({ length: 25 }, () => client.mutation(api.counters.increment, { name: "contended" }))));
    same(await http(lentil).query(api.counters.read, { name: "contended" }), 200);
    await Promise.all(clients.map((client) => client.close()));
  },

  "live: a reader never sees half a transfer": async (lentil) => {
    const client = live(lentil.info.url);
    const before = await http(lentil).query(api.counters.sum, {});
    const seen = watch(client, api.counters.sum, {});
    const writers = [live(lentil.info.url), live(lentil.info.url)];
    await Promise.all(writers.flatMap((w, i) => Array.from({ length: 20 }, (_, n) => w.mutation(api.counters.transfer, { from: `a${i}`, to: `b${n % 3}`, amount: n }))));
    await until("a result", () => seen.values.length > 0);
    holds(seen.values.every((value) => value === before), `sums ${[...new Set(seen.values)]}`);
    await Promise.all([client, ...writers].map((c) => c.close()));
  },

  "live: an answer lost on the way is replayed, and the mutation runs once": async (lentil) => {
    const proxy = await new Proxy(lentil.info.url).start();
    const client = live(proxy.url);
    await client.mutation(api.counters.increment, { name: "once" });
    for (let round = 2; round <= 5; round++) {
      proxy.deaf = true;
      const pending = client.mutation(api.counters.increment, { name: "once" });
      await until("the commit", async () => (await http(lentil).query(api.counters.read, { name: "once" })) === round);
      proxy.cut();
      proxy.deaf = false;
      same(await pending, round);
    }
    same(await http(lentil).query(api.counters.read, { name: "once" }), 5);
    await client.close();
    await proxy.stop();
  },

  "live: an action in flight is not repeated when the connection is lost": async (lentil) => {
    const proxy = await new Proxy(lentil.info.url).start();
    const client = live(proxy.url);
    await client.query(api.values.echo, { value: 1 });
    proxy.deaf = true; // whatever it answers comes too late
    const before = proxy.heard;
    const pending = fails(() => client.action(api.actions.wait, { ms: 10 }), "the action");
    await until("the call to be on its way", () => proxy.heard > before);
    proxy.cut();
    proxy.deaf = false;
    contains((await pending).message, "Connection lost while action was in flight");
    await client.close();
    await proxy.stop();
  },

  "live: open queries and unsent mutations survive a crash of the server": async (lentil) => {
    const client = live(lentil.info.url);
    const seen = watch(client, api.messages.list, { channel: "crash" });
    await client.mutation(api.messages.send, { channel: "crash", body: "before" });
    await lentil.stop("SIGKILL");
    const pending = client.mutation(api.messages.send, { channel: "crash", body: "while away" });
    await sleep(300);
    await lentil.start();
    await pending;
    await client.mutation(api.messages.send, { channel: "crash", body: "after" });
    await until("all three", () => bodies(seen.last() ?? []).length === 3);
    same(bodies(seen.last()), ["before", "while away", "after"]);
    await client.close();
  },

  "live: log lines of functions reach the client": async (lentil) => {
    const lines = [];
    const logger = { logVerbose() {}, log: (...a) => lines.push(a.join(" ")), warn: (...a) => lines.push(a.join(" ")), error: (...a) => lines.push(a.join(" ")) };
    const client = live(lentil.info.url, { logger });
    await client.query(api.actions.chatty, { word: "you" });
    await until("the line", () => lines.some((line) => line.includes("'hello' 'you' { a: 1, b: [ 'x' ] }")));
    await client.close();
  },

  "live: pages stay gapless while rows come and go": async (lentil) => {
    const client = live(lentil.info.url);
    await client.mutation(api.messages.sendMany, { channel: "pages", count: 20 });
    const first = watch(client, api.messages.page, { channel: "pages", paginationOpts: { numItems: 5, cursor: null } });
    await until("page one", () => first.values.length === 1);
    const cursor = first.last().continueCursor;
    const second = watch(client, api.messages.page, { channel: "pages", paginationOpts: { numItems: 5, cursor } });
    await until("page two", () => second.values.length === 1);
    const ranks = () => [...first.last().page, ...second.last().page].map((row) => row.rank);
    same(ranks(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    await client.mutation(api.messages.sendMany, { channel: "pages", count: 2, from: 2.5 });
    await until("the page to grow", () => first.last().page.length === 7);
    same(ranks(), [0, 1, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 9]);
    for (const row of first.last().page.slice(0, 6)) {
      await client.mutation(api.messages.remove, { id: row._id });
    }
    await until("the page to shrink", () => first.last().page.length === 1);
    same(ranks(), [4, 5, 6, 7, 8, 9]);
    const bad = await fails(() => http(lentil).query(api.messages.page, { channel: "pages", paginationOpts: { numItems: 5, cursor: "nonsense" } }), "a bad cursor");
    contains(bad.message + JSON.stringify(bad.data ?? ""), "InvalidCursor");
    const foreign = await fails(() => http(lentil).query(api.messages.page, { channel: "other", paginationOpts: { numItems: 5, cursor } }), "another query's cursor");
    contains(foreign.message + JSON.stringify(foreign.data ?? ""), "InvalidCursor");
    await client.close();
  },

  "react: watches, optimistic updates, and a push under live queries": async (lentil) => {
    const client = new ConvexReactClient(lentil.info.url, { webSocketConstructor: WebSocket, unsavedChangesWarning: false, logger: false });
    const query = client.watchQuery(api.messages.list, { channel: "react" });
    const seen = [];
    const stop = query.onUpdate(() => seen.push(bodies(query.localQueryResult() ?? [])));
    await until("the first result", () => query.localQueryResult() !== undefined);
    const done = client.mutation(
      api.messages.send,
      { channel: "react", body: "real" },
      {
        optimisticUpdate: (store) => {
          const rows = store.getQuery(api.messages.list, { channel: "react" }) ?? [];
          store.setQuery(api.messages.list, { channel: "react" }, [...rows, { _id: "temporary", body: "guess" }]);
        },
      },
    );
    same(bodies(query.localQueryResult()), ["guess"], "at once");
    await done;
    same(bodies(query.localQueryResult()), ["real"]);
    lacks(JSON.stringify(seen.slice(seen.findIndex((rows) => rows.includes("real")))), "guess", "after the answer");
    holds(!seen.some((rows, i) => i > 0 && seen[i - 1].length === 1 && rows.length === 0), "no flicker");
    await lentil.cli(["dev", "--once", "--typecheck", "disable"]);
    same(bodies(query.localQueryResult()), ["real"]);
    same(await client.query(api.messages.list, { channel: "react" }).then(bodies), ["real"]);
    stop();
    await client.close();
  },

  "raw: protocol faults of a client are answered, not suffered": async (lentil) => {
    const url = `${lentil.info.url.replace("http", "ws")}/api/1.48.0/sync`;
    const say = (...messages) =>
      new Promise((done) => {
        const socket = new WebSocket(url);
        const got = [];
        socket.on("open", () => messages.forEach((m) => socket.send(typeof m === "string" ? m : JSON.stringify(m))));
        socket.on("message", (data) => {
          got.push(JSON.parse(data));
          if (got.at(-1).type === "AuthError") {
            socket.close(); // the server waits for another token
          }
        });
        socket.on("close", (code) => done({ code, got }));
        setTimeout(() => socket.terminate(), patience).unref();
      });
    const hello = { type: "Connect", sessionId: "6d5f5e0a-2c5f-4a7e-9a43-1f4b7a1d0001", connectionCount: 0, lastCloseReason: null };
    for (const faulty of ["no json", '{"type":"Unheard"}', { type: "ModifyQuerySet", baseVersion: 7, newVersion: 8, modifications: [] }]) {
      const { got } = await say(hello, faulty);
      same(got.at(-1)?.type, "FatalError", JSON.stringify(faulty));
    }
    const { got } = await say(hello, { type: "Authenticate", tokenType: "User", value: "not.a.jwt", baseVersion: 0 });
    same([got.at(-1).type, got.at(-1).authUpdateAttempted, got.at(-1).baseVersion], ["AuthError", true, 0]);
    for (const [path, body] of [["/api/query", "{"], ["/api/mutation", '{"path":5}'], ["/api/action", "[]"], ["/api/deploy2/start_push", "{}"]]) {
      const answer = await fetch(lentil.info.url + path, { method: "POST", body, headers: { "content-type": "application/json" } });
      holds(answer.status >= 400 && answer.status < 500, `${path} answered ${answer.status}`);
      const said = await answer.json();
      holds(said.code && said.message, `${path} said ${JSON.stringify(said)}`);
    }
  },
};
