// `lentil serve --config`: several host names on one port over TLS, a browser and the official clients through it,
// a drain and a restart under them, and files that are wrong.
import { anyApi as api } from "convex/server";
import { spawnSync } from "node:child_process";
import { createReadStream, existsSync, mkdtempSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { chromium } from "playwright-core";
import { reactExample } from "../lib/app.mjs";
import { enterPassword, newPerson } from "../lib/browser.mjs";
import { issue } from "../lib/certificate.mjs";
import { contains, holds, same } from "../lib/check.mjs";
import { binary, freePort, removeFolder, root, scratchApp, until, write } from "../lib/lentil.mjs";
import { ask, cli, client, Served } from "../lib/served.mjs";

const domain = "house.example";
const at = (name) => `${name}.${domain}`;
const password = "correct horse battery staple";
const functions = `
import { action, mutation, query } from "./_generated/server";
import { v } from "convex/values";
export const add = mutation({ args: { n: v.number() }, handler: async (ctx, { n }) => { await ctx.db.insert("numbers", { n }); } });
export const slow = action({ args: {}, handler: async () => { await new Promise((done) => setTimeout(done, 3000)); return "done"; } });
export const all = query({ args: {}, handler: async (ctx) => (await ctx.db.query("numbers").collect()).map((row) => row.n) });
`;
const http = `
import { httpRouter } from "convex/server";
import { httpAction } from "./_generated/server";
const router = httpRouter();
router.route({ path: "/seen", method: "GET", handler: httpAction(async (_, request) => new Response(request.url)) });
export default router;
`;

const asServer = (house) => ({ Authorization: `Bearer ${house.info.apiKey}`, "Content-Type": "application/json" });
const post = async (house, path, body) => {
  const answer = await ask(house, house.info.authkitUrl + path, { method: "POST", headers: asServer(house), body: JSON.stringify(body) });
  holds(answer.status < 300, `${path}: ${answer.status} ${answer.text}`);
  return JSON.parse(answer.text);
};

/** The built app at a name of its own, over TLS. */
async function serveApp(house, dist, port) {
  const kinds = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };
  const server = createServer({ cert: house.tls.certificate, key: house.tls.key }, (q, w) => {
    const path = join(dist, new URL(q.url, "https://x").pathname);
    const file = existsSync(path) && statSync(path).isFile() ? path : join(dist, "index.html");
    w.setHeader("Content-Type", kinds[extname(file)] ?? "application/octet-stream");
    createReadStream(file).pipe(w);
  });
  await new Promise((done) => server.listen(port, "127.0.0.1", done));
  house.app.server = server;
}

export async function setUp() {
  const dir = mkdtempSync(join(tmpdir(), "lentil-serve-"));
  const house = new Served(dir);
  house.folders = [dir];
  house.tls = issue(["app", "api", "site", "auth", "dash", "*.deployments", "*.site.deployments"].map(at));
  writeFileSync(join(dir, "house.pem"), house.tls.certificate + house.tls.key, { mode: 0o600 });
  house.plainPort = await freePort();
  house.settings = `
data: \${LENTIL_WHERE}/data
deployment: happy-otter-91
listen:
  host: 127.0.0.1
  https-port: ${await freePort()}
  http-port: ${house.plainPort}
  port: ${await freePort()}
  site-port: ${await freePort()}
  authkit-port: ${await freePort()}
  control-port: ${await freePort()}
public:
  deployments-domain: ${at("deployments")}
hosts:
  deployment: ${at("api")}
  site: ${at("site")}
  authkit: ${at("auth")}
  control: ${at("dash")}
tls:
  certificate: \${LENTIL_WHERE}/house.pem
  hsts: 7d
drain:
  delay: 3s
  time: 10s
`;
  writeFileSync(join(dir, "lentil.yaml"), house.settings);
  await house.start();
  return house;
}

