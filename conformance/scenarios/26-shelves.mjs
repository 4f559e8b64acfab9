// Search against the vendor's convex-test, where its simple search means the same, and search within components.
import { ConvexClient, ConvexHttpClient } from "convex/browser";
import { anyApi as api } from "convex/server";
import { convexTest } from "convex-test";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import WebSocket from "ws";
import { same } from "../lib/check.mjs";
import { Lentil, portFlags, removeFolder, root, scratchApp, until } from "../lib/lentil.mjs";

export async function setUp() {
  const dir = scratchApp(join(root, "conformance", "apps", "shelves"), join(root, "conformance", "node_modules"));
  const lentil = await new Lentil(dir, await portFlags()).start();
  await lentil.cli(["dev", "--once", "--typecheck", "disable"]);
  return lentil;
}

export async function tearDown(lentil) {
  await lentil?.stop();
  lentil && removeFolder(lentil.dir);
}

const http = (lentil) => new ConvexHttpClient(lentil.info.url, { logger: false });

/** Random choices that a seed repeats. */
function choices(seed) {
  let x = seed >>> 0;
  const next = () => (x = (Math.imul(x, 1664525) + 1013904223) >>> 0) / 4294967296;
  return { next, of: (list) => list[Math.floor(next() * list.length)], below: (n) => Math.floor(next() * n) };
}

const words = ["a", "an", "ant", "antler", "b", "bee", "beetle", "c", "cat", "catalog", "dog", "DOGMA", "élan", "été"];

export const scenarios = {
  "random searches find what convex-test finds": async (lentil) => {
    const load = async (name) => await import(pathToFileURL(join(lentil.dir, "convex", name)).href);
    const books = await load("books.js");
    const fake = convexTest({
      schema: (await load("schema.js")).default,
      modules: { "/convex/books.js": async () => books, "/convex/_generated/api.js": async () => ({}) },
    });
    const real = http(lentil);
    const r = choices(20260);
    let n = 0;
    // One word each time: of several, convex-test takes every one as a prefix.
    const shelf = () => r.of([{}, { shelf: "top" }, { shelf: null }]);
    const book = (n) => ({ n, title: Array.from({ length: 1 + r.below(6) }, () => r.of(words)).join(" "), place: [r.next() - 0.5, r.next() - 0.5, r.next() - 0.5], ...shelf() });
    for (let round = 0; round < 40; round++) {
      const steps = Array.from({ length: 8 }, () => {
        const op = r.of(["insert", "insert", "replace", "delete", "find", "find", "find"]);
        if (op === "find") return { op, text: r.of(words), ...r.of([{}, { shelf: { is: r.of(["top", "low", null]) } }]) };
        if (op === "insert") return { op, book: book(++n) };
        const old = 1 + r.below(n + 1);
        return { op, n: old, book: op === "replace" ? book(old) : undefined };
      });
      same(await real.mutation(api.books.play, { steps }), await fake.mutation(api.books.play, { steps }), `round ${round}, ${JSON.stringify(steps)}`);
      const text = r.of(words);
      same(await real.query(api.books.look, { text }), await fake.query(api.books.look, { text }), `round ${round}: ${text}`);
      const vector = [r.next() - 0.5, r.next() - 0.5, r.next() - 0.5];
      const where = r.of([{}, { shelf: "top" }]);
      const nearest = { vector, limit: 1 + r.below(7), ...where };
      same(await real.action(api.books.near, nearest), await fake.action(api.books.near, nearest), `round ${round}: near ${vector}`);
    }
  },

  "each instance of a component has its own indexes": async (lentil) => {
    const client = http(lentil);
    const live = new ConvexClient(lentil.info.url, { webSocketConstructor: WebSocket });
    const seen = [];
    live.onUpdate(api.rooms.find, { room: "attic", text: "old" }, (titles) => seen.push(titles));
    await until("the first result", () => seen.length === 1);
    const id = await client.mutation(api.rooms.put, { room: "shelf", title: "an old atlas", place: [1, 0] });
    const other = await client.mutation(api.rooms.put, { room: "attic", title: "an old radio", place: [1, 0] });
    await until("the radio", () => seen.at(-1).length === 1);
    same(seen, [[], ["an old radio"]], "what came to the other instance does not concern the attic");
    same(await client.query(api.rooms.find, { room: "shelf", text: "old" }), ["an old atlas"]);
    same(await client.action(api.rooms.near, { room: "shelf", vector: [1, 1] }), [id]);
    same(await client.action(api.rooms.near, { room: "attic", vector: [1, 1] }), [other]);
    same(await client.query(api.books.look, { text: "old" }), []);
    await live.close();
    await lentil.stop("SIGKILL");
    await lentil.start();
    same(await http(lentil).query(api.rooms.find, { room: "attic", text: "rad" }), ["an old radio"]);
    same(await http(lentil).action(api.rooms.near, { room: "attic", vector: [1, 1] }), [other]);
  },
};
