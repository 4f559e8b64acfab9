// Many deployments in one house: development, production and a preview, each with its own data, keys, people and addresses.
import { ConvexClient, ConvexHttpClient } from "convex/browser";
import { anyApi as api, makeFunctionReference } from "convex/server";
import { execFile } from "node:child_process";
import { request } from "node:http";
import { createRequire } from "node:module";
import { join } from "node:path";
import { promisify } from "node:util";
import WebSocket from "ws";
import { contains, fails, holds, lacks, same } from "../lib/check.mjs";
import { binary, Lentil, portFlags, removeFolder, root, scratchApp, until } from "../lib/lentil.mjs";
import { outside } from "../lib/outside.mjs";

/** The domain of the last scenario. */
const domain = "fleet.example";

/** Long enough for a push between two calls, short enough to see a deployment close. */
const idle = "1s";

export async function setUp() {
  const dir = scratchApp(join(root, "conformance", "apps", "fleet"), join(root, "conformance", "node_modules"));
  const lentil = await new Lentil(dir, [...(await portFlags()), "--deployment-idle", idle]).start();
  const world = { lentil, log: "" };
  world.dev = { name: lentil.info.deployment, url: lentil.info.url, siteUrl: lentil.info.siteUrl, key: lentil.info.adminKey, clientId: lentil.info.clientId, apiKey: lentil.info.apiKey };
  world.prod = await create(world, "--type", "prod");
  world.preview = await create(world, "--type", "preview", "--reference", "preview/login");
  world.all = [world.dev, world.prod, world.preview];
  for (const place of world.all) {
    await push(world, place);
  }
  return world;
}

export async function tearDown(world) {
  await world?.lentil.stop();
  world && removeFolder(world.lentil.dir);
}

/** Runs a command of ours about the house. */
const ours = async (world, ...args) => (await promisify(execFile)(binary, [...args, "--dir", world.lentil.dir])).stdout;

/** Makes a deployment, with a deploy key. */
async function create(world, ...args) {
  const made = JSON.parse(await ours(world, "deployments", "create", "--json", ...args));
  const { key } = JSON.parse(await ours(world, "deployments", "key", made.name, "--json"));
  const answer = await fetch(`${made.url}/api/v1/list_environment_variables`, { headers: { authorization: `Convex ${key}` } });
  const variables = (await answer.json()).environmentVariables;
  return { ...made, key, apiKey: variables.WORKOS_API_KEY, variables };
}

/** Asks the management API. */
async function control(world, path, token, body) {
  const answer = await fetch(world.lentil.info.controlUrl + path, { method: "POST", headers: { authorization: `Bearer ${token}`, "content-type": "application/json" }, body: JSON.stringify(body) });
  const text = await answer.text();
  holds(answer.ok, `${path}: ${answer.status} ${text}`);
  return JSON.parse(text);
}

/** Runs the official CLI for a deployment, with its deploy key. */
const push = (world, place, args = ["dev", "--once", "--typecheck", "disable", "--codegen", "enable"], options = {}) =>
  world.lentil.cli(args, { env: { CONVEX_SELF_HOSTED_URL: place.url, CONVEX_SELF_HOSTED_ADMIN_KEY: place.key }, ...options });

const http = (place) => new ConvexHttpClient(place.url, { logger: false });

/** A request to an address under another host name. */
const under = (host, url, options = {}) =>
  new Promise((done, fail) => {
    const at = new URL(url);
    const out = request({ host: at.hostname, port: at.port, path: at.pathname, method: options.method ?? "GET", headers: { ...options.headers, host: `${host}:${at.port}` } }, (answer) => {
      let text = "";
      answer.on("data", (chunk) => (text += chunk));
      answer.on("end", () => done({ status: answer.statusCode, text }));
    });
    out.on("error", fail);
    out.end(options.body);
  });

const states = async (world) => Object.fromEntries(JSON.parse(await ours(world, "deployments", "--json")).map((d) => [d.name, d.state]));

/** Signs somebody up in a deployment's environment, and gives id and access token. */
async function person(world, place, email) {
  const at = world.lentil.info.authkitUrl;
  const headers = { authorization: `Bearer ${place.apiKey}`, "content-type": "application/json" };
  const password = "correct horse battery staple";
  const made = await (await fetch(`${at}/user_management/users`, { method: "POST", headers, body: JSON.stringify({ email, password, email_verified: true }) })).json();
  const grant = { client_id: place.clientId, client_secret: place.apiKey, grant_type: "password", email, password };
  const got = await (await fetch(`${at}/user_management/authenticate`, { method: "POST", headers, body: JSON.stringify(grant) })).json();
  holds(got.access_token, `no token: ${JSON.stringify(got)}`);
  return { id: made.id, token: got.access_token };
}