export async function tearDown(house) {
  await house?.browser?.close();
  house?.app?.server.closeAllConnections();
  house?.app?.server.close();
  await house?.stop("SIGKILL"); // without another delay
  house?.folders.forEach(removeFolder);
}

export const scenarios = {
  "every name has its own answers on the one port, others none": async (house) => {
    const { url, siteUrl, authkitUrl, deployment, clientId } = house.info;
    same([url, siteUrl, authkitUrl].map((u) => new URL(u).hostname), ["api", "site", "auth"].map(at));
    same(new Set([url, siteUrl, authkitUrl].map((u) => new URL(u).port)).size, 1);
    same((await ask(house, `${url}/instance_name`)).text, deployment);
    contains((await ask(house, `${authkitUrl}/sso/jwks/${clientId}`)).text, '"keys"');
    same((await ask(house, `${siteUrl}/x`)).status, 404);
    same((await ask(house, `${url}/ready`)).status, 200);
    const stranger = await ask(house, `${url}/instance_name`, { name: `other.${domain}`, headers: {} }).catch((error) => error);
    contains(String(stranger.message), "does not match certificate's altnames");
    const plain = `http://${at("api")}:${house.plainPort}/instance_name?x=1`;
    const moved = await ask(house, plain);
    same([moved.status, moved.headers.location], [308, `${url}/instance_name?x=1`]);
    const misdirected = await ask(house, plain, { headers: { Host: "evil.example" } });
    same(misdirected.status, 421);
    contains(misdirected.text, 'does not answer to the host name "evil.example"');
    same((await ask(house, `${url}/version`)).headers["strict-transport-security"], "max-age=604800");
  },

  "the official CLI pushes to the name; HTTP actions see the address that was asked for": async (house) => {
    const dir = scratchApp(join(root, "conformance", "apps", "production"), join(root, "conformance", "node_modules"));
    house.folders.push(dir);
    house.app1 = dir;
    write(join(dir, "convex/numbers.ts"), functions);
    write(join(dir, "convex/http.ts"), http);
    write(join(dir, "convex/schema.ts"), readFileSync(join(dir, "convex/schema.ts"), "utf8").replace("export default defineSchema({", "export default defineSchema({\n  numbers: defineTable({ n: v.number() }),"));
    await cli(house, domain, dir, ["dev", "--once", "--typecheck", "disable"]);
    same((await ask(house, `${house.info.siteUrl}/seen?a=b`)).text, `${house.info.siteUrl}/seen?a=b`);
    // What a client says of itself is not believed: no proxy is trusted here.
    const forged = await ask(house, `${house.info.siteUrl}/seen`, { headers: { "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "http", Forwarded: "host=evil.example" } });
    same(forged.text, `${house.info.siteUrl}/seen`);
  },

  "a restart under the official client loses nothing and repeats nothing": async (house) => {
    const c = client(house);
    let shown = [];
    const failures = [];
    c.onUpdate(api.numbers.all, {}, (value) => (shown = value), (error) => failures.push(error));
    let sent = 0, acknowledged = 0, stop = false;
    const writer = (async () => {
      while (!stop) {
        const n = sent++;
        await c.mutation(api.numbers.add, { n }).then(() => acknowledged++, (error) => failures.push(error));
      }
    })();
    await until("some mutations", () => acknowledged > 5);
    const slow = c.action(api.numbers.slow, {}); // which no client can send again
    const then = acknowledged;
    await until("a mutation after the action", () => acknowledged > then + 1); // so that is there, too
    const going = house.stop("SIGTERM");
    // Not ready at once, and yet answering for as long as drain.delay says.
    const both = () => Promise.all(["ready", "health"].map(async (path) => (await ask(house, `${house.info.url}/${path}`)).status));
    await until("the announcement", async () => String(await both()) === "503,200");
    same(await slow, "done");
    same(await going, 0);
    const before = acknowledged;
    await house.start();
    await until("the client is back", () => acknowledged > before + 5);
    stop = true;
    await writer;
    same(failures.map(String), []);
    await until("the live query to catch up", () => shown.length === sent);
    same([...shown].sort((a, b) => a - b), Array.from({ length: sent }, (_, i) => i));
    await c.close();
  },

  "a further deployment has names of its own on the same port": async (house) => {
    const made = spawnSync(binary, ["deployments", "create", "--data", join(house.dir, "data"), "--json"], { encoding: "utf8", env: { ...process.env, NO_COLOR: "1" } });
    same(made.status, 0, made.stderr);
    const second = JSON.parse(made.stdout);
    const port = new URL(house.info.url).port;
    same((await ask(house, `https://${second.name}.${at("deployments")}:${port}/instance_name`)).text, second.name);
    same((await ask(house, `https://${second.name}.site.${at("deployments")}:${port}/x`)).status, 404);
    same((await ask(house, `https://no-such-1.${at("deployments")}:${port}/instance_name`)).status, 421);
  },

  "people sign in through it in a browser, and a restart signs nobody out": async (house) => {
    const dir = scratchApp(reactExample);
    house.folders.push(dir);
    await cli(house, domain, dir, ["dev", "--once", "--typecheck", "disable"]);
    const port = await freePort();
    house.app = { url: `https://${at("app")}:${port}` };
    const auth = new URL(house.info.authkitUrl);
    write(join(dir, ".env.local"), `VITE_CONVEX_URL=${house.info.url}
VITE_WORKOS_CLIENT_ID=${house.info.clientId}
VITE_WORKOS_REDIRECT_URI=${house.app.url}/callback
VITE_WORKOS_API_HOSTNAME=${auth.hostname}
VITE_WORKOS_API_PORT=${auth.port}
`);
    const built = spawnSync(process.execPath, [join(dir, "node_modules/vite/bin/vite.js"), "build"], { cwd: dir, encoding: "utf8" });
    same(built.status, 0, built.stderr);
    await serveApp(house, join(dir, "dist"), port);
    await post(house, "/user_management/redirect_uris", { uri: `${house.app.url}/callback` });
    await post(house, "/user_management/cors_origins", { origin: house.app.url });
    await post(house, "/user_management/users", { email: "ada@example.com", password, email_verified: true });

    house.browser = await chromium.launch({
      executablePath: [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((path) => path && existsSync(path)),
      args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", `--host-resolver-rules=MAP *.${domain} 127.0.0.1`, `--ignore-certificate-errors-spki-list=${house.tls.keyHash}`],
    });
    const ada = await newPerson(house.browser);
    const page = await ada.newPage();
    await page.goto(house.app.url);
    await page.getByRole("button", { name: "Sign in" }).click();
    await enterPassword(page, "ada@example.com", password);
    await page.getByPlaceholder("Suggest a soup").fill("Soup over TLS");
    await page.getByRole("button", { name: "Suggest" }).click();
    await page.getByText("Soup over TLS", { exact: true }).waitFor();
    const cookies = await ada.cookies();
    holds(cookies.length > 0 && cookies.every((cookie) => cookie.secure), JSON.stringify(cookies.map(({ name, secure }) => ({ name, secure }))));

    await house.stop();
    await house.start();
    await page.getByPlaceholder("Suggest a soup").fill("Soup after a restart");
    await page.getByRole("button", { name: "Suggest" }).click();
    await page.getByText("Soup after a restart", { exact: true }).waitFor();
    await page.reload();
    await page.getByText("Soup after a restart", { exact: true }).waitFor();
    same(await page.getByRole("button", { name: "Sign in" }).count(), 0);
    await ada.close();
  },

  "a new certificate is used without a restart": async (house) => {
    const socket = client(house);
    let shown;
    socket.onUpdate(api.board.list, {}, (value) => (shown = value));
    await until("a live query", () => shown !== undefined);
    const next = issue(["app", "api", "site", "auth", "dash", "*.deployments", "*.site.deployments"].map(at), { days: 60 });
    writeFileSync(join(house.dir, "house.pem"), next.certificate + next.key, { mode: 0o600 });
    house.kill("SIGHUP");
    const old = house.tls;
    house.tls = next;
    await until("the new certificate", async () => (await ask(house, `${house.info.url}/version`)).status === 200);
    same(socket.connectionState().isWebSocketConnected, true);
    same(socket.connectionState().connectionRetries, 0);
    await socket.close();
    const refused = await ask({ tls: old }, `${house.info.url}/version`).catch((error) => error);
    holds(refused instanceof Error, "the old certificate is not in use any more");
  },

  "status and metrics tell of names, certificates and what happened": async (house) => {
    const run = (...args) => spawnSync(binary, args, { encoding: "utf8", env: { ...process.env, NO_COLOR: "1", LENTIL_WHERE: house.dir } });
    const { status } = JSON.parse(run("status", "--data", join(house.dir, "data"), "--json").stdout);
    same(status.certificates[0].names.slice(0, 5), ["app", "api", "site", "auth", "dash"].map(at));
    const shared = status.listeners.find((listener) => listener.tls && listener.hosts);
    same(shared.hosts, ["api", "site", "auth", "dash"].map(at));
    contains(run("status", "--data", join(house.dir, "data")).stderr, "Certificate");
    const local = house.info.localControlUrl;
    const figures = await (await fetch(`${local}/metrics`)).text();
    for (const want of [`lentil_certificate_expiry_seconds{host="${at("api")}"`, `lentil_requests_total{deployment="${house.info.deployment}",front="functions"`, "lentil_ready 1"]) {
      contains(figures, want);
    }
    same((await ask(house, `https://${at("dash")}:${new URL(house.info.url).port}/metrics`)).status, 401);
    const printed = run("serve", "--config", join(house.dir, "lentil.yaml"), "--print-config", "--drain-time", "3s").stdout;
    contains(printed, "time: 3s");
    contains(printed, "# --drain-time");
    contains(printed, "# lentil.yaml:");
  },

  "files that are wrong are told in lines, and nothing starts": async (house) => {
    const run = (text, ...flags) => {
      const file = join(house.dir, "wrong.yaml");
      writeFileSync(file, text);
      const { status, stderr } = spawnSync(binary, ["serve", "--config", file, ...flags], { encoding: "utf8", env: { ...process.env, LENTIL_WHERE: house.dir, NO_COLOR: "1" } });
      return { status, stderr };
    };
    same(run(house.settings, "--check"), { status: 0, stderr: "note: mail.smtp is not set: mail stays in the house, and nobody gets a code or an invitation\nnote: the configuration is good; nothing was started\n" });
    for (const [change, said] of [
      [["drain:", "drian:"], "there is no setting drian; do you mean drain?"],
      [["hsts: 7d", "hsts: long"], "tls.hsts is a number of days"],
      [[`site: ${at("site")}`, `site: https://${at("site")}`], "name the host alone"],
      [[`  site: ${at("site")}\n`, ""], "hosts.site is missing"],
      [["/house.pem", "/nowhere.pem"], "cannot be read: no such file"],
      [["time: 10s", "time: soon"], '"soon" is not a duration'],
      [["${LENTIL_WHERE}/data", "${LENTIL_NOWHERE}/data"], 'the variable "LENTIL_NOWHERE" is not set'],
      [["tls:", "acme:\n  email: a@example.com\ntls:"], "set acme.accept-terms to true"],
    ]) {
      holds(house.settings.includes(change[0]), `the file has ${change[0]}`);
      const { status, stderr } = run(house.settings.replace(change[0], change[1]));
      holds(status > 0 && stderr.includes(said), `${change[1]}: ${status} ${stderr}`);
    }
  },
};
