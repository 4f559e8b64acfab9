// Strangers and clumsy programs against the running house: each gets an error in the protocol's own words,
// and the next caller an answer. The functions that try to break the process are pushed by the official CLI.
import { connect } from "node:net";
import { join } from "node:path";
import { contains, holds, lacks, same } from "../lib/check.mjs";
import { Lentil, patience, portFlags, removeFolder, root, scratchApp, sleep, until, write } from "../lib/lentil.mjs";

const functions = `
import { action, mutation, query } from "./_generated/server";
import { makeFunctionReference } from "convex/server";
import { v } from "convex/values";
const wideRef = makeFunctionReference<"action">("hostile:wide");
export const peace = query({ args: {}, handler: async (ctx) => (await ctx.db.query("pairs").take(1)).length >= 0 });
export const wide = action({ args: {}, handler: async (ctx): Promise<any> => { await Promise.all([1, 2, 3, 4].map(() => ctx.runAction(wideRef, {}))); } });
export const hold = action({ args: {}, handler: async () => {
  const kept = Array.from({ length: 40 }, () => new Array(1 << 17).fill(1.5));
  await new Promise((done) => setTimeout(done, 2500));
  return kept.length;
} });
export const stack = query({ args: {}, handler: async () => { const e = new Error("x"); e.stack = "    at f (a.js:1:1)\\n".repeat(1e6); throw e; } });
export const convex = query({ args: {}, handler: async (ctx) => { (globalThis as any).Convex = null; return await ctx.db.query("pairs").collect(); } });
export const json = query({ args: {}, handler: async () => { JSON.stringify = (() => "{") as any; return 1; } });
export const pollute = query({ args: {}, handler: async () => { Object.defineProperty(Object.prototype, "then", { get() { for (;;); } }); return {}; } });
export const forever = query({ args: {}, handler: () => { const t: any = { then: (f: any) => f(t) }; return t; } });
export const proxy = query({ args: {}, handler: async () => { throw new Proxy({}, { get() { throw 1; }, getPrototypeOf() { throw 2; } }); } });
export const timers = action({ args: {}, handler: async () => { const f = () => { setTimeout(f, 0); setTimeout(f, 0); }; f(); await new Promise(() => {}); } });
export const put = mutation({ args: { n: v.number() }, handler: async (ctx, { n }) => { await ctx.db.insert("pairs", { n, v: n }); await ctx.db.insert("pairs", { n, v: -n }); } });
export const page = query({ args: { after: v.number() }, handler: async (ctx, { after }) =>
  (await ctx.db.query("pairs").withIndex("by_creation_time", (q) => q.gt("_creationTime", after)).take(4000)).map((d: any) => [d.n, d.v, d._creationTime]) });
`;

const schema = `
import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";
export default defineSchema({ pairs: defineTable({ n: v.number(), v: v.number() }) });
`;

export async function setUp() {
  const dir = scratchApp(join(root, "conformance", "apps", "contract"), join(root, "conformance", "node_modules"));
  removeFolder(join(dir, "convex"));
  write(join(dir, "convex", "schema.ts"), schema);
  write(join(dir, "convex", "hostile.ts"), functions);
  const lentil = await new Lentil(dir, await portFlags()).start();
  await lentil.cli(["dev", "--once", "--typecheck", "disable"]);
  return lentil;
}

export async function tearDown(lentil) {
  if (lentil) {
    await lentil.stop();
    removeFolder(lentil.dir);
  }
}

