// HTTP actions and file storage, over plain HTTP and through the official clients and CLI.
import { ConvexClient, ConvexHttpClient } from "convex/browser";
import { anyApi as api } from "convex/server";
import { createHash, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import WebSocket from "ws";
import { contains, fails, holds, same } from "../lib/check.mjs";
import { Lentil, portFlags, removeFolder, root, scratchApp, until } from "../lib/lentil.mjs";

globalThis.WebSocket ??= WebSocket;

export async function setUp() {
  const dir = scratchApp(join(root, "conformance", "apps", "files"), join(root, "conformance", "node_modules"));
  const lentil = await new Lentil(dir, await portFlags()).start();
  lentil.before = await fetch(`${lentil.info.siteUrl}/exact`).then(async (r) => [r.status, await r.text()]);
  await lentil.cli(["dev", "--once", "--typecheck", "disable"]);
  return lentil;
}

export async function tearDown(lentil) {
  await lentil?.stop();
  lentil && removeFolder(lentil.dir);
}

const client = (lentil) => new ConvexHttpClient(lentil.info.url, { logger: false });

export const scenarios = {
  "http: before the first push there are no HTTP actions": async (lentil) => {
    same(lentil.before, [404, "This Convex deployment does not have HTTP actions enabled."]);
  },

  "http: exact routes go before prefixes, longer prefixes before shorter": async (lentil) => {
    const site = lentil.info.siteUrl;
    const route = async (path, method = "GET") => (await fetch(site + path, { method })).headers.get("x-route");
    same(await route("/exact"), "exact");
    same(await route("/exact?a=b%20c"), "exact");
    same(await route("/exact", "DELETE"), "delete");
    same(await route("/deep/x"), "deep");
    same(await route("/deep/er/x"), "deeper");
    same(await route("/deep/er/exact"), "deep exact");
    same(await route("/options", "OPTIONS"), "options");
    const head = await fetch(`${site}/exact`, { method: "HEAD" });
    same([head.status, head.headers.get("x-route"), await head.text()], [200, "exact", ""]);
    for (const [path, method] of [["/deep", "GET"], ["/exact", "POST"], ["/", "GET"], ["/exact", "OPTIONS"]]) {
      const answer = await fetch(site + path, { method });
      same([answer.status, await answer.text()], [404, "No matching routes found"], `${method} ${path}`);
    }
    const got = await fetch(`${site}/exact?q=1`, { headers: { Origin: "http://elsewhere.test", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "app.test" } });
    same((await got.json()).url, "https://app.test/exact?q=1");
    same(got.headers.get("access-control-allow-origin"), null);
    same((await (await fetch(`${site}/exact?q=1`)).json()).url, `${site}/exact?q=1`);
    same((await fetch(`${lentil.info.url}/http/deep/x`)).headers.get("x-route"), "deep");
  },

  "http: bodies and headers both ways": async (lentil) => {
    const site = lentil.info.siteUrl;
    const noted = await fetch(`${site}/notes`, { method: "POST", body: JSON.stringify({ text: "höß" }) });
    same([noted.status, await noted.json()], [201, ["höß"]]);
    same(noted.headers.getSetCookie(), ["a=1", "b=2"]);
    same(noted.headers.get("x-latin"), "h\xf6");
    same(noted.headers.get("content-type"), "application/json");
    const bytes = new Uint8Array(300_000).map((_, i) => i * 7);
    const echo = await fetch(`${site}/echo`, { method: "POST", body: bytes, headers: { "Content-Type": "x/y" } });
    same(echo.headers.get("x-type"), "x/y");
    holds(Buffer.compare(Buffer.from(await echo.arrayBuffer()), Buffer.from(bytes)) === 0, "echoed bytes");
    same(await (await fetch(`${site}/size`, { method: "PUT", body: new Uint8Array(60 << 20) })).text(), String(60 << 20));
    const form = new FormData();
    form.set("name", "soup");
    form.set("file", new File(["lentils"], "soup.txt", { type: "text/plain" }));
    same(await (await fetch(`${site}/form`, { method: "POST", body: form })).json(), { name: "soup", file: "soup.txt", type: "text/plain", text: "lentils" });
    const empty = await fetch(`${site}/empty`);
    same([empty.status, await empty.text(), empty.headers.get("content-type")], [204, "", null]);
  },

  "http: a response streams": async (lentil) => {
    const answer = await fetch(`${lentil.info.siteUrl}/ticks`);
    const pieces = [];
    for await (const piece of answer.body.pipeThrough(new TextDecoderStream())) {
      pieces.push(piece);
      // The next piece is written when this one is known to have arrived.
      same((await fetch(`${lentil.info.siteUrl}/notes`, { method: "POST", body: JSON.stringify({ text: `${piece.trim()} arrived` }) })).status, 201);
    }
    same(pieces, ["tick 0\n", "tick 1\n", "tick 2\n"]);
  },

  "http: a client that leaves aborts the request's signal; a body may be left unread": async (lentil) => {
    const leave = new AbortController();
    const answer = fetch(`${lentil.info.siteUrl}/wait`, { signal: leave.signal }).catch(() => "left");
    const noted = (text) => until(text, async () => (await client(lentil).query(api.notes.list, {})).includes(text));
    await noted("a client waits");
    leave.abort();
    same(await answer, "left");
    await noted("the client left");
    for (let i = 0; i < 5; i++) {
      same(await (await fetch(`${lentil.info.siteUrl}/ignore`, { method: "POST", body: new Uint8Array(i * 100_000) })).text(), "ignored");
    }
  },

  "http: a bad credential does not fail the request": async (lentil) => {
    const who = async (authorization) => {
      const answer = await fetch(`${lentil.info.siteUrl}/who`, { headers: authorization ? { Authorization: authorization } : {} });
      return [answer.status, await answer.json()];
    };
    same(await who(), [200, { identity: null }]);
    same(await who("a"), [200, { identity: null }]);
    same(await who("Basic dXNlcjpwYXNz"), [200, { identity: null }]);
    const [status, bad] = await who("Bearer helloworld");
    same(status, 200);
    holds(bad.error, "getUserIdentity throws");
  },

  "http: errors are 500 with what happened": async (lentil) => {
    const fail = await fetch(`${lentil.info.siteUrl}/fail`);
    same(fail.status, 500);
    const plain = await fail.json();
    holds(/^\[Request ID: [0-9a-f]{16}\] Server Error: Uncaught Error: the plain one$/.test(plain.code), plain.code);
    contains(plain.trace, "convex/http.ts:");
    const data = await (await fetch(`${lentil.info.siteUrl}/convex-error`)).json();
    same(data.data, { code: 7 });
    contains((await (await fetch(`${lentil.info.siteUrl}/nothing`)).json()).code, "HTTP actions must return a Response");
    const large = await fetch(`${lentil.info.siteUrl}/large`);
    same(large.status, 500);
    contains((await large.json()).code, "HttpResponseTooLarge");
  },

  "http: logs and function-spec tell of the routes": async (lentil) => {
    const spec = JSON.parse((await lentil.cli(["function-spec"])).stdout);
    holds(spec.functions.some((f) => f.functionType === "HttpAction" && f.method === "GET" && f.path === "/deep/er/*"), "the prefix route");
    const answer = await until("the log entry", async () => {
      const page = await fetch(`${lentil.info.url}/api/stream_function_logs?cursor=0`, { headers: { Authorization: `Convex ${lentil.info.adminKey}` } });
      return (await page.json()).entries.find((e) => e.kind === "Completion" && e.udfType === "HttpAction" && e.identifier === "POST /notes");
    });
    same(answer.success, { status: "201" });
  },

  "files: an upload link takes files, and their addresses serve them": async (lentil) => {
    const c = client(lentil);
    const link = await c.mutation(api.files.link, {});
    holds(link.startsWith(`${lentil.info.url}/api/storage/upload?token=`), link);
    const text = "0123456789";
    const sum = createHash("sha256").update(text).digest();
    const sent = await fetch(link, { method: "POST", body: text, headers: { "Content-Type": "text/soup", Digest: `sha-256=${sum.toString("base64")}`, Origin: "http://app.test" } });
    same([sent.status, sent.headers.get("access-control-allow-origin")], [200, "http://app.test"]);
    const { storageId } = await sent.json();
    holds(/^[0-9a-z]{31,37}$/.test(storageId), storageId);
    const seen = await c.query(api.files.look, { id: storageId });
    same(seen.meta, { storageId, sha256: sum.toString("hex"), size: 10, contentType: "text/soup" });
    const { _creationTime, ...row } = seen.row;
    same(row, { _id: storageId, sha256: sum.toString("base64"), size: 10, contentType: "text/soup" });
    holds(Math.abs(_creationTime - Date.now()) < 60_000, "_creationTime");
    same(seen.normal, storageId);

    const all = await fetch(seen.url);
    same([all.status, await all.text(), all.headers.get("content-type"), all.headers.get("digest"), all.headers.get("accept-ranges")],
      [200, text, "text/soup", `sha-256=${sum.toString("base64")}`, "bytes"]);
    contains(all.headers.get("cache-control"), "private, max-age=2592000");
    for (const [range, status, body, where] of [
      ["bytes=2-4", 206, "234", "bytes 2-4/10"], ["bytes=7-", 206, "789", "bytes 7-9/10"], ["bytes=-3", 206, "789", "bytes 7-9/10"],
      ["bytes=0-99", 206, text, "bytes 0-9/10"], ["lines=1-2", 200, text, null],
    ]) {
      const part = await fetch(seen.url, { headers: { Range: range } });
      same([part.status, await part.text(), part.headers.get("content-range")], [status, body, where], range);
    }
    for (const range of ["bytes=10-", "bytes=0-1,4-5", "bytes=-0"]) {
      same((await fetch(seen.url, { headers: { Range: range } })).status, 416, range);
    }
    const head = await fetch(seen.url, { method: "HEAD" });
    same([head.status, head.headers.get("content-length"), await head.text()], [200, "10", ""]);

    const second = await (await fetch(link, { method: "POST", body: "again" })).json();
    same((await c.query(api.files.look, { id: second.storageId })).meta.size, 5);
  },

  "files: what is wrong with an upload or an address is said": async (lentil) => {
    const link = await client(lentil).action(api.files.linkFromAction, {});
    const wrong = await fetch(link, { method: "POST", body: "x", headers: { Digest: `sha-256=${Buffer.alloc(32).toString("base64")}` } });
    same([wrong.status, (await wrong.json()).code], [400, "BadDigest"]);
    same((await fetch(link + "x", { method: "POST", body: "x" })).status, 401);
    same((await fetch(`${lentil.info.url}/api/storage/upload`, { method: "POST", body: "x" })).status, 401);
    const preflight = await fetch(link, { method: "OPTIONS", headers: { Origin: "http://app.test", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type,digest" } });
    same([preflight.status, preflight.headers.get("access-control-allow-headers")], [200, "content-type,digest"]);
    const bad = await fetch(`${lentil.info.url}/api/storage/nonsense`);
    same([bad.status, (await bad.json()).code], [400, "InvalidStoragePath"]);
    same((await fetch(`${lentil.info.url}/api/storage/${randomUUID()}`)).status, 404);
  },

  "files: actions store, get and delete": async (lentil) => {
    const c = client(lentil);
    const back = await c.action(api.files.roundTrip, { size: 3_000_000 });
    same([back.size, back.type, back.equal, back.after, back.again], [3_000_000, "x/y", true, null, null]);
    const empty = await c.action(api.files.roundTrip, { size: 0 });
    same([empty.size, empty.equal, empty.after], [0, true, null]);
    contains(back.refused, "SHA-256");
    contains(back.notABlob, "store() expects a Blob");
    contains(back.deletedTwice, "not found");
  },

  "files: mutations store, and take it back when they fail": async (lentil) => {
    const c = client(lentil);
    const count = (await c.query(api.files.all, {})).length;
    const { id, text, inside } = await c.mutation(api.files.storeText, { text: "transactional" });
    same([text, inside], ["transactional", 13]);
    same(await (await fetch((await c.query(api.files.look, { id })).url)).text(), "transactional");
    await fails(() => c.mutation(api.files.storeText, { text: "lost", fail: true }), "a mutation that throws");
    const rows = await c.query(api.files.all, {});
    same(rows.length, count + 1);
    contains((await lentil.cli(["data", "_storage"])).stdout, id);
    await c.mutation(api.files.remove, { id });
    same(await c.query(api.files.look, { id }), { url: null, meta: null, row: null, normal: id });
    contains((await fails(() => c.mutation(api.files.remove, { id }), "a second delete")).message, "not found");
    contains((await fails(() => c.query(api.files.look, { id: "junk" }), "an id that is none")).message, "ArgumentValidationError");
  },

  "files: a deleted file is gone for live queries and at its address": async (lentil) => {
    const live = new ConvexClient(lentil.info.url, { webSocketConstructor: WebSocket, unsavedChangesWarning: false, logger: false });
    const { id } = await live.mutation(api.files.storeText, { text: "short-lived" });
    const seen = [];
    const stop = live.onUpdate(api.files.look, { id }, (value) => seen.push(value));
    const { url } = await until("the first result", () => seen.at(-1));
    same((await fetch(url)).status, 200);
    await live.mutation(api.files.remove, { id });
    await until("null", () => seen.at(-1).url === null);
    same((await fetch(url)).status, 404);
    stop();
    await live.close();
  },

  "files: a large upload takes no memory, and survives a crash": async (lentil) => {
    const c = client(lentil);
    const piece = Buffer.alloc(1 << 20, 7);
    const total = 300;
    const resident = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${lentil.child.pid}/status`, "utf8"))[1]) / 1024;
    const before = resident();
    let most = before;
    async function* pieces() {
      for (let i = 0; i < total; i++) {
        most = Math.max(most, resident());
        yield piece;
      }
    }
    const sent = await fetch(await c.mutation(api.files.link, {}), { method: "POST", body: ReadableStream.from(pieces()), duplex: "half" });
    const { storageId } = await sent.json();
    holds(most - before < 100, `memory grew by ${most - before} MiB`);
    await lentil.crashAndRestart();
    const { url, meta } = await client(lentil).query(api.files.look, { id: storageId });
    same(meta.size, total << 20);
    const hash = createHash("sha256");
    for await (const chunk of (await fetch(url)).body) {
      hash.update(chunk);
    }
    same(hash.digest("hex"), meta.sha256);
    holds(resident() - before < 300, "memory after the download");
  },
};
