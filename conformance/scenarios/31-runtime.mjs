// The default runtime's own rules: determinism, AsyncLocalStorage, the log, and how failures look.
import { ConvexHttpClient } from "convex/browser";
import { anyApi as api } from "convex/server";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { contains, fails, holds, same } from "../lib/check.mjs";
import { Lentil, portFlags, removeFolder, root, scratchApp } from "../lib/lentil.mjs";

export async function setUp() {
  const dir = scratchApp(join(root, "conformance", "apps", "runtime"), join(root, "conformance", "node_modules"));
  const lentil = await new Lentil(dir, await portFlags()).start();
  await lentil.cli(["dev", "--once", "--typecheck", "disable"]);
  return lentil;
}

export async function tearDown(lentil) {
  await lentil?.stop();
  lentil && removeFolder(lentil.dir);
}

const client = (lentil) => new ConvexHttpClient(lentil.info.url, { logger: false });

/** A query's result with the lines it logged, as clients get them. */
async function post(lentil, path) {
  const answer = await fetch(`${lentil.info.url}/api/query`, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ path, args: {}, format: "json" }),
  });
  return await answer.json();
}

const lineOf = (lentil, file, text) => readFileSync(join(lentil.dir, "convex", file), "utf8").split("\n").findIndex((l) => l.includes(text)) + 1;

/** What AsyncLocalStorage must show, in any kind of function. */
const followed = {
  outside: "none", awaited: "a", then: "a", caught: "a", finally: "a", thenable: "a", all: ["a", "a"], microtask: "a", nested: "b", after: "a",
  exit: "none", generator: ["a", "a"], resource: "resource!", bound: "bound", snapshot: "snap", boundStore: "bind", entered: "entered", end: [1, 2],
};

