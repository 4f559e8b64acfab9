// Debian's nginx, Caddy and HAProxy before one house, each with the file of deploy/proxy: names, who asks, streams and
// uploads, live queries, a reload of each, and a restart of the house under clients that write through all of them.
import { anyApi as api } from "convex/server";
import { spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { connect as connectTLS } from "node:tls";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { issue } from "../lib/certificate.mjs";
import { contains, holds, same } from "../lib/check.mjs";
import { binary, freePort, removeFolder, root, scratchApp, sleep, until, write } from "../lib/lentil.mjs";
import { Front, speakers as proxies } from "../lib/proxies.mjs";
import { ask, cli, client, Served } from "../lib/served.mjs";

const domain = "house.example";
const at = (name) => `${name}.${domain}`;
const functions = `
import { action, mutation, query } from "./_generated/server";
import { v } from "convex/values";
export const add = mutation({ args: { by: v.string(), n: v.number() }, handler: async (ctx, row) => { await ctx.db.insert("numbers", row); } });
export const all = query({ args: { by: v.string() }, handler: async (ctx, { by }) => (await ctx.db.query("numbers").collect()).filter((row) => row.by === by).map((row) => row.n) });
export const slow = action({ args: {}, handler: async () => { await new Promise((done) => setTimeout(done, 2000)); return "done"; } });
export const who = mutation({ args: {}, handler: async (ctx) => (await ctx.meta.getRequestMetadata()).ip });
export const place = mutation({ args: {}, handler: async (ctx) => await ctx.storage.generateUploadUrl() });
export const file = query({ args: { id: v.id("_storage") }, handler: async (ctx, { id }) => await ctx.storage.getUrl(id) });
`;
const http = `
import { httpRouter } from "convex/server";
import { httpAction } from "./_generated/server";
import { api } from "./_generated/api";
const router = httpRouter();
router.route({ path: "/seen", method: "GET", handler: httpAction(async (_, request) => Response.json({ url: request.url, from: request.headers.get("x-forwarded-for"), forwarded: request.headers.get("forwarded") })) });
router.route({ pathPrefix: "/drops/", method: "GET", handler: httpAction(async (ctx, request) => new Response(new ReadableStream({
  async start(controller) {
    const by = new URL(request.url).pathname;
    for (const [n, drop] of ["one", "two", "three"].entries()) {
      controller.enqueue(new TextEncoder().encode(drop + "\\n"));
      // The next one, when this one is known to have arrived; late, if nothing arrives before the end.
      for (const end = Date.now() + 30_000; Date.now() < end && !(await ctx.runQuery(api.numbers.all, { by })).includes(n); ) {
        await new Promise((done) => setTimeout(done, 20));
      }
    }
    controller.close();
  },
}))) });
router.route({ path: "/add", method: "POST", handler: httpAction(async (ctx, request) => {
  await ctx.runMutation(api.numbers.add, await request.json());
  return new Response("added");
}) });
router.route({ path: "/size", method: "POST", handler: httpAction(async (_, request) => new Response(String((await request.arrayBuffer()).byteLength))) });
export default router;
`;
const sum = (bytes) => createHash("sha256").update(bytes).digest("hex");

/** Does something through every proxy, at once. */
const through = (house, work) => Promise.all(house.fronts.map(async (front) => {
  try {
    return await work(front);
  } catch (error) {
    throw new Error(`${front.kind}: ${error.stack}\n${front.log.slice(-2000)}`, { cause: error });
  }
}));

/** The address of whoever asks from 127.0.0.42, as functions see it: over HTTP, and over a live connection. */
async function whoAsks(house, address, headers) {
  const asked = await ask(house, `${house.info.url}/api/mutation`, {
    address, from: "127.0.0.42", method: "POST", headers: { "Content-Type": "application/json", ...headers }, body: JSON.stringify({ path: "numbers:who", args: {}, format: "json" }),
  });
  same(asked.status, 200, asked.text);
  const c = client(house, address, { from: "127.0.0.42", headers });
  const live = await c.mutation(api.numbers.who, {});
  await c.close();
  return [JSON.parse(asked.text).value, live];
}

export async function setUp() {
  const dir = mkdtempSync(join(tmpdir(), "lentil-proxies-"));
  const house = new Served(dir);
  house.folders = [dir];
  house.fronts = [];
  const names = ["api", "site", "auth", "*.deployments", "*.site.deployments"].map(at);
  house.tls = issue(names);
  writeFileSync(join(dir, "house.pem"), house.tls.certificate + house.tls.key, { mode: 0o600 });
  // All proxies have the same port, so that the house has one public address; each has an address of its own.
  const port = await freePort();
  house.port = await house.hold();
  writeFileSync(join(dir, "lentil.yaml"), `
data: \${LENTIL_WHERE}/data
deployment: happy-otter-98
listen:
  http-port: ${house.port}
  port: ${await freePort()}
  site-port: ${await freePort()}
  authkit-port: ${await freePort()}
  control-port: ${await freePort()}
public:
  url: https://${at("api")}:${port}
  site-url: https://${at("site")}:${port}
  authkit-url: https://${at("auth")}:${port}
  deployments-domain: ${at("deployments")}
hosts:
  deployment: ${at("api")}
  site: ${at("site")}
  authkit: ${at("auth")}
tls:
  by-proxy: true
proxies:
  trusted: [127.0.0.1]
drain:
  delay: 500ms
  time: 10s
`);
  for (const [i, kind] of proxies.entries()) {
    house.fronts.push(new Front(kind, { dir, address: `127.0.0.${i + 2}`, port, plainPort: await freePort(), house: `127.0.0.1:${house.port}`, names, pem: join(dir, "house.pem") }));
  }
  try {
    await Promise.all([house.start(), ...house.fronts.map((front) => front.start())]);
  } catch (error) {
    await tearDown(house);
    throw error;
  }
  return house;
}

export async function tearDown(house) {
  await house?.browser?.close();
  await Promise.all(house?.fronts.map((front) => front.stop()) ?? []);
  await house?.close();
  house?.folders.forEach(removeFolder);
}

export const scenarios = {
  "every name has its own answers, and http leads to https": async (house) => {
    const { url, siteUrl, authkitUrl, deployment, clientId } = house.info;
    await through(house, async ({ address, plainPort }) => {
      same((await ask(house, `${url}/instance_name`, { address })).text, deployment);
      contains((await ask(house, `${authkitUrl}/sso/jwks/${clientId}`, { address })).text, '"keys"');
      same((await ask(house, `${siteUrl}/x`, { address })).status, 404);
      same((await ask(house, `${url}/version`, { address })).headers["strict-transport-security"], "max-age=15552000");
      const moved = await ask(house, `http://${at("api")}:${plainPort}/instance_name?x=1`, { address });
      same(moved.status, 308);
      holds(/^https:\/\/api\.house\.example(:\d+)?\/instance_name\?x=1$/.test(moved.headers.location), moved.headers.location);
      // What a browser agrees on: HTTP/2.
      const socket = connectTLS({ host: address, port: new URL(url).port, servername: at("api"), ca: house.tls.certificate, ALPNProtocols: ["h2", "http/1.1"] });
      await new Promise((done, fail) => socket.once("secureConnect", done).once("error", fail));
      same(socket.alpnProtocol, "h2");
      socket.destroy();
    });
  },

  "the official CLI pushes through each, and a further deployment has its names": async (house) => {
    const dir = scratchApp(join(root, "conformance", "apps", "production"), join(root, "conformance", "node_modules"));
    house.folders.push(dir);
    house.app = dir;
    write(join(dir, "convex/numbers.ts"), functions);
    write(join(dir, "convex/http.ts"), http);
    write(join(dir, "convex/schema.ts"), readFileSync(join(dir, "convex/schema.ts"), "utf8").replace("export default defineSchema({", "export default defineSchema({\n  numbers: defineTable({ by: v.string(), n: v.number() }),"));
    for (const { address } of house.fronts) {
      await cli(house, domain, dir, ["dev", "--once", "--typecheck", "disable"], address);
      write(join(dir, `convex/by${address.replaceAll(".", "_")}.ts`), "export {};\n");
    }
    const made = spawnSync(binary, ["deployments", "create", "--data", join(house.dir, "data"), "--json"], { encoding: "utf8", env: { ...process.env, NO_COLOR: "1" } });
    same(made.status, 0, made.stderr);
    const { name } = JSON.parse(made.stdout);
    const { port } = new URL(house.info.url);
    await through(house, async ({ address }) => {
      same((await ask(house, `https://${name}.${at("deployments")}:${port}/instance_name`, { address })).text, name);
      same((await ask(house, `https://${name}.site.${at("deployments")}:${port}/x`, { address })).status, 404);
      same((await ask(house, `https://no-such-1.${at("deployments")}:${port}/instance_name`, { address })).status, 421);
    });
  },

  "the house learns who asks and for what, and strangers cannot say so themselves": async (house) => {
    const { siteUrl } = house.info;
    await through(house, async ({ address }) => {
      const forged = { "X-Forwarded-For": "198.51.100.7", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "http", Forwarded: "for=198.51.100.7;host=evil.example;proto=http" };
      const seen = JSON.parse((await ask(house, `${siteUrl}/seen?a=b`, { address, from: "127.0.0.42", headers: forged })).text);
      same([seen.url, seen.forwarded], [`${siteUrl}/seen?a=b`, null]);
      holds(seen.from.endsWith("127.0.0.42"), seen.from);
      same(await whoAsks(house, address, forged), ["127.0.0.42", "127.0.0.42"]);
    });
  },

  "answers stream, and large bodies go both ways": async (house) => {
    const bytes = randomBytes(12 << 20);
    await through(house, async ({ address, kind }) => {
      const c = client(house, address);
      let n = 0;
      const arrived = () => c.mutation(api.numbers.add, { by: `/drops/${kind}`, n: n++ });
      const drops = await ask(house, `${house.info.siteUrl}/drops/${kind}`, { address, onChunk: arrived });
      same([drops.text, n], ["one\ntwo\nthree\n", 3], "text and pieces");
      const place = await c.mutation(api.numbers.place, {});
      const stored = await ask(house, place, { address, method: "POST", headers: { "Content-Type": "application/x-bytes" }, body: bytes });
      same(stored.status, 200, stored.text);
      const link = await c.query(api.numbers.file, { id: JSON.parse(stored.text).storageId });
      contains(link, house.info.url);
      const back = await ask(house, link, { address, headers: { Range: "bytes=0-99" } });
      same([back.status, back.headers["content-range"]], [206, `bytes 0-99/${bytes.length}`]);
      same((await ask(house, link, { address })).headers.digest ?? `sha-256=${Buffer.from(sum(bytes), "hex").toString("base64")}`, `sha-256=${Buffer.from(sum(bytes), "hex").toString("base64")}`);
      same((await ask(house, `${house.info.siteUrl}/size`, { address, method: "POST", body: bytes })).text, String(bytes.length));
      await c.close();
    });
  },

  "a restart of the house under clients that write through each loses nothing and repeats nothing": async (house) => {
    let stop = false;
    const failures = [];
    const writers = house.fronts.map(({ kind, address }) => {
      const c = client(house, address);
      const writer = { kind, c, sent: 0, acknowledged: 0, posted: 0, shown: [] };
      c.onUpdate(api.numbers.all, { by: kind }, (value) => (writer.shown = value), (error) => failures.push(`${kind}: ${error}`));
      writer.done = (async () => {
        while (!stop) {
          await c.mutation(api.numbers.add, { by: kind, n: writer.sent++ }).then(() => writer.acknowledged++, (error) => failures.push(`${kind}: ${error}`));
        }
      })();
      // Those who come by HTTP alone wait while nobody is there.
      writer.posting = (async () => {
        while (!stop) {
          const answer = await ask(house, `${house.info.siteUrl}/add`, { address, method: "POST", body: JSON.stringify({ by: `${kind} by http`, n: writer.posted++ }) }).catch((error) => ({ status: String(error) }));
          if (answer.status !== 200) {
            failures.push(`${kind} by http: ${answer.status} ${answer.text}`);
          }
          await sleep(20);
        }
      })();
      return writer;
    });
    await until("some mutations", () => writers.every(({ acknowledged, posted }) => acknowledged > 5 && posted > 5));
    const slow = writers.map(({ c }) => c.action(api.numbers.slow, {})); // which no client can send again
    const then = writers.map(({ acknowledged }) => acknowledged);
    await until("mutations after the actions", () => writers.every(({ acknowledged }, i) => acknowledged > then[i] + 1)); // so these are there, too
    same(await house.stop(), 0);
    same(await Promise.all(slow), proxies.map(() => "done"));
    const before = writers.map(({ acknowledged }) => acknowledged);
    await house.start();
    await until("the clients are back", () => writers.every(({ acknowledged }, i) => acknowledged > before[i] + 5));
    stop = true;
    await Promise.all(writers.flatMap(({ done, posting }) => [done, posting]));
    same(failures, []);
    for (const { kind, c, sent, posted, shown, ...writer } of writers) {
      await until(`the live query through ${kind}`, () => writers.find((w) => w.kind === kind).shown.length === sent);
      same([...writers.find((w) => w.kind === kind).shown].sort((a, b) => a - b), Array.from({ length: sent }, (_, i) => i));
      const byHTTP = await c.query(api.numbers.all, { by: `${kind} by http` });
      same([...byHTTP].sort((a, b) => a - b), Array.from({ length: posted }, (_, i) => i));
      await c.close();
    }
  },

  "a reload of the proxy disturbs nobody for long": async (house) => {
    await through(house, async (front) => {
      const { address, kind } = front;
      const c = client(house, address);
      let shown;
      c.onUpdate(api.numbers.all, { by: "reload" }, (value) => (shown = value));
      await until("a live query", () => shown !== undefined);
      front.reload();
      for (let n = 0; n < 20; n++) {
        same((await ask(house, `${house.info.url}/instance_name`, { address })).status, 200);
        await c.mutation(api.numbers.add, { by: `reload ${kind}`, n });
      }
      same((await c.query(api.numbers.all, { by: `reload ${kind}` })).length, 20);
      if (kind !== "caddy") { // which cuts them, and clients come back
        same(c.connectionState().connectionRetries, 0);
      }
      await c.close();
    });
  },

  "a proxy that passes TLS on tells who asks by the PROXY protocol": async (house) => {
    const dir = mkdtempSync(join(tmpdir(), "lentil-through-"));
    house.folders.push(dir);
    const port = await freePort();
    const through = new Served(dir);
    through.tls = house.tls;
    const [secure, plain, plainPort] = [await freePort(), await freePort(), await freePort()];
    writeFileSync(join(dir, "house.pem"), house.tls.certificate + house.tls.key, { mode: 0o600 });
    writeFileSync(join(dir, "lentil.yaml"), `
data: \${LENTIL_WHERE}/data
listen: { host: 127.0.0.1, https-port: ${secure}, http-port: ${plain}, port: ${await freePort()}, site-port: ${await freePort()}, authkit-port: ${await freePort()}, control-port: ${await freePort()} }
public: { url: "https://${at("api")}:${port}", site-url: "https://${at("site")}:${port}", authkit-url: "https://${at("auth")}:${port}" }
hosts: { deployment: ${at("api")}, site: ${at("site")}, authkit: ${at("auth")} }
tls: { certificate: "\${LENTIL_WHERE}/house.pem" }
proxies: { trusted: 127.0.0.1, protocol: true }
`);
    const front = new Front("haproxy-tls-through", { dir, address: "127.0.0.5", port, plainPort, house: `127.0.0.1:${secure}`, plainHouse: `127.0.0.1:${plain}` });
    try {
      await through.start();
      await front.start();
      const { address } = front;
      const { url, deployment } = through.info;
      same((await ask(through, `${url}/instance_name`, { address })).text, deployment);
      const moved = await ask(through, `http://${at("api")}:${plainPort}/a`, { address });
      same([moved.status, moved.headers.location], [308, `${url}/a`]);
      await cli(through, domain, house.app, ["dev", "--once", "--typecheck", "disable"], address);
      same(await whoAsks(through, address, { "X-Forwarded-For": "198.51.100.7" }), ["127.0.0.42", "127.0.0.42"]);
    } finally {
      await front.stop();
      await through.close();
    }
  },
};
