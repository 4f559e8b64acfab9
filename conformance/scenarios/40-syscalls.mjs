// What functions may ask of the deployment beyond documents: commit timestamps, tokens, metrics and limits, audit logs.
import { ConvexClient, ConvexHttpClient } from "convex/browser";
import { anyApi as api } from "convex/server";
import { webcrypto } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import WebSocket from "ws";
import { contains, fails, holds, same } from "../lib/check.mjs";
import { Lentil, portFlags, removeFolder, root, scratchApp, until, write } from "../lib/lentil.mjs";

export async function setUp() {
  const dir = scratchApp(join(root, "conformance", "apps", "syscalls"), join(root, "conformance", "node_modules"));
  const lentil = await new Lentil(dir, await portFlags()).start();
  await push(lentil);
  return lentil;
}

export async function tearDown(lentil) {
  await lentil?.stop();
  lentil && removeFolder(lentil.dir);
}

const push = (lentil, typecheck = "disable") => lentil.cli(["dev", "--once", "--typecheck", typecheck]);
const http = (lentil) => new ConvexHttpClient(lentil.info.url, { logger: false });
const admin = async (lentil, path, args = {}) => {
  const client = http(lentil);
  client.setAdminAuth(lentil.info.adminKey);
  return await client.function(path, undefined, args);
};
const decode = (part) => JSON.parse(Buffer.from(part, "base64url"));

async function verify(jwt, url) {
  const [head, body, signature] = jwt.split(".");
  const { keys } = await (await fetch(url)).json();
  const key = keys.find((k) => k.kid === decode(head).kid);
  const imported = await webcrypto.subtle.importKey("jwk", key, { name: "ECDSA", namedCurve: "P-256" }, true, ["verify"]);
  const good = await webcrypto.subtle.verify({ name: "ECDSA", hash: "SHA-256" }, imported, Buffer.from(signature, "base64url"), Buffer.from(`${head}.${body}`));
  return { good, header: decode(head), claims: decode(body), key };
}