export const scenarios = {
  "time and randomness": async (lentil) => {
    const c = client(lentil);
    const first = await c.query(api.deterministic.inQuery, { salt: 1 });
    const second = await c.query(api.deterministic.inQuery, { salt: 2 });
    const mutation = await c.mutation(api.deterministic.inMutation);
    const action = await c.action(api.deterministic.inAction);
    same([first.frozen, second.frozen], [true, true]);
    same(action.frozen, false);
    for (const run of [second, mutation, action]) {
      same([run.importedAt, run.importedRandom], [first.importedAt, first.importedRandom]); // the import phase is the push's
      holds(run.random.every((x, i) => x !== first.random[i]), "each run has randomness of its own");
      contains(run.zone, "GMT+0000");
    }
    same(await c.query(api.deterministic.nested), [false, true]);
  },

  "what queries may not do, and what none has": async (lentil) => {
    const c = client(lentil);
    for (const [what, name] of [["fetch", "fetch()"], ["setTimeout", "setTimeout"], ["setInterval", "setInterval"], ["generateKey", "cryptographic randomness"]]) {
      same(await c.query(api.deterministic.refused, { what }),
        `Can't use ${name} in queries and mutations. Please consider using an action. See https://docs.convex.dev/functions/actions for more details.`);
    }
    contains(await c.query(api.deterministic.refused, { what: "import" }), "Can't dynamically import");
    same(await c.query(api.deterministic.weak), [1, false, true, null, "undefined"]);
    same(await c.query(api.deterministic.compiled), [5, 8, 2]);
    const absent = ["Buffer", "require", "__dirname", "module", "global", "window", "document", "XMLHttpRequest", "WebSocket", "Deno", "process.version", "Atomics.wait"];
    same(await c.query(api.deterministic.names, { names: absent }), absent.map(() => "undefined"));
  },

  "AsyncLocalStorage follows promises everywhere": async (lentil) => {
    same(await client(lentil).query(api.locals.inQuery), followed);
    same(await client(lentil).mutation(api.locals.inMutation), "m");
    const { timer, call, fetch: fetched, stream, ...rest } = await client(lentil).action(api.locals.inAction);
    same(rest, followed);
    same([timer, call, fetched], ["x", "x", "x"]);
  },

  "errors": async (lentil) => {
    const message = async (kind) => (await fails(() => client(lentil).query(api.failures.fail, { kind }), kind)).message;
    const type = await message("type");
    contains(type, "Server Error\nUncaught TypeError: Cannot read properties of null (reading 'x')\n    at deep (../convex/failures.ts:" + lineOf(lentil, "failures.ts", "(null as any).x") + ":");
    contains(type, "\n    at async handler (../convex/failures.ts:" + lineOf(lentil, "failures.ts", "export const fail") + ":");
    contains(await message("own"), "Uncaught OwnError: mine\n    at deep");
    contains(await message("empty"), "Uncaught Error\n    at deep");
    contains(await message("string"), "Server Error\nUncaught text");
    contains(await message("undefined"), "Server Error\nUncaught undefined");
    contains(await message("cause"), "Uncaught Error: outer\n    at deep");
    contains((await fails(() => client(lentil).query(api.failures.never), "never")).message, "Returned promise will never resolve");
    contains((await fails(() => client(lentil).query(api.failures.unhandled), "unhandled")).message, "Uncaught Error: nobody caught me\n    at handler (");
    for (const name of ["mode", "credentials", "cache", "redirect", "referrer", "integrity", "keepalive", "destination", "duplex"]) {
      const text = (await fails(() => client(lentil).action(api.failures.member, { name }), name)).message; // not even a catch holds it
      contains(text, `Not implemented: get ${name} for Request. Consider calling an action defined in Node.js instead (https://docs.convex.dev/functions/actions).`);
    }
    contains((await fails(() => client(lentil).action(api.failures.member, { name: "wrapKey" }), "wrapKey")).message, "Not implemented: wrapKey for SubtleCrypto.");
  },

  "the log": async (lentil) => {
    const { value, logLines } = await post(lentil, "failures:prints");
    same(value, Array(5).fill("undefined")); // table, group, count, assert, dir
    const at = logLines.findIndex((l) => l.startsWith("[LOG] 'here'"));
    contains(logLines[at], "\n    at handler (../convex/failures.ts:" + lineOf(lentil, "failures.ts", "console.trace") + ":");
    const rest = logLines.toSpliced(at, 1).map((l) => l.replace(/: \d+ms/, ": ?ms"));
    same(rest.slice(0, 8), [
      `[LOG] 'it\\'s' 'say "hi"' 'line\\nbreak' 1 -0 1n true null undefined Symbol(s)`,
      "[LOG] [] {} [ 1, , 3 ] { 'a-b': 1, [Symbol(k)]: 2 } Map (1) {'k' => { v: 1 }} Set (1) {1} Thu Jan 01 1970 00:00:00 GMT+0000 (Coordinated Universal Time) /x/g",
      "[LOG] { a: { b: { c: { d: { e: [Object] } } } } } { n: 1, self: [Circular] } [Function: named] [Function (anonymous)] [Function: A] B { x: 1 } [Object: null prototype] {}",
      "[LOG] Uint8Array(2) [ 1, 2 ] ArrayBuffer { byteLength: 2 } Promise {} WeakMap { ? } Object('s') Object(1)",
      "[DEBUG] 'd'", "[INFO] 'i'", "[WARN] 'w'", "[ERROR] 'e'",
    ]);
    same(rest.slice(8, 15), [
      "[WARN] Timer 't' already exists", "[INFO] t: ?ms 'extra'", "[INFO] t: ?ms", "[WARN] Timer 't' does not exist", "[INFO] default: ?ms", "[LOG] ",
      `[LOG] '${"x".repeat(32768 - 1 - " (truncated due to length)".length)} (truncated due to length)`,
    ]);
    same(rest[15], "[LOG] '%s is not a format' 'this'");
    const flood = await post(lentil, "failures:floods");
    same([flood.logLines.length, flood.logLines[254], flood.logLines[255]], [256, "[LOG] 254", "[ERROR] Log overflow (maximum 256). Remaining log lines omitted."]);
  },
};
