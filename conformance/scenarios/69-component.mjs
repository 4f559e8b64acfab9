// The Convex component for AuthKit, unmodified, between the two halves of one house: webhooks and actions from the identity
// service to the deployment's site, and the component's own calls to https://api.workos.com from actions.
import { WorkOS } from "@workos-inc/node";
import { anyApi as api } from "convex/server";
import { ConvexHttpClient } from "convex/browser";
import { createServer } from "node:http";
import { join } from "node:path";
import { enterCode, enterPassword, newPerson, openBrowser } from "../lib/browser.mjs";
import { contains, fails, holds, same } from "../lib/check.mjs";
import { Lentil, portFlags, removeFolder, root, scratchApp, until } from "../lib/lentil.mjs";

const password = "correct horse battery staple";

export async function setUp() {
  const dir = scratchApp(join(root, "conformance", "apps", "roster"), join(root, "conformance", "node_modules"));
  const flags = await portFlags();
  const lentil = await new Lentil(dir, flags).start();
  lentil.workos = client(lentil);
  // There before the component hears of anybody: only a backfill finds this one.
  const [{ id }] = (await lentil.workos.webhooks.listWebhookEndpoints()).data;
  await lentil.workos.webhooks.updateWebhookEndpoint({ id, status: "disabled" });
  lentil.early = await lentil.workos.userManagement.createUser({ email: "early@example.test", emailVerified: true });
  await lentil.workos.webhooks.updateWebhookEndpoint({ id, status: "enabled" });
  await lentil.cli(["dev", "--once", "--typecheck", "enable"]);
  return lentil;
}

export async function tearDown(lentil) {
  await lentil?.stop();
  lentil && removeFolder(lentil.dir);
}

function client(lentil) {
  const url = new URL(lentil.info.authkitUrl);
  return new WorkOS(lentil.info.apiKey, { clientId: lentil.info.clientId, apiHostname: url.hostname, port: Number(url.port), https: false });
}

const http = (lentil, token) => {
  const c = new ConvexHttpClient(lentil.info.url, { logger: false });
  token && c.setAuth(token);
  return c;
};

/** Lentil's own calls, with the environment's key. */
export async function operator(lentil, method, path, body) {
  const answer = await fetch(lentil.info.authkitUrl + path, {
    method,
    headers: { Authorization: `Bearer ${lentil.info.apiKey}`, "Content-Type": "application/json" },
    body: body && JSON.stringify(body),
  });
  const text = await answer.text();
  holds(answer.ok, `${method} ${path}: ${answer.status} ${text}`);
  return text ? JSON.parse(text) : undefined;
}

const known = (lentil, id) => http(lentil).query(api.auth.known, { id });