export const scenarios = {
  "the app type-checks": (lentil) => push(lentil, "enable"),

  "a commit timestamp is a placeholder within the mutation, and the commit's own time after it": async (lentil) => {
    const client = http(lentil);
    const first = await client.mutation(api.committs.add, { tag: "first" });
    const second = await client.mutation(api.committs.add, { tag: "second" });
    same([first.same, first.text], [true, "[unresolved commit timestamp]"]);
    holds(typeof first.at === "bigint" && first.at > first.snapshotTs && first.list[0] === first.at && first.list[1] === 1n, `at ${first.at}`);
    holds(second.at > first.at && second.snapshotTs >= first.at, "the second commit is later");
    const rows = await client.query(api.committs.list, {});
    same(rows.map((row) => [row.tag, row.at, row.nested.times]), [
      ["first", first.at, [first.at, 7n, first.at]],
      ["second", second.at, [second.at, 7n, second.at]],
    ]);
    same((await client.query(api.committs.list, { after: first.at })).map((row) => row.tag), ["second"]);
  },

  "it sorts above every integer until then, and cannot be used as anything else": async (lentil) => {
    const client = http(lentil);
    const seen = await client.mutation(api.committs.addTwice, { tag: "twice" });
    same([seen.order, seen.above], [seen.wanted, 1]);
    for (const [how, text] of [
      ["scheduled", "unresolved commit timestamp"],
      ["as a number", "This commit timestamp is unresolved"],
      ["as another type", "Value does not match validator."],
    ]) {
      contains((await fails(() => client.mutation(api.committs.misuse, { how }), how)).message, text, how);
    }
    const inner = await client.mutation(api.committs.misuse, { how: "through a mutation" });
    const row = (await client.query(api.committs.list, {})).find((r) => r.tag === "inner");
    same(inner.at, row.at);
    const asked = await client.mutation(api.committs.misuse, { how: "through queries" });
    const at = (await client.query(api.committs.list, {})).find((r) => r.tag === "m").at;
    same([asked.read, asked.same, asked.echo], [at, true, [at]]);
  },

  "a live query sees resolved timestamps, and a socket's mutation is told them": async (lentil) => {
    const client = new ConvexClient(lentil.info.url, { webSocketConstructor: WebSocket, logger: false });
    let rows = [];
    const stop = client.onUpdate(api.committs.list, {}, (now) => (rows = now));
    await until("the first result", () => rows.length > 0);
    const added = await client.mutation(api.committs.add, { tag: "live" });
    const row = await until("the new event", () => rows.find((r) => r.tag === "live"));
    same(row.at, added.at);
    stop();
    await client.close();
  },

  "a staged index is built, not used, and promoted without waiting": async (lentil) => {
    const client = http(lentil);
    contains((await fails(() => client.query(api.committs.byStaged, {}), "byStaged")).message, "Index events.by_nested not found.");
    const path = join(lentil.dir, "convex", "schema.ts");
    const text = readFileSync(path, "utf8");
    write(path, text.replace(`{ fields: ["nested"], staged: true }`, `["nested"]`));
    await push(lentil);
    same((await client.query(api.committs.byStaged, {})).length, (await client.query(api.committs.list, {})).length);
    write(path, text);
  },

  "a staged validator is checked in the background and enforced by nobody": async (lentil) => {
    const client = http(lentil);
    const state = () => admin(lentil, "_system/cli/stagedValidators:list");
    const at = async (wanted) => await until(`the validator to be ${wanted}`, async () => (await state()).find((s) => s.table === "rows" && s.state === wanted));
    await at("valid");
    await client.mutation(api.limits.fill, { n: 1, text: "neither" });
    const found = await at("invalid");
    contains(found.error, "Value does not match validator.\nPath: .text");
    await push(lentil); // the staged index of events is declared again, and the validator looked at anew
    const again = await until("the document to be found", async () => (await state()).find((s) => s.document));
    // As enforced validator it is refused, as the staged one said.
    const path = join(lentil.dir, "convex", "schema.ts");
    const text = readFileSync(path, "utf8");
    write(path, text.replace(`.staged({ text: v.union(v.literal("a"), v.literal("b")) })`, "").replace("text: v.string()", `text: v.union(v.literal("a"), v.literal("b"))`));
    const refused = await lentil.cli(["dev", "--once", "--typecheck", "disable"], { allowFailure: true });
    holds(refused.code !== 0, "the push is refused");
    contains(refused.stdout + refused.stderr, again.document);
    write(path, text);
    await push(lentil);
  },

  "a mutation signs tokens that anybody can verify, and auth.config.ts may trust": async (lentil) => {
    const client = http(lentil);
    const claims = { sub: "ada", aud: "own", name: "Ada", roles: ["x", { y: 1 }] };
    const { jwt, url, now } = await client.mutation(api.tokens.sign, { claims, seconds: 60 });
    same(url, lentil.info.url);
    const seen = await verify(jwt, `${url}/.well-known/jwks.json`);
    same(seen.good, true);
    same([seen.header.alg, seen.header.typ, seen.key.kty, seen.key.crv, seen.key.use, seen.key.d], ["ES256", "JWT", "EC", "P-256", "sig", undefined]);
    const iat = Math.floor(now / 1000);
    same(seen.claims, { ...claims, iss: url, iat, exp: iat + 60 });
    client.setAuth(jwt);
    const identity = await client.query(api.tokens.whoami, {});
    same([identity.tokenIdentifier, identity.subject, identity.issuer, identity.name], [`${url}|ada`, "ada", url, "Ada"]);
    // The key outlives the process.
    await lentil.crashAndRestart();
    same((await verify(jwt, `${url}/.well-known/jwks.json`)).good, true);
    same((await client.query(api.tokens.whoami, {})).subject, "ada");
    for (const name of ["iss", "iat", "exp", "nbf", "convexRole", "CVX_x"]) {
      contains((await fails(() => client.mutation(api.tokens.sign, { claims: { [name]: 1 }, seconds: 60 }), name)).message, "is reserved", name);
    }
    for (const seconds of [0, 0.5, 3601, NaN]) {
      contains((await fails(() => client.mutation(api.tokens.sign, { claims: {}, seconds }), `${seconds} s`)).message, "from 1 to 3600");
    }
  },

  "a nested call keeps within its transactionLimits, and is undone if it does not": async (lentil) => {
    const client = http(lentil);
    await client.mutation(api.limits.fill, { n: 10 });
    const limited = (fn, args, limits, kind = "mutation") => client.mutation(api.limits.limited, { fn, args, limits, kind });
    const rows = (await limited("scan", {}, { documentsRead: 500 }, "query")).ok.rows;
    for (const [fn, args, limits, text, kind] of [
      ["scan", {}, { documentsRead: 3 }, "Too many documents read in a single function execution (limit: 3).", "query"],
      ["scan", {}, { bytesRead: 100 }, "Too many bytes read in a single function execution (limit: 100 bytes).", "query"],
      ["gets", { n: 5 }, { databaseQueries: 4 }, "Too many reads in a single function execution (limit: 4).", "query"],
      ["insertMany", { n: 3 }, { documentsWritten: 2 }, "Too many writes in a single function execution (limit: 2)"],
      ["insertMany", { n: 1 }, { documentsWritten: 0 }, "Too many writes in a single function execution (limit: 0)"],
      ["insertMany", { n: 3 }, { bytesWritten: 150 }, "Too many bytes written in a single function execution (limit: 150 bytes)"],
      ["scheduleMany", { n: 3 }, { functionsScheduled: 2 }, "Too many functions scheduled by this mutation (limit: 2)"],
      ["scheduleMany", { n: 3 }, { scheduledFunctionArgsBytes: 20 }, "Too large total size of the arguments of scheduled functions from this mutation"],
      ["storeMany", { n: 3, size: 10 }, { filesWritten: 2 }, "Too many files stored in a single function execution (limit: 2)"],
      ["storeMany", { n: 3, size: 10 }, { fileWriteBytes: 25 }, "Too many bytes of files stored in a single function execution (limit: 25 bytes)"],
    ]) {
      const seen = await limited(fn, args, limits, kind);
      contains(seen.error, text, `${fn} with ${JSON.stringify(limits)}`);
      same(seen.rows, rows, `rows after ${fn}`);
    }
    // A limit above the global one does not raise it; what a call used stays used.
    const raised = await limited("insertMany", { n: 2 }, { documentsWritten: 1e6, bytesRead: 1000 });
    same([raised.ok.documentsWritten, raised.ok.bytesRead.remaining], [{ used: 2, remaining: 15998 }, 1000]);
    same([raised.after.documentsWritten, raised.after.bytesRead.remaining > 1e6], [{ used: 2, remaining: 15998 }, true]);
    const files = await limited("storeMany", { n: 2, size: 10 }, {});
    same([files.ok.filesWritten.used, files.ok.fileWriteBytes.used], [2, 20]);
  },

  "a stale snapshot sees no pending writes, and is paid for": async (lentil) => {
    const seen = await http(lentil).mutation(api.limits.stale, {});
    same([seen.old, seen.fresh, seen.charged], [seen.before, seen.before + 1, 3 * seen.before + 1]);
  },

  "limits of an execution have the words of the vendor, and warnings before them": async (lentil) => {
    const client = http(lentil);
    same(await client.query(api.limits.dive, { n: 7 }), "bottom");
    contains((await fails(() => client.query(api.limits.dive, { n: 8 }), "9 levels")).message, "Cross component call depth limit exceeded");
    contains((await fails(() => client.query(api.limits.readTooMuch, { n: 5000 }), "5,000 queries")).message, "Too many reads in a single function execution (limit: 4096). Consider using smaller limits");
    const lines = [];
    const noisy = new ConvexHttpClient(lentil.info.url, { logger: { logVerbose() {}, log: (...a) => lines.push(a.join(" ")), warn: (...a) => lines.push(a.join(" ")), error() {} } });
    await noisy.query(api.limits.readTooMuch, { n: 3500 });
    contains(lines.join("\n"), "Many reads in a single function execution (actual: 3500, limit: 4096).");
  },

  "log.audit keeps entries: of successes only, again for cached results, for nobody but admins": async (lentil) => {
    const client = http(lentil);
    const entries = async () => (await admin(lentil, "_system/cli/auditLogs:list", { paginationOpts: { cursor: null, numItems: 100 } })).page;
    const before = (await entries()).length;
    const began = Date.now();
    await client.query(api.limits.audited, { key: "k" });
    await client.query(api.limits.audited, { key: "k" });
    await client.mutation(api.limits.auditedWrite, { fail: false });
    await fails(() => client.mutation(api.limits.auditedWrite, { fail: true }), "auditedWrite");
    await admin(lentil, "limits:auditedWrite", { fail: false });
    const page = await entries();
    const bodies = page.map((e) => JSON.parse(e.body));
    same(page.length, before + 4);
    same(bodies.map((b) => b.action).slice(0, 4), ["changed", "changed", "viewed", "viewed"]);
    same([bodies[0].actor, bodies[1].actor], [{ kind: "admin" }, null]);
    const [second, first] = bodies.slice(2);
    same([first.key, first.source.ip, typeof first.source.agent, first.actor, first.list], ["k", "127.0.0.1", "string", null, [1, null, first.request]]);
    holds(first.request !== second.request && first.at >= began && second.at >= first.at, "a cached result has a request and a time of its own");
    same([page[2].path, page[2].udfType, page[2].requestId], ["limits:audited", "Query", second.request]);
    contains((await fails(() => client.action(api.limits.auditInAction, {}), "auditInAction")).message, "AuditLogNotSupportedInAction");
    await fails(() => client.query("_system/cli/auditLogs:list", { paginationOpts: { cursor: null, numItems: 1 } }), "a stranger listing audit logs");
  },

  "services of the cloud are named in the error; metadata tells where one is": async (lentil) => {
    const client = http(lentil);
    for (const which of ["url", "token"]) {
      contains((await fails(() => client.action(api.limits.services, { which }), which)).message, "AiGatewayUnavailable");
    }
    const seen = await client.query(api.limits.deployment, {});
    same([seen.deployment.name, seen.deployment.region, seen.deployment.class], [lentil.info.deployment, null, "s16"]);
    same(seen.fn, { name: "limits:deployment", componentPath: "", type: "query", visibility: "public" });
    const request = await client.mutation(api.limits.request, {});
    same([request.ip, request.scheduledFunctionId, request.authToken], ["127.0.0.1", null, null]);
    holds(typeof request.requestId === "string" && request.requestId.length === 16, `request id ${request.requestId}`);
    holds((await client.query(api.limits.snapshotTs, {})) > 1_700_000_000_000_000_000n, "snapshot in nanoseconds");
  },

  "a mutation that always conflicts, or finds no room, fails as one that may be tried again": async (lentil) => {
    const post = (op) =>
      fetch(`${lentil.info.url}/api/mutation`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ path: "limits:provoke", args: { op }, format: "json" }),
      });
    const conflict = await post("throwOcc");
    same([conflict.status, (await conflict.json()).code], [503, "OptimisticConcurrencyControlFailure"]);
    const busy = await post("throwOverloaded");
    same([busy.status, (await busy.json()).code], [503, "Busy"]);
  },
};
