// Text and vector search: pushed by the CLI, asked by the official clients, transactional and live, over restarts and schema changes.
import { ConvexClient, ConvexHttpClient } from "convex/browser";
import { anyApi as api } from "convex/server";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import WebSocket from "ws";
import { contains, fails, holds, same } from "../lib/check.mjs";
import { Lentil, portFlags, removeFolder, root, scratchApp, until, write } from "../lib/lentil.mjs";

export async function setUp() {
  const dir = scratchApp(join(root, "conformance", "apps", "search"), join(root, "conformance", "node_modules"));
  const lentil = await new Lentil(dir, await portFlags()).start();
  await push(lentil);
  return lentil;
}

export async function tearDown(lentil) {
  await lentil?.stop();
  lentil && removeFolder(lentil.dir);
}

const push = (lentil, ...flags) => lentil.cli(["dev", "--once", "--typecheck", "disable", ...flags]);
const http = (lentil) => new ConvexHttpClient(lentil.info.url, { logger: false });
const socket = (lentil) => new ConvexClient(lentil.info.url, { webSocketConstructor: WebSocket });
const find = (client, text, more = {}) => client.query(api.notes.find, { text, ...more });

export const scenarios = {
  "the app type-checks": async (lentil) => {
    await lentil.cli(["dev", "--once", "--typecheck", "enable"]);
  },

  "words are found in any case, ranked, and the last one also as a prefix": async (lentil) => {
    const client = http(lentil);
    await client.mutation(api.notes.add, {
      notes: [
        "The quick brown fox",
        "the lazy dog, and the FOX and the fox again",
        "a dog",
        "Größe, naïve CAFÉ — déjà-vu",
        "日本語 テキスト",
        "foxtrot",
        { body: 7 },
        { meta: { title: "no body, but a fox title", level: 3 } },
      ],
    });
    same(await find(client, "fox"), ["The quick brown fox", "the lazy dog, and the FOX and the fox again", "foxtrot"]);
    same(await find(client, "fox dog", { take: 1 }), ["the lazy dog, and the FOX and the fox again"]);
    same(await find(client, "FO"), ["foxtrot", "The quick brown fox", "the lazy dog, and the FOX and the fox again"]);
    same(await find(client, "qui fox"), await find(client, "fox"), "only the last word is a prefix");
    same(await find(client, "GRÖSSE größe"), ["Größe, naïve CAFÉ — déjà-vu"]);
    same(await find(client, "café"), ["Größe, naïve CAFÉ — déjà-vu"]);
    same(await find(client, "cafe"), [], "accents count");
    same(await find(client, "日本語"), ["日本語 テキスト"]);
    same(await find(client, "日"), ["日本語 テキスト"]);
    same(await find(client, ""), []);
    same(await find(client, "!?"), []);
    same(await client.query(api.notes.byTitle, { text: "fox" }), ["no body, but a fox title"]);
    await client.mutation(api.notes.clear, {});
    same(await find(client, "fox"), []);
  },

  "conditions on filter fields, further filters, and limits": async (lentil) => {
    const client = http(lentil);
    const note = (n, channel, level) => ({ body: `hello number ${n}`, channel, likes: n, meta: { title: `t${n}`, level } });
    await client.mutation(api.notes.add, { notes: [note(1, "a", 1), note(2, "b", 1), note(3, "a", 2), note(4, undefined, 2), note(5, null, 2), note(6, 6, 2)].map((n) => JSON.parse(JSON.stringify(n))) });
    same(await find(client, "hello", { filter: { channel: "a" } }), ["hello number 3", "hello number 1"], "equal scores: newest first");
    same(await find(client, "hello", { filter: { channel: "a", level: 1 } }), ["hello number 1"]);
    same(await find(client, "hello", { filter: { channel: "c" } }), []);
    same(await find(client, "hello", { filter: { channel: null } }), ["hello number 5"]);
    same(await find(client, "hello", { filter: { channel: 6 } }), ["hello number 6"]);
    same(await find(client, "hello", { noChannel: true }), ["hello number 4"]);
    same(await client.query(api.notes.liked, { text: "hello", atLeast: 3 }), ["hello number 6", "hello number 5"]);
    const seventeen = "q0 q1 q2 q3 q4 q5 q6 q7 q8 q9 qa qb qc qd qe qf hello";
    same(await find(client, seventeen), [], "the seventeenth word is passed over");
    same((await find(client, seventeen.slice(3))).length, 6);
    await client.mutation(api.notes.add, { notes: ["x".repeat(32), "y".repeat(33)] });
    same(await find(client, "x".repeat(32)), ["x".repeat(32)]);
    same(await find(client, "y".repeat(33)), [], "tokens of more than 32 bytes are no tokens");
    same(await find(client, "yyy"), []);
    await client.mutation(api.notes.clear, {});
  },

  "errors say what is wrong": async (lentil) => {
    const client = http(lentil);
    for (const [how, text] of Object.entries({
      index: "Index notes.by_nothing not found.",
      database: "Index notes.by_body not found.",
      ordered: "Index notes.by_channel not found.",
      none: "does not contain any search filter",
      two: "multiple search filters",
      field: 'search filter on field "channel"',
      filter: 'equality filter on field "likes"',
      many: "too many filter conditions",
    })) {
      contains((await fails(() => client.query(api.notes.broken, { how }), how)).message, text, how);
    }
    for (const [how, text] of Object.entries({
      index: "Index foods.by_nothing not found.",
      length: "3 dimensions, but the index has 4",
      zero: "between 1 and 256",
      many: "between 1 and 256",
      field: 'condition on field "name"',
    })) {
      contains((await fails(() => client.action(api.foods.broken, { how }), how)).message, text, how);
    }
  },

  "a mutation's search sees its own writes": async (lentil) => {
    const client = http(lentil);
    await client.mutation(api.notes.add, { notes: ["keeper one", "zebra two"] });
    same(await client.mutation(api.notes.ownWrites, {}), {
      before: ["zebra two"],
      inserted: ["zebra two", "a zebra crossing"],
      changed: [["zebra two"], ["a lion sleeping"]],
      deleted: [],
      keeper: [],
    });
    await client.mutation(api.notes.clear, {});
  },

  "mutations that search and write conflict properly": async (lentil) => {
    const clients = Array.from({ length: 8 }, () => http(lentil));
    for (let round = 0; round < 4; round++) {
      const got = await Promise.all(clients.map((client, i) => client.mutation(api.notes.claim, { word: `flag${round}`, by: `c${i}` })));
      same(got.filter((by) => by !== null).length, 1, `winners of round ${round}`);
      same((await find(clients[0], `flag${round}`)).length, 1);
    }
    await clients[0].mutation(api.notes.clear, {});
  },

  "a live search runs again for documents it could find, and for no others": async (lentil) => {
    const client = http(lentil);
    const live = socket(lentil);
    const seen = [];
    live.onUpdate(api.notes.watched, { text: "green tea", channel: "a" }, (result) => seen.push(result));
    await until("the first result", () => seen.length === 1);
    const [matching] = await client.mutation(api.notes.add, { notes: [{ body: "green leaves", channel: "a" }] });
    await until("the new document", () => seen.at(-1).bodies.length === 1);
    const before = seen.length;
    const [other, elsewhere] = await client.mutation(api.notes.add, { notes: [{ body: "black coffee", channel: "a" }, { body: "green tea", channel: "b" }] });
    await client.mutation(api.notes.patch, { id: other, fields: { likes: 1 } });
    await client.mutation(api.notes.patch, { id: elsewhere, fields: { likes: 1 } });
    await client.mutation(api.notes.patch, { id: matching, fields: { likes: 1 } });
    await until("the run for a change of a found document", () => seen.length > before);
    same(seen.length, before + 1, "unrelated writes did not run the query");
    await client.mutation(api.notes.patch, { id: elsewhere, fields: { channel: "a" } });
    await until("a document that comes into the channel", () => seen.at(-1).bodies.length === 2);
    same(seen.at(-1).bodies[0], "green tea");
    await client.mutation(api.notes.add, { notes: [{ body: "teapot", channel: "a" }] });
    await until("a document with the last word as prefix", () => seen.at(-1).bodies.length === 3);
    await client.mutation(api.notes.remove, { id: elsewhere });
    await until("the deletion", () => !seen.at(-1).bodies.includes("green tea"));
    await live.close();
    await client.mutation(api.notes.clear, {});
  },

  "results page, and more than 1024 candidates are an error": async (lentil) => {
    const client = http(lentil);
    for (let i = 0; i < 2; i++) {
      await client.mutation(api.notes.add, { notes: Array.from({ length: 600 }, (_, n) => `many words ${"w ".repeat(n % 7)}`) });
    }
    const all = [];
    let cursor = null;
    let pages = 0;
    for (;;) {
      const page = await client.query(api.notes.page, { text: "many", paginationOpts: { numItems: 200, cursor } });
      all.push(...page.page.map((note) => note._id));
      cursor = page.continueCursor;
      if (page.isDone || ++pages === 5) break;
    }
    same([all.length, new Set(all).size], [1000, 1000]);
    contains((await fails(() => client.query(api.notes.page, { text: "many", paginationOpts: { numItems: 200, cursor } }), "a page beyond")).message, "Search query scanned too many documents (fetched 1024).");
    contains((await fails(() => find(client, "many"), "collect")).message, "Search query scanned too many documents (fetched 1024).");
    same((await find(client, "many", { take: 1024 })).length, 1024);
    contains((await fails(() => client.query(api.notes.page, { text: "words", paginationOpts: { numItems: 200, cursor } }), "a foreign cursor")).message, "InvalidCursor");
    await client.mutation(api.notes.clear, {});
    same(await find(client, "many"), []);
  },

  "the nearest vectors, their scores, filters and limits": async (lentil) => {
    const client = http(lentil);
    const ids = await client.mutation(api.foods.add, {
      foods: [
        { name: "pizza", cuisine: "it", embedding: [1, 0, 0, 0] },
        { name: "pasta", cuisine: "it", embedding: [3, 4, 0, 0] },
        { name: "sushi", cuisine: "jp", embedding: [0, 2, 0, 0] },
        { name: "ramen", cuisine: "jp", embedding: [-1, 0, 0, 0] },
        { name: "water", embedding: [1, 1, 1, 1] },
        { name: "short", cuisine: "it", embedding: [1, 0, 0] },
        { name: "words", cuisine: "it", embedding: ["1", 0, 0, 0] },
        { name: "ints", cuisine: "it", embedding: "none" },
        { name: "bare", cuisine: "it" },
      ],
    });
    const near = (more = {}) => client.action(api.foods.near, { vector: [2, 0, 0, 0], ...more });
    same(await near(), [["pizza", 1], ["pasta", 0.6], ["water", 0.5], ["sushi", 0], ["ramen", -1]]);
    same(await near({ limit: 2 }), [["pizza", 1], ["pasta", 0.6]]);
    same(await near({ cuisines: ["jp"] }), [["sushi", 0], ["ramen", -1]]);
    same(await near({ cuisines: ["jp", "it"], limit: 3 }), [["pizza", 1], ["pasta", 0.6], ["sushi", 0]]);
    same(await near({ cuisines: ["fr"] }), []);
    same(await near({ nowhere: true }), [["water", 0.5]]);
    await client.mutation(api.foods.remove, { id: ids[0] });
    same(await near({ limit: 1 }), [["pasta", 0.6]]);
    same(await client.action(api.foods.addAndFind, { name: "soup", embedding: [0, 0, 5, 1] }), true, "what was written is found at once");
  },

  "indexes are there again after a restart and after a crash": async (lentil) => {
    const client = http(lentil);
    await client.mutation(api.notes.add, { notes: ["survives the night", { body: "survives by day", channel: "a" }] });
    for (const signal of ["SIGINT", "SIGKILL"]) {
      await lentil.stop(signal);
      await lentil.start();
      const again = http(lentil);
      same((await find(again, "survives")).sort(), ["survives by day", "survives the night"]);
      same(await find(again, "surv", { filter: { channel: "a" } }), ["survives by day"]);
      same((await again.action(api.foods.near, { vector: [2, 0, 0, 0], limit: 1 }))[0][0], "pasta");
    }
  },

  "indexes come, change, are staged and go with the schema": async (lentil) => {
    const path = join(lentil.dir, "convex", "schema.ts");
    const original = readFileSync(path, "utf8");
    const client = http(lentil);
    const changed = original.replace('searchIndex("by_title", { searchField: "meta.title" })', 'searchIndex("by_title", { searchField: "meta.title", filterFields: ["likes"] })');
    await client.mutation(api.notes.add, { notes: [{ body: "x", meta: { title: "a moved title", level: 1 } }] });
    write(path, changed);
    const said = (await push(lentil)).stderr;
    contains(said, "[-] notes.by_title", "what the CLI says");
    contains(said, "[+] notes.by_title", "what the CLI says");
    same(await client.query(api.notes.byTitle, { text: "moved" }), ["a moved title"]);
    write(path, changed.replace('{ searchField: "meta.title", filterFields: ["likes"] }', '{ searchField: "meta.title", filterFields: ["likes"], staged: true }'));
    contains((await push(lentil)).stderr, "notes.by_title", "what the CLI says");
    contains((await fails(() => client.query(api.notes.byTitle, { text: "moved" }), "a staged index")).message, "Index notes.by_title not found.");
    await client.mutation(api.notes.add, { notes: [{ body: "y", meta: { title: "moved while staged", level: 1 } }] });
    write(path, changed);
    await push(lentil);
    same((await client.query(api.notes.byTitle, { text: "moved" })).sort(), ["a moved title", "moved while staged"]);
    write(path, changed.replace(/\n    \.searchIndex\("by_title".*\)\n/, "\n"));
    contains((await push(lentil)).stderr, "[-] notes.by_title", "what the CLI says");
    contains((await fails(() => client.query(api.notes.byTitle, { text: "moved" }), "an index that went")).message, "Index notes.by_title not found.");
    write(path, original);
    await push(lentil);
    same((await client.query(api.notes.byTitle, { text: "moved" })).length, 2);
  },
};