export const scenarios = {
  "the endpoint, the actions and the secrets are there without a step of ours": async (lentil) => {
    const endpoints = (await lentil.workos.webhooks.listWebhookEndpoints()).data;
    same(endpoints.map((e) => [e.endpointUrl, e.status, e.events]), [[`${lentil.info.siteUrl}/workos/webhook`, "enabled", ["user.created", "user.deleted", "user.updated"]]]);
    const actions = (await operator(lentil, "GET", "/_lentil/v1/actions")).data;
    same(actions.map((a) => [a.kind, a.endpoint_url, a.enabled]), ["authentication", "user_registration"].map((kind) => [kind, `${lentil.info.siteUrl}/workos/action`, false]));
    const { stdout } = await lentil.cli(["env", "list"]);
    contains(stdout, `WORKOS_WEBHOOK_SECRET=${endpoints[0].secret}`);
    contains(stdout, `WORKOS_ACTION_SECRET=${actions[0].secret}`);
  },

  "users come, change and go by webhook, and the app's own table with them": async (lentil) => {
    const user = await lentil.workos.userManagement.createUser({ email: "ada@example.test", firstName: "Ada <&> \u2028 é", metadata: { shoe: "38" }, emailVerified: true });
    await until("Ada", () => known(lentil, user.id));
    await lentil.workos.userManagement.updateUser({ userId: user.id, email: "ada@lovelace.test" });
    await until("her new address", async () => (await known(lentil, user.id)) === "ada@lovelace.test");
    const row = (await http(lentil).query(api.auth.people, {})).find((p) => p.id === user.id);
    same([row.email, row.name], ["ada@lovelace.test", "Ada <&> \u2028 é"]);
    await lentil.workos.userManagement.deleteUser(user.id);
    await until("nobody", async () => (await known(lentil, user.id)) === null);
    const log = async () => (await operator(lentil, "GET", "/_lentil/v1/webhook_deliveries?order=asc")).data;
    await until("the deliveries' ends", async () => (await log()).every((d) => d.state === "delivered"));
    const hers = (await log()).filter((d) => d.attempts === 1).map((d) => d.event);
    same(hers.slice(-3), ["user.created", "user.updated", "user.deleted"]);
  },

  "an action reaches the identity service at the vendor's fixed address": async (lentil) => {
    same(await http(lentil).action(api.auth.listUsers, {}), ["early@example.test"]);
  },

  "the component's poll of events goes there, too, and takes what no webhook told": async (lentil) => {
    const [endpoint] = (await lentil.workos.webhooks.listWebhookEndpoints()).data;
    await lentil.workos.webhooks.updateWebhookEndpoint({ id: endpoint.id, status: "disabled" });
    const users = [];
    for (let i = 0; i < 13; i++) {
      users.push(await lentil.workos.userManagement.createUser({ email: `poll${i}@example.test`, emailVerified: true }));
    }
    same(await known(lentil, users[0].id), null);
    await lentil.cli(["run", "--component", "workOSAuthKit", "lib:updateEvents", JSON.stringify({ apiKey: lentil.info.apiKey, eventTypes: ["session.created"] })]);
    for (const user of users) {
      await until(user.email, async () => (await known(lentil, user.id)) === user.email);
    }
    await lentil.workos.webhooks.updateWebhookEndpoint({ id: endpoint.id, status: "enabled" });
  },

  "the backfill finds who was there before the component": async (lentil) => {
    const many = await Promise.all(Array.from({ length: 6 }, (_, i) => lentil.workos.userManagement.createUser({ email: `many${i}@example.test` })));
    await until("the last of them", () => known(lentil, many.at(-1).id));
    same(await known(lentil, lentil.early.id), null);
    await lentil.cli(["run", "auth:backfillUsers"]);
    await until("the early one", async () => (await known(lentil, lentil.early.id)) === "early@example.test");
  },

  "a token that AuthKit signs makes its bearer the component's user": async (lentil) => {
    const { id } = await lentil.workos.userManagement.createUser({ email: "grace@example.test", password, emailVerified: true, firstName: "Grace" });
    await until("Grace", () => known(lentil, id));
    const { accessToken } = await lentil.workos.userManagement.authenticateWithPassword({ clientId: lentil.info.clientId, email: "grace@example.test", password });
    same(await http(lentil, accessToken).query(api.auth.me, {}), { id, email: "grace@example.test", firstName: "Grace", metadata: {} });
    same(await http(lentil).query(api.auth.me, {}), null);
  },

  "the app's action decides who signs in": async (lentil) => {
    await operator(lentil, "PUT", "/_lentil/v1/actions/authentication", { enabled: true });
    const { userManagement } = lentil.workos;
    const signIn = (email) => userManagement.authenticateWithPassword({ clientId: lentil.info.clientId, email, password });
    await userManagement.createUser({ email: "banned@example.test", password, emailVerified: true });
    const error = await fails(() => signIn("banned@example.test"), "a banned one");
    contains(String(error.message), "You are banned from <here>.");
    holds((await signIn("grace@example.test")).accessToken, "Grace signs in");
    const denials = (await lentil.workos.events.listEvents({ events: ["action.authentication.denied"] })).data;
    same(denials.map((e) => [e.data.verdict ?? e.data.Verdict, e.data.email]), [["Deny", "banned@example.test"]]);
    await operator(lentil, "PUT", "/_lentil/v1/actions/authentication", { enabled: false });
  },

  "the house's pages say what the app's action said, and make no account that it refuses": async (lentil) => {
    await operator(lentil, "PUT", "/_lentil/v1/actions/authentication", { enabled: true });
    await operator(lentil, "PUT", "/_lentil/v1/actions/user_registration", { enabled: true });
    const browser = await openBrowser();
    // A page of our own, whatever else this machine has on the ports of apps.
    const app = createServer((_, res) => res.end("back in the app"));
    await new Promise((done) => app.listen(0, "localhost", done));
    try {
      const redirectUri = `http://localhost:${app.address().port}/callback`;
      await operator(lentil, "POST", "/user_management/redirect_uris", { uri: redirectUri });
      const person = await newPerson(browser);
      const page = await person.newPage();
      const open = (screenHint) => page.goto(lentil.workos.userManagement.getAuthorizationUrl({ provider: "authkit", redirectUri, screenHint, clientId: lentil.info.clientId }));
      await open("sign-in");
      await enterPassword(page, "banned@example.test", password);
      await page.getByText("You are banned from <here>.").waitFor();
      await open("sign-in");
      await enterPassword(page, "grace@example.test", password);
      await page.getByText("back in the app").waitFor();

      const other = await newPerson(browser);
      const form = await other.newPage();
      for (const [email, says] of [["robot@spam.test", "Only for people."], ["person@example.test", "back in the app"]]) {
        await form.goto(lentil.workos.userManagement.getAuthorizationUrl({ provider: "authkit", redirectUri, screenHint: "sign-up", clientId: lentil.info.clientId }));
        await enterPassword(form, email, password);
        await form.getByLabel("Code").waitFor();
        await enterCode(form, await lentil.code(email));
        await form.getByText(says).waitFor();
      }
      same((await lentil.workos.userManagement.listUsers({ email: "robot@spam.test" })).data, []);
      const [user] = (await lentil.workos.userManagement.listUsers({ email: "person@example.test" })).data;
      await until("the person", () => known(lentil, user.id));
      const denials = (await lentil.workos.events.listEvents({ events: ["action.user_registration.denied"] })).data;
      same(denials.map((e) => e.data.email), ["robot@spam.test"]);
    } finally {
      await browser.close();
      app.close();
      await operator(lentil, "PUT", "/_lentil/v1/actions/authentication", { enabled: false });
      await operator(lentil, "PUT", "/_lentil/v1/actions/user_registration", { enabled: false });
    }
  },

  "what happened right before a crash arrives afterwards, once": async (lentil) => {
    const created = lentil.workos.userManagement.createUser({ email: "crash@example.test" });
    const user = await created;
    await lentil.crashAndRestart(); // the delivery may or may not have gone out
    await until("the one before the crash", () => known(lentil, user.id));
    same((await http(lentil).query(api.auth.people, {})).filter((p) => p.id === user.id).length, 1, "rows of one user");
  },
};
