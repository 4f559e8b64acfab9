// Actions with "use node": in real Node.js processes, through the official CLI and clients.
import { ConvexHttpClient } from "convex/browser";
import { anyApi as api } from "convex/server";
import { ConvexError } from "convex/values";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { contains, fails, holds, lacks, same } from "../lib/check.mjs";
import { Lentil, portFlags, removeFolder, root, scratchApp, until, write } from "../lib/lentil.mjs";

export async function setUp() {
  process.env.LENTIL_NODE_TIMEOUT = "60s"; // a crowd of processes that start at once needs some of it
  process.env.LENTIL_NODE_MEMORY = "192";
  process.env.HOUSE_SECRET = "of the house alone";
  const dir = scratchApp(join(root, "conformance", "apps", "node"), join(root, "conformance", "node_modules"));
  const lentil = await new Lentil(dir, await portFlags()).start();
  await lentil.cli(["env", "set", "GREETING", "hello"]);
  await lentil.cli(["dev", "--once", "--typecheck", "disable"]);
  return lentil;
}

export async function tearDown(lentil) {
  await lentil?.stop();
  lentil && removeFolder(lentil.dir);
}

const client = (lentil) => new ConvexHttpClient(lentil.info.url, { logger: false });
const admin = (lentil, identity) => {
  const c = client(lentil);
  c.setAdminAuth(lentil.info.adminKey, identity);
  return c;
};

/** Starts the house again with another limit for actions. */
async function restart(lentil, limit) {
  await lentil.stop();
  process.env.LENTIL_NODE_TIMEOUT = limit;
  await lentil.start();
}

/** Entries of the function log after a cursor. */
async function logs(lentil, cursor = 0) {
  const answer = await fetch(`${lentil.info.url}/api/stream_function_logs?cursor=${cursor}`, {
    headers: { Authorization: `Convex ${lentil.info.adminKey}`, "Convex-Client": "npm-cli-1.48.0" },
  });
  return await answer.json();
}

/** Processes that run modules below a folder. */
function processesOf(dir) {
  const found = [];
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, "utf8");
      if (command.includes(dir) && command.includes("child.mjs")) found.push(pid);
    } catch {} // it has just ended
  }
  return found;
}

