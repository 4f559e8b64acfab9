// HTTP actions and files at the edges: both ways at once, breaking off, odd headers, on both addresses.
import { anyApi as api } from "convex/server";
import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { request } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { contains, fails, holds, same } from "../lib/check.mjs";
import { House } from "../lib/house.mjs";
import { until } from "../lib/lentil.mjs";

export async function setUp() {
  const house = await House.open();
  await house.push("gateway");
  return house;
}

export const tearDown = (house) => house?.close();

/** The two addresses of HTTP actions: the site's, and a folder of the deployment's. */
const bases = (house) => [house.siteUrl, `${house.url}/http`];

/** Bytes that files take in the store, temporary ones included. */
function stored(house) {
  let bytes = 0;
  const files = readdirSync(join(house.dir, ".lentil"), { recursive: true, withFileTypes: true });
  for (const entry of files) {
    if (entry.isFile() && entry.parentPath.includes("blob")) {
      bytes += readFileSync(join(entry.parentPath, entry.name)).length;
    }
  }
  return bytes;
}

export const scenarios = {
  "a request and its answer stream at the same time": async (house) => {
    for (const base of bases(house)) {
      const sent = request(`${base}/upper`, { method: "POST" });
      const pieces = [];
      const answered = new Promise((done, fail) => sent.on("error", fail).on("response", (response) => response.on("data", (piece) => pieces.push(String(piece))).on("end", done)));
      for (const word of ["soak ", "boil ", "eat"]) {
        sent.write(word);
        await until(`the answer to ${word}`, () => pieces.join("").endsWith(word.toUpperCase()));
      }
      sent.end();
      await answered;
      same(pieces.join(""), "SOAK BOIL EAT");
    }
  },

  "methods, paths, queries and headers arrive as they were sent": async (house) => {
    for (const base of bases(house)) {
      for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]) {
        const answer = await fetch(`${base}/tell/a%2Fb/%C3%9F?q=1&q=%20%2B+`, { method, headers: { "X-Odd": "a,  b", Cookie: "a=1; b=2" }, body: method === "GET" ? undefined : "body" });
        const told = await answer.json();
        same([told.method, told.body, told.search], [method, method === "GET" ? "" : "body", "?q=1&q=%20%2B+"], `${method} ${base}`);
        contains(told.pathname, "/tell/a%2Fb/%C3%9F");
        same(told.headers.filter(([name]) => name !== "content-length"), [["cookie", "a=1; b=2"], ["x-odd", "a,  b"]]);
      }
      const head = await fetch(`${base}/tell/x`, { method: "HEAD" });
      same([head.status, await head.text(), head.headers.get("x-method")], [200, "", "HEAD"]);
      same((await fetch(`${base}/tell`)).status, 404);
    }
    // Two lines of one header are one value.
    const raw = await new Promise((done, fail) => {
      const socket = connect(Number(new URL(house.siteUrl).port), "127.0.0.1", () => socket.write("GET /tell/ HTTP/1.1\r\nHost: site.test\r\nX-A: 1\r\nX-A: 2\r\nConnection: close\r\n\r\n"));
      let text = "";
      socket.on("data", (piece) => (text += piece)).on("end", () => done(text)).on("error", fail);
    });
    contains(raw, '["x-a","1, 2"]');
  },

  "statuses, redirects, forms, blobs": async (house) => {
    const site = house.siteUrl;
    const redirect = await fetch(`${site}/redirect`, { redirect: "manual" });
    same([redirect.status, redirect.headers.get("location")], [307, `${site}/tell/after?x=1`]);
    same((await (await fetch(`${site}/redirect`)).json()).search, "?x=1");
    const teapot = await fetch(`${site}/teapot`);
    same([teapot.status, await teapot.text(), teapot.headers.get("content-type")], [418, "short and stout", "text/plain;charset=UTF-8"]);
    const form = await (await fetch(`${site}/form`, { method: "POST", body: new URLSearchParams([["a", "1"], ["a", "ü & ö"]]) })).json();
    same(form, { fields: [["a", "1"], ["a", "ü & ö"]], raw: "a=1&a=%C3%BC+%26+%C3%B6", used: [true, true] });
    const bytes = randomBytes(2_000_000);
    const put = await fetch(`${site}/store`, { method: "PUT", body: bytes, headers: { "Content-Type": "application/x-soup" } });
    const { id, url } = await put.json();
    same(put.status, 201);
    for (const address of [url, `${site}/file?id=${id}`]) {
      const got = await fetch(address);
      same([got.headers.get("content-type"), got.headers.get("content-length"), Buffer.from(await got.arrayBuffer()).compare(bytes)], ["application/x-soup", "2000000", 0], address);
    }
    contains((await (await fetch(`${site}/file?id=nonsense`)).json()).code, "Server Error");
    same((await fetch(`${site}/later`, { method: "POST", body: "x" })).status, 202);
    await until("what was scheduled", async () => (await house.http().query(api.log.all, {})).includes("later: x"));
  },

  "an answer that breaks off, floods, or comes early": async (house) => {
    const site = house.siteUrl;
    const broken = await fetch(`${site}/break`);
    same(broken.status, 200);
    await fails(() => broken.text(), "an answer that broke off");
    const flood = await fetch(`${site}/flood`);
    await fails(() => flood.arrayBuffer(), "more than 20 MiB");
    await until("the log to tell of the flood", async () => {
      const { entries } = await house.admin("/api/stream_function_logs?cursor=0");
      return entries.some((e) => e.identifier === "GET /flood" && e.error);
    });
    for (const size of [0, 10, 5_000_000]) {
      const early = await fetch(`${site}/early`, { method: "POST", body: Buffer.alloc(size) });
      same([early.status, await early.text()], [403, "no, thank you"]);
    }
  },

  "a reader that leaves is noticed, on both addresses": async (house) => {
    const left = async () => (await house.http().query(api.log.all, {})).filter((text) => text === "the reader left").length;
    for (const [i, base] of bases(house).entries()) {
      const leave = new AbortController();
      const answer = await fetch(`${base}/endless`, { signal: leave.signal });
      const reader = answer.body.getReader();
      await reader.read();
      leave.abort();
      await until("the note", async () => (await left()) === i + 1);
    }
  },

  "an upload that breaks off leaves nothing": async (house) => {
    const { port, pathname, search } = new URL(await house.run("log:link"));
    const before = stored(house);
    for (const length of ["Content-Length: 50000000", "Transfer-Encoding: chunked"]) {
      const socket = connect(Number(port), "127.0.0.1");
      socket.write(`POST ${pathname}${search} HTTP/1.1\r\nHost: x\r\n${length}\r\n\r\n${length.startsWith("T") ? "7a1200\r\n" : ""}`);
      socket.write(Buffer.alloc(8_000_000, 1));
      await until("some bytes to come", () => stored(house) > before + 1_000_000);
      socket.destroy();
      await until("them to be gone", () => stored(house) === before);
    }
  },

  "files keep their content type, whatever it is, and pages may fetch them": async (house) => {
    const link = await house.run("log:link");
    const upload = async (headers) => {
      const answer = await fetch(link, { method: "POST", body: new Uint8Array([60, 98, 62]), headers });
      return [answer.status, await answer.json()];
    };
    for (const type of ["text/html", 'multipart/mixed; boundary="x y"', "IMAGE/PNG", "nonsense", undefined]) {
      const [status, { storageId }] = await upload(type === undefined ? {} : { "Content-Type": type });
      same(status, 200);
      const { row, url } = await house.run("log:file", { id: storageId });
      same([row.contentType, row.size], [type, 3]);
      const got = await fetch(url, { headers: { Origin: "http://page.test" } });
      same([got.headers.get("content-type"), got.headers.get("access-control-allow-origin")], [type ?? null, "http://page.test"]);
    }
    same((await upload({ "Content-Type": "x/".padEnd(2000, "y") }))[0], 400);
    const [, { storageId }] = await upload({ "Content-Type": "" });
    same((await house.run("log:file", { id: storageId })).row.size, 3);
    const preflight = await fetch(link, { method: "OPTIONS", headers: { Origin: "http://page.test", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type" } });
    same([preflight.status, preflight.headers.get("access-control-allow-origin")], [200, "http://page.test"]);
    same((await fetch(link, { method: "PUT", body: "x" })).status >= 400, true);
  },
};