async function call(lentil, kind, name, args = {}) {
  const answer = await fetch(`${lentil.info.url}/api/${kind}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ path: `hostile:${name}`, args, format: "json" }),
  });
  return { status: answer.status, body: await answer.json() };
}

async function peace(lentil, after) {
  const { body } = await call(lentil, "query", "peace");
  same(body.value, true, `the call after ${after}`);
}

/** Sends bytes as they are and gives all that comes back until the connection ends or nothing more is awaited. */
function raw(url, bytes, waitMs = patience) {
  return new Promise((done) => {
    const socket = connect(Number(new URL(url).port), "127.0.0.1", () => socket.write(Buffer.from(bytes, "latin1")));
    let out = "";
    const end = () => (socket.destroy(), clearTimeout(timer), done(out));
    const timer = setTimeout(end, waitMs);
    socket.on("data", (chunk) => (out += chunk.toString("latin1")));
    socket.on("end", end).on("error", end);
  });
}

const request = (method, path, headers = "", body = "", host = "localhost") =>
  `${method} ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n${headers}Content-Length: ${body.length}\r\n\r\n${body}`;

export const scenarios = {
  async "functions that break things fail alone"(lentil) {
    const cases = [
      ["action", "wide", "100 actions under way"], ["query", "stack", "Uncaught Error: x"], ["query", "convex", "TypeError"],
      ["query", "json", "ReturnsValidationError"], ["query", "pollute", "timed out"], ["query", "forever", "timed out"],
      ["query", "proxy", "Uncaught"], ["action", "timers", "Too many operations"],
    ];
    for (const [kind, name, text] of cases) {
      const { status, body } = await call(lentil, kind, name);
      holds(status === 200 && body.status === "error", `${name} answered ${status} ${JSON.stringify(body).slice(0, 300)}`);
      contains(body.errorMessage, text, name);
      holds(body.errorMessage.length < 200_000, `${name} answered ${body.errorMessage.length} characters`);
      await peace(lentil, name);
    }
  },

  async "a crowd of actions with full heaps does not fill the process"(lentil) {
    const answers = await Promise.all(Array.from({ length: 200 }, () => call(lentil, "action", "hold")));
    const fine = answers.filter((a) => a.body.value === 40).length;
    const refused = answers.filter((a) => a.status === 503 && a.body.code === "TooManyConcurrentRequests").length;
    const full = answers.filter((a) => a.body.errorMessage?.includes("ran out of memory")).length;
    const other = answers.find((a) => a.status !== 200 && a.status !== 503);
    holds(fine > 0 && fine + refused + full === 200, `${fine} fine, ${refused} refused, ${full} full, ${JSON.stringify(other)}`);
    await peace(lentil, "the crowd");
  },

  async "bad requests are refused on every address"(lentil) {
    const { url, siteUrl, authkitUrl, adminKey, clientId } = lentil.info;
    const json = "Content-Type: application/json\r\n";
    const admin = `${json}Authorization: Convex ${adminKey}\r\n`;
    const bodies = ["", "null", "[]", "{", '{"path":1}', '{"path":"hostile:peace","args":5}', "\xff\xfe", `{"path":"a:b","args":${"[".repeat(100_000)}`,
      '{"changes":[null]}', '{"changes":[{"name":"A\\u0000","value":"x"}]}', '{"startPush":null}', '{"appDefinition":null}', '{"queries":[null]}'];
    const posts = ["query", "query_batch", "query_at_ts", "mutation", "action", "function", "run/hostile/peace", "update_environment_variables", "get_config_hashes",
      "deploy2/start_push", "deploy2/wait_for_schema", "deploy2/finish_push", "deploy2/evaluate_schema", "deploy2/report_push_completed"];
    const probes = [];
    for (const path of posts) {
      for (const body of bodies) {
        probes.push([url, request("POST", `/api/${path}`, json, body)], [url, request("POST", `/api/${path}`, admin, body)]);
      }
    }
    for (const body of [...bodies, `{"client_id":"${clientId}","grant_type":"refresh_token","refresh_token":"\\u0000"}`, `{"client_id":"${clientId}","grant_type":["x"]}`]) {
      probes.push([authkitUrl, request("POST", "/user_management/authenticate", json, body)]);
      probes.push([authkitUrl, request("POST", "/login/x", "Content-Type: application/x-www-form-urlencoded\r\n", body)]);
    }
    for (const at of [url, siteUrl, authkitUrl]) {
      probes.push(
        [at, "\0\0\0\0\r\n\r\n"], [at, "GET / HTTP/1.1\r\n\r\n"], [at, "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"], [at, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
        [at, "POST /api/query HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}"],
        [at, "POST /api/query HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: xchunked\r\n\r\n"],
        [at, request("GET", "/%00")], [at, request("GET", "/%zz")], [at, request("GET", "/../../etc/passwd")], [at, request("FOO", "/x")],
        [at, request("GET", "/", `X: ${"a".repeat(200_000)}\r\n`)], [at, request("GET", "/%0d%0aSet-Cookie:evil=1")],
      );
    }
    for (const [at, bytes] of probes) {
      const out = await raw(at, bytes);
      const status = Number(/^HTTP\/1\.[01] (\d+)/.exec(out)?.[1]);
      // 501 and 505 say what is not offered.
      holds(status < 500 || status === 501 || status === 505, `${JSON.stringify(bytes.slice(0, 200))} was answered ${JSON.stringify(out.slice(0, 300))}`);
      lacks(out.split("\r\n\r\n")[0].toLowerCase(), "\nset-cookie:evil", "the headers");
    }
    await peace(lentil, "the bad requests");
  },

  async "a page elsewhere cannot read the outbox, nor be sent to"(lentil) {
    const { authkitUrl, clientId } = lentil.info;
    for (const host of ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", ""]) {
      const out = await raw(authkitUrl, request("GET", "/_lentil/outbox?to=a@b.example", "", "", host));
      contains(out.slice(0, 15), " 4", `the outbox for ${host}`);
    }
    for (const uri of ["https://evil.example/", "javascript:alert(1)", "http://localhost:5173.evil.example/callback", "http://localhost:5173@evil.example/callback", "//evil.example"]) {
      for (const path of [`authorize?client_id=${clientId}&response_type=code&provider=authkit&redirect_uri=`, "sessions/logout?session_id=session_x&return_to="]) {
        const out = await raw(authkitUrl, request("GET", `/user_management/${path}${encodeURIComponent(uri)}`));
        lacks(/^location: .*$/im.exec(out)?.[0] ?? "", "evil", "the redirect");
        lacks(/^location: .*$/im.exec(out)?.[0] ?? "", "javascript", "the redirect");
      }
    }
    const form = await raw(authkitUrl, request("POST", "/login/x", "Origin: https://evil.example\r\nSec-Fetch-Site: cross-site\r\nContent-Type: application/x-www-form-urlencoded\r\n", "step=sign-in"));
    contains(form.slice(0, 15), "403", "a form from elsewhere");
  },

  async "killed while writing, nothing acknowledged is lost or torn"(lentil) {
    const acknowledged = new Set();
    let next = 1;
    for (const signal of ["SIGKILL", "SIGTERM", "SIGKILL"]) {
      let over = false;
      const writers = Array.from({ length: 16 }, async () => {
        while (!over) {
          const n = next++;
          const answer = await call(lentil, "mutation", "put", { n }).catch(() => undefined);
          if (answer?.body.status === "success") {
            acknowledged.add(n);
          } else {
            holds(answer === undefined || answer.status !== 500, `a write was answered ${JSON.stringify(answer)}`);
            await sleep(5);
          }
        }
      });
      const enough = acknowledged.size + 50;
      await until("fifty writes", () => acknowledged.size >= enough);
      await sleep(50); // in their midst
      const code = await lentil.stop(signal);
      holds(signal === "SIGKILL" || code === 0, `${signal} ended with ${code}`);
      over = true;
      await Promise.all(writers);
      await lentil.start();
    }
    const seen = new Map();
    for (let after = 0; ; ) {
      const { body } = await call(lentil, "query", "page", { after });
      if (body.value.length === 0) {
        break;
      }
      for (const [n, v, time] of body.value) {
        seen.set(n, [...(seen.get(n) ?? []), v]);
        after = time;
      }
    }
    holds(acknowledged.size > 100, `${acknowledged.size} writes were acknowledged`);
    same([...acknowledged].filter((n) => !seen.has(n)), [], "lost writes");
    same([...seen].filter(([, pair]) => pair.length !== 2 || pair[0] + pair[1] !== 0), [], "torn writes");
  },
};