export const scenarios = {
  "real Node.js, bundled and external packages": async (lentil) => {
    const seen = await client(lentil).action(api.work.globals);
    same(seen, {
      node: true, hash: seen.hash, zip: "soup", html: "<b>bold</b>", random: 4,
      ws: ["function", "function"], convex: "function",
    });
    same(seen.hash.length, 32);
  },

  "a process is used again and keeps its module state within a push": async (lentil) => {
    const c = client(lentil);
    const first = await c.action(api.work.count);
    same(await c.action(api.work.count), first + 1);
  },

  "the environment is the deployment's alone": async (lentil) => {
    const { names, greeting, raw } = await client(lentil).action(api.work.env);
    same(greeting, "hello");
    same(names, ["CONVEX_CLOUD_URL", "CONVEX_SITE_URL", "GREETING", "TZ", "WORKOS_API_KEY", "WORKOS_CLIENT_ID", "WORKOS_ENVIRONMENT_ID"]);
    lacks(raw, "HOUSE_SECRET");
    lacks(raw, "WORKOS");
  },

  "all of ctx": async (lentil) => {
    const identity = { issuer: "https://issuer.test", subject: "u1", name: "Ada" };
    const seen = await admin(lentil, identity).action(api.work.everything, { text: "x" });
    holds(seen.notes.includes("node: x"), JSON.stringify(seen.notes));
    same([seen.identity.subject, seen.identity.name], ["u1", "Ada"]);
    same([seen.fetched, seen.back, seen.type, seen.gone, seen.upload], ["stored x", "stored x", "text/plain", null, true]);
    same([seen.meta.name, seen.meta.type, seen.request], ["work:everything", "action", 5]);
    const c = client(lentil);
    await until("the scheduled action", async () => (await c.query(api.notes.list)).includes("node job: later x"));
    same(await c.query(api.notes.job, { id: seen.jobs[1] }), "canceled");
    same((await client(lentil).action(api.work.everything, { text: "y" })).identity, null);
    same(await c.action(api.work.nearest), [1, true, true, true]);
  },

  "mutations and crons schedule it, HTTP actions call it": async (lentil) => {
    const c = client(lentil);
    const id = await c.mutation(api.notes.later);
    await until("the job", async () => (await c.query(api.notes.job, { id })) === "success");
    const notes = await c.query(api.notes.list);
    holds(notes.includes("node job: scheduled by a mutation"), JSON.stringify(notes));
    holds(notes.includes("node job: by a cron"), JSON.stringify(notes));
    same((await (await fetch(`${lentil.info.siteUrl}/node`)).json()).zip, "soup");
  },

  "nested in both directions, and in itself": async (lentil) => {
    same(await client(lentil).action(api.notes.sandwich), "isolate<node<filling>>");
    same(await client(lentil).action(api.work.nested, { n: 4 }), 4);
    const all = await Promise.all(Array.from({ length: 12 }, () => client(lentil).action(api.work.nested, { n: 1 })));
    same(all, Array(12).fill(1));
  },

  "values, validators, visibility": async (lentil) => {
    const a = { i: 5n, f: -0, n: NaN, b: new Uint8Array([1, 2]).buffer, l: [null, "ü\u0000😀"] };
    const back = await client(lentil).action(api.work.values, { a });
    same([back.i, Object.is(back.f, -0), back.n, new Uint8Array(back.b), back.l], [5n, true, NaN, new Uint8Array([1, 2]), [null, "ü\u0000😀"]]);
    contains((await fails(() => client(lentil).action(api.work.nested, { n: "x" }), "a string")).message, "ArgumentValidationError");
    contains((await fails(() => client(lentil).action(api.work.typed, { n: 1 }), "a number")).message, "ReturnsValidationError");
    contains((await fails(() => client(lentil).action(api.work.note, { text: "x" }), "internal")).message, "Could not find public function");
    contains((await fails(() => client(lentil).action(api.work.values, { a: "x".repeat(6 << 20) }), "6 MiB")).message, "too large");
  },

  "errors have mapped stacks, ConvexErrors cross both ways": async (lentil) => {
    const plain = await fails(() => client(lentil).action(api.work.thrower), "thrower");
    const line = readFileSync(join(lentil.dir, "convex", "work.ts"), "utf8").split("\n").findIndex((l) => l.includes("thrown in Node.js")) + 1;
    contains(plain.message, "Uncaught TypeError: thrown in Node.js\n    at deeper (../convex/work.ts:" + line + ":");
    lacks(plain.message, "node:internal");
    lacks(plain.message, lentil.dir);
    const data = await fails(() => client(lentil).action(api.work.convexError), "convexError");
    holds(data instanceof ConvexError, data.stack);
    same(data.data, { code: 12n, list: ["x"] });
    same(await client(lentil).action(api.work.catches), [true, "refused", "7"]);
  },

  "what harms one action harms no other": async (lentil) => {
    await restart(lentil, "6s");
    const c = client(lentil);
    const calm = (async () => {
      for (let i = 0; i < 40; i++) same(await c.action(api.work.values, { a: i }), i);
    })();
    const [exit, spin, hungry] = await Promise.all(["exit", "spin", "hungry"].map((name) => fails(() => client(lentil).action(api.work[name]), name)));
    contains(exit.message, "process.exit(5)");
    contains(spin.message, "Function execution timed out (maximum duration: 6s)");
    holds(/ran out of memory \(maximum memory usage: 192 MB\)|timed out/.test(hungry.message), hungry.message);
    await calm;
    same(await c.query(api.notes.list).then((l) => l.length > 0), true);
    await restart(lentil, "60s");
  },

  "logs come while it runs, with their warnings": async (lentil) => {
    const { newCursor } = await logs(lentil);
    const running = client(lentil).action(api.work.sleep, { ms: 1200 });
    let cursor = newCursor;
    const entry = await until("the first line", async () => {
      const page = await logs(lentil, cursor);
      cursor = page.newCursor;
      return page.entries.find((e) => JSON.stringify(e.logLines).includes("asleep"));
    });
    same(entry.kind, "Progress");
    await running;
    await client(lentil).action(api.work.prints);
    await client(lentil).action(api.work.unawaited);
    const seen = [];
    await until("the warning", async () => {
      const page = await logs(lentil, cursor);
      cursor = page.newCursor;
      seen.push(...page.entries);
      return JSON.stringify(seen).includes("1 unawaited operation: [runAction]");
    });
    const text = JSON.stringify(seen);
    contains(text, "'text' { a: [ 1, 'b' ] }");
    contains(text, "RangeError: printed\\n    at ");
    contains(text, "../convex/work.ts:");
    same(seen.find((e) => e.kind === "Completion" && e.identifier === "work:prints").environment, "node");
  },

  "the CLI runs it and lists it": async (lentil) => {
    contains((await lentil.cli(["run", "work:values", '{"a":{"x":1}}'])).stdout, '"x": 1');
    const spec = JSON.parse((await lentil.cli(["function-spec"])).stdout.replace(/^[^{]*/, ""));
    same(spec.functions.find((f) => f.identifier === "work.js:nested").functionType, "Action");
  },

  "a changed variable is there at once, files of any size pass": async (lentil) => {
    const c = client(lentil);
    await lentil.cli(["env", "set", "GREETING", "changed"]);
    same((await c.action(api.work.env)).greeting, "changed");
    same(await c.action(api.work.bigFile, { size: 70 << 20 }), [70 << 20, 70 << 20]);
  },

  "all packages can be external": async (lentil) => {
    const path = join(lentil.dir, "convex.json");
    const source = readFileSync(path, "utf8");
    writeFileSync(path, '{ "node": { "externalPackages": ["*"] } }');
    await lentil.cli(["dev", "--once", "--typecheck", "disable"]);
    same((await client(lentil).action(api.work.globals)).html, "<b>bold</b>");
    writeFileSync(path, '{ "node": { "externalPackages": ["*"], "nodeVersion": "24" } }');
    const refused = await lentil.cli(["dev", "--once", "--typecheck", "disable"], { allowFailure: true });
    if (Number(process.versions.node.split(".")[0]) < 24) contains(refused.stdout + refused.stderr, "convex.json asks for Node.js 24");
    else same(refused.code, 0);
    writeFileSync(path, source);
    await lentil.cli(["dev", "--once", "--typecheck", "disable"]);
  },

  "a push replaces state and code; queries stay in the default runtime": async (lentil) => {
    const c = client(lentil);
    await c.action(api.work.count);
    const path = join(lentil.dir, "convex", "work.ts");
    const source = readFileSync(path, "utf8");
    writeFileSync(path, source.replace("++warm", '"pushed " + ++warm'));
    await lentil.cli(["dev", "--once", "--typecheck", "disable"]);
    same(await c.action(api.work.count), "pushed 1");
    write(join(lentil.dir, "convex", "bad.ts"), `"use node";\nimport { query } from "./_generated/server";\nexport const q = query({ args: {}, handler: async () => 1 });\n`);
    const refused = await lentil.cli(["dev", "--once", "--typecheck", "disable"], { allowFailure: true });
    holds(refused.code !== 0, "the push should fail");
    contains(refused.stdout + refused.stderr, "Only actions can be defined in Node.js");
    writeFileSync(join(lentil.dir, "convex", "bad.ts"), "export const nothing = 1;\n");
    writeFileSync(path, source);
    await lentil.cli(["dev", "--once", "--typecheck", "disable"]);
  },

  "pushes under running actions fail none of them": async (lentil) => {
    const path = join(lentil.dir, "convex", "work.ts");
    const source = readFileSync(path, "utf8");
    let going = true;
    const seen = new Set();
    const callers = Array.from({ length: 4 }, async () => {
      while (going) seen.add(await client(lentil).action(api.work.version));
    });
    for (const n of ["two", "three"]) {
      writeFileSync(path, source.replace('"one"', JSON.stringify(n)));
      await lentil.cli(["dev", "--once", "--typecheck", "disable"]);
      same(await client(lentil).action(api.work.version), n);
    }
    going = false;
    await Promise.all(callers);
    same([...seen].sort(), ["one", "three", "two"]);
    writeFileSync(path, source);
    await lentil.cli(["dev", "--once", "--typecheck", "disable"]);
  },

  "after a kill of the house it runs again": async (lentil) => {
    const running = client(lentil).action(api.work.spin).catch(() => {});
    await lentil.stop("SIGKILL");
    await running;
    if (process.platform === "linux") await until("the end of its processes", () => processesOf(lentil.dir).length === 0);
    await lentil.start();
    same((await client(lentil).action(api.work.globals)).html, "<b>bold</b>");
  },

  "without Node.js a push says what to do": async (lentil) => {
    await client(lentil).action(api.work.count);
    if (process.platform === "linux") holds(processesOf(lentil.dir).length > 0, "a process waits for its next action");
    await lentil.stop();
    if (process.platform === "linux") await until("the end of its processes", () => processesOf(lentil.dir).length === 0);
    process.env.LENTIL_NODE = "/nowhere/node";
    try {
      await lentil.start();
      const refused = await lentil.cli(["dev", "--once", "--typecheck", "disable"], { allowFailure: true });
      contains(refused.stdout + refused.stderr, "Install Node.js 20 or newer, or name it with LENTIL_NODE");
      contains((await fails(() => client(lentil).action(api.work.count), "count")).message, "need Node.js");
      same(typeof (await client(lentil).query(api.notes.list)).length, "number");
    } finally {
      delete process.env.LENTIL_NODE;
    }
  },
};