const codeOf = async (answer) => [answer.status, (await answer.json()).code];

export const scenarios = {
  "each has data of its own, live": async (world) => {
    const seen = new Map();
    const clients = world.all.map((place) => {
      const client = new ConvexClient(place.url, { webSocketConstructor: WebSocket, logger: false });
      client.onUpdate(api.notes.list, {}, (list) => seen.set(place.name, list));
      return client;
    });
    try {
      await until("three first results", () => seen.size === 3);
      for (const [i, place] of world.all.entries()) {
        await clients[i].mutation(api.notes.add, { text: `of ${place.name}` });
        await until("its own note", () => seen.get(place.name).length === 1);
      }
      for (const place of world.all) {
        same(seen.get(place.name), [`of ${place.name}`]);
      }
    } finally {
      await Promise.all(clients.map((client) => client.close()));
    }
    const error = await fails(() => http({ url: world.prod.url }).query(api.notes.nothing, {}), "a function that is not there");
    contains(error.message, "Could not find public function");
  },

  "each has addresses of its own: functions, HTTP actions, files": async (world) => {
    holds(new Set(world.all.flatMap((p) => [p.url, p.siteUrl])).size === 6, "six addresses");
    for (const place of world.all) {
      same((await http(place).query(api.notes.place, {})).slice(0, 2), [place.url, place.siteUrl]);
      same(await (await fetch(`${place.siteUrl}/note`, { method: "POST", body: "by an HTTP action" })).text(), place.siteUrl);
      const upload = await http(place).mutation(api.notes.uploadUrl, {});
      holds(upload.startsWith(place.url), upload);
      const { storageId } = await (await fetch(upload, { method: "POST", body: place.name })).json();
      const url = await http(place).query(api.notes.fileUrl, { id: storageId });
      holds(url.startsWith(place.url), url);
      same(await (await fetch(url)).text(), place.name);
      // The same file is not found elsewhere.
      for (const other of world.all.filter((o) => o !== place)) {
        holds((await fetch(url.replace(place.url, other.url))).status >= 400, `${other.name} gives a file of ${place.name}`);
      }
    }
  },

  "the house's own address answers to their names": async (world) => {
    const { url, siteUrl } = world.lentil.info;
    for (const place of [world.prod, world.preview]) {
      same((await under(`${place.name}.localhost`, `${url}/instance_name`)).text, place.name);
      same((await under(`${place.name}.site.localhost`, `${url}/note`, { method: "POST", body: "by name" })).text, place.siteUrl);
      same((await under(`${place.name}.localhost`, `${siteUrl}/note`, { method: "POST", body: "by name" })).text, place.siteUrl);
    }
    same((await under("localhost", `${url}/instance_name`)).text, world.dev.name);
    const nobody = await under("nobody-here-1.localhost", `${url}/instance_name`);
    same([nobody.status, JSON.parse(nobody.text).code], [404, "DeploymentNotFound"]);
  },

  "keys open their own deployment and no other, until they are revoked": async (world) => {
    const ask = (place, key) => fetch(`${place.url}/api/v1/list_environment_variables`, { headers: { authorization: `Convex ${key}` } });
    for (const place of world.all) {
      for (const other of world.all) {
        const answer = await ask(place, other.key);
        same(answer.status, place === other ? 200 : 401, `the key of ${other.name} at ${place.name}`);
      }
    }
    const refused = await push(world, { url: world.prod.url, key: world.dev.key }, ["env", "list"], { allowFailure: true });
    holds(refused.code !== 0, "the CLI with another deployment's key");
    contains(refused.stderr, "admin key");
    const { id, key } = JSON.parse(await ours(world, "deployments", "key", world.prod.name, "--json"));
    const client = new ConvexClient(world.prod.url, { webSocketConstructor: WebSocket, logger: false });
    try {
      client.client.setAdminAuth(key);
      let place;
      client.onUpdate(makeFunctionReference("_system/cli/convexUrl:cloudUrl"), {}, (url) => (place = url));
      await until("what only an admin sees", () => place === world.prod.url);
      // One key cannot revoke another; it can give itself up, as the CLI does with the one it was given.
      const gone = `/v1/deployments/${world.prod.name}/delete_deploy_key`;
      await control(world, gone, world.prod.key, { id }).then(() => holds(false, "a key revoked another"), (error) => contains(error.message, "404"));
      await control(world, gone, key, { id });
      same((await ask(world.prod, key)).status, 401);
      await until("the socket is closed", () => !client.connectionState().isWebSocketConnected || client.connectionState().connectionCount > 1);
    } finally {
      await client.close();
    }
  },

  "each has people of its own; environments of production and development are kept apart": async (world) => {
    same([world.prod, world.preview].map((p) => p.apiKey.slice(0, 8)), ["sk_live_", "sk_test_"]);
    same([world.prod, world.preview].map((p) => p.variables.WORKOS_CLIENT_ID), [world.prod.clientId, world.preview.clientId]);
    const [devClient, prodClient, previewClient] = await Promise.all(world.all.map(async (p) => (await http(p).query(api.notes.place, {}))[2]));
    same([devClient, prodClient], [world.dev.clientId, world.prod.clientId]);
    holds(previewClient && new Set([devClient, prodClient, previewClient]).size === 3, "three client ids");
    const ada = await person(world, world.dev, "ada@example.com");
    const bob = await person(world, world.prod, "ada@example.com");
    holds(ada.id !== bob.id, "one person in two environments");
    const asks = async (place, token) => {
      const client = http(place);
      client.setAuth(token);
      return await client.query(api.notes.whoami, {}).catch((error) => error.message);
    };
    same([await asks(world.dev, ada.token), await asks(world.prod, bob.token)], [ada.id, bob.id]);
    contains(await asks(world.prod, ada.token), "No auth provider found matching the given token");
    contains(await asks(world.dev, bob.token), "No auth provider found matching the given token");
    const shared = await push(world, world.prod, ["env", "set", "WORKOS_CLIENT_ID", world.dev.clientId], { allowFailure: true });
    holds(shared.code !== 0, "production was given the environment of development");
    contains(shared.stderr, `is of the WorkOS environment of ${world.dev.name}`);
    contains(shared.stderr, "LENTIL_ALLOW_SHARED_ENVIRONMENT");
    same((await http(world.prod).query(api.notes.place, {}))[2], world.prod.clientId);
  },

  "what nobody uses is closed, opened again unnoticed, and woken by its jobs": async (world) => {
    const { prod, preview } = world;
    const watching = new ConvexClient(preview.url, { webSocketConstructor: WebSocket, logger: false });
    // Jobs wait here until they may go on.
    const waiting = [];
    const release = () => waiting.splice(0).forEach((answer) => answer.end());
    const service = await outside((_, answer) => waiting.push(answer));
    try {
      let list = [];
      watching.onUpdate(api.notes.list, {}, (l) => (list = l));
      await until("the first result", () => list.length > 0);
      // A job that comes before the deployment was seen closed on a busy machine is followed by one that comes later.
      for (let ms = 4000, closed = false; !closed; ms *= 2) {
        release();
        await http(prod).mutation(api.notes.later, { text: `by a job after ${ms} ms`, url: service.url, ms });
        await until("production is closed", async () => (closed = (await states(world))[prod.name] === "closed") || waiting.length > 0);
      }
      same((await states(world))[preview.name], "open", "what has a socket");
      await until("the job to wake it", () => waiting.length > 0);
      same((await states(world))[prod.name], "open", "what has a job");
      release();
      await until("the job has run", async () => (await http(prod).query(api.notes.list, {})).some((text) => text.startsWith("by a job")));
      await until("production is closed again", async () => (await states(world))[prod.name] === "closed");
      contains(await http(prod).query(api.notes.list, {}), `of ${prod.name}`);
      await watching.mutation(api.notes.add, { text: "still here" });
      await until("the live query goes on", () => list.includes("still here"));
    } finally {
      release();
      await watching.close();
      await service.close();
    }
  },

  "a crowd at one does not hold up the others": async (world) => {
    // Whether this process itself was held up, nobody can tell: of three tries one has to go well.
    const tries = [];
    while (tries.length < 3 && !tries.some((before) => before < 80)) {
      let done = 0;
      const crowd = Array.from({ length: 80 }, (_, n) => http(world.preview).query(api.notes.spin, { turns: 5_000_000, n: 80 * tries.length + n }).then(() => done++));
      await until("the crowd is being served", () => done > 0);
      await http(world.prod).query(api.notes.spin, { turns: 1, n: tries.length });
      tries.push(done);
      await Promise.all(crowd);
    }
    holds(tries.some((before) => before < 80), `the other waited for the whole crowd, ${tries.length} times`);
  },

  "all is there after a crash": async (world) => {
    await http(world.preview).mutation(api.notes.add, { text: "before the crash" });
    await world.lentil.crashAndRestart();
    for (const place of world.all) {
      contains(await http(place).query(api.notes.list, {}), `of ${place.name}`);
    }
    contains(await http(world.preview).query(api.notes.list, {}), "before the crash");
    same((await fetch(`${world.prod.url}/api/v1/list_environment_variables`, { headers: { authorization: `Convex ${world.prod.key}` } })).status, 200);
  },

  "a deleted deployment is gone with its people, keys and address": async (world) => {
    const { preview } = world;
    const refused = await promisify(execFile)(binary, ["deployments", "delete", world.dev.name, "--yes", "--dir", world.lentil.dir]).catch((error) => error);
    contains(refused.stderr, "cannot be deleted");
    const client = new ConvexClient(preview.url, { webSocketConstructor: WebSocket, logger: false });
    try {
      let list;
      client.onUpdate(api.notes.list, {}, (l) => (list = l));
      await until("the first result", () => list);
      await ours(world, "deployments", "delete", preview.name, "--yes");
      await until("its socket is closed", () => !client.connectionState().isWebSocketConnected);
    } finally {
      await client.close();
    }
    await fails(() => fetch(`${preview.url}/version`), "a request to its port");
    const byName = await under(`${preview.name}.localhost`, `${world.lentil.info.url}/version`);
    same(byName.status, 404);
    lacks(JSON.stringify(await states(world)), preview.name);
    const key = await fetch(`${world.lentil.info.controlUrl}/v1/token_details`, { headers: { authorization: `Bearer ${preview.key}` } });
    same((await codeOf(key))[0], 401);
  },

  "in a domain, one listener answers to every name": async (world) => {
    const { lentil, prod } = world;
    await lentil.stop();
    const port = new URL(lentil.info.url).port;
    const names = { NAMES_OF_THIS_MACHINE: domain, NODE_OPTIONS: `--require ${join(root, "conformance", "lib", "names.cjs")}` };
    Object.assign(process.env, { NAMES_OF_THIS_MACHINE: domain });
    createRequire(import.meta.url)("../lib/names.cjs");
    lentil.flags.push("--deployments-domain", domain, "--url", `http://home.${domain}:${port}`);
    await lentil.start();
    const there = JSON.parse(await ours(world, "deployments", "--json")).find((d) => d.name === prod.name);
    same([there.url, there.siteUrl], [`http://${prod.name}.${domain}:${port}`, `http://${prod.name}.site.${domain}:${port}`]);
    const place = { ...prod, ...there };
    const told = await push(world, place, ["run", "notes:place"], { env: { ...names, CONVEX_SELF_HOSTED_URL: place.url, CONVEX_SELF_HOSTED_ADMIN_KEY: place.key } });
    same(JSON.parse(told.stdout).slice(0, 2), [place.url, place.siteUrl]);
    const client = new ConvexClient(place.url, { webSocketConstructor: WebSocket, logger: false });
    try {
      let list = [];
      client.onUpdate(api.notes.list, {}, (l) => (list = l));
      await until("what it had before", () => list.includes(`of ${prod.name}`));
      same(await (await fetch(`${place.siteUrl}/note`, { method: "POST", body: "by its name" })).text(), place.siteUrl);
      await until("the change", () => list.includes("by its name"));
    } finally {
      await client.close();
    }
    const upload = await http(place).mutation(api.notes.uploadUrl, {});
    holds(upload.startsWith(place.url), upload);
    const made = await create(world, "--type", "custom");
    same(made.url, `http://${made.name}.${domain}:${port}`);
    same(await (await fetch(`http://home.${domain}:${port}/instance_name`)).text(), world.dev.name);
    same(await codeOf(await fetch(`http://nobody-here-1.${domain}:${port}/version`)), [404, "DeploymentNotFound"]);
  },
};
