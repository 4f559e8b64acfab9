// HTTP actions and file storage, over plain HTTP and through the official clients and CLI.
import { ConvexHttpClient } from "convex/browser";
import { anyApi as api } from "convex/server";
import { join } from "node:path";
import { contains, fails, holds, lacks, same } from "../lib/check.mjs";
import { Lentil, portFlags, removeFolder, root, scratchApp, until } from "../lib/lentil.mjs";

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
    const began = performance.now();
    const answer = await fetch(`${lentil.info.siteUrl}/ticks`);
    const reader = answer.body.getReader();
    const first = new TextDecoder().decode((await reader.read()).value);
    const soon = performance.now() - began;
    let rest = "";
    for (let step = await reader.read(); !step.done; step = await reader.read()) {
      rest += new TextDecoder().decode(step.value);
    }
    same(first + rest, "tick 0\ntick 1\ntick 2\n");
    holds(performance.now() - began - soon > 400, "the first piece came ahead of the last");
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
};
