// Events, webhooks, actions and customers' API keys with the official Node clients, versions 10 and 11, and a receiver of our
// own. The house is killed between attempts.
import { WorkOS as WorkOS10 } from "@workos-inc/node";
import { createServer } from "node:http";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WorkOS as WorkOS11 } from "workos-node-11";
import { contains, fails, holds, same } from "../lib/check.mjs";
import { Lentil, portFlags, removeFolder, sleep, until, write } from "../lib/lentil.mjs";

const password = "correct horse battery staple";
const nasty = "<b>&amp; \u2028\u2029 \u0000\u001f\u007f é 😀 \" \\ /";

/** A server that keeps what comes and answers as it is told. */
async function openReceiver() {
  const receiver = { requests: [], answer: () => [200, "OK"] };
  const server = createServer(async (request, response) => {
    let body = "";
    request.setEncoding("utf8");
    for await (const chunk of request) {
      body += chunk;
    }
    const got = { url: request.url, body, signature: request.headers["workos-signature"], headers: request.headers, at: Date.now() };
    receiver.requests.push(got);
    const [status, text] = await Promise.resolve(got).then(receiver.answer).catch((error) => [500, String(error)]);
    response.writeHead(status, { "Content-Type": "application/json" }).end(text);
  });
  server.keepAliveTimeout = 0; // or a connection would end just when a request comes by it
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  receiver.url = `http://127.0.0.1:${server.address().port}`;
  receiver.at = (path) => receiver.requests.filter((r) => r.url === path);
  receiver.close = () => new Promise((done) => (server.closeAllConnections(), server.close(done)));
  return receiver;
}

export async function setUp() {
  const dir = mkdtempSync(join(tmpdir(), "lentil-webhooks-"));
  write(join(dir, "package.json"), "{}");
  const lentil = await new Lentil(dir, await portFlags()).start();
  const url = new URL(lentil.info.authkitUrl);
  const options = { clientId: lentil.info.clientId, apiHostname: url.hostname, port: Number(url.port), https: false };
  lentil.sdks = { 10: new WorkOS10(lentil.info.apiKey, options), 11: new WorkOS11(lentil.info.apiKey, options) };
  lentil.receiver = await openReceiver();
  return lentil;
}

export async function tearDown(lentil) {
  await lentil?.stop();
  await lentil?.receiver.close();
  lentil && removeFolder(lentil.dir);
}

/** Lentil's own calls, with the environment's key. */
async function operator(lentil, method, path, body) {
  const answer = await fetch(lentil.info.authkitUrl + path, {
    method,
    headers: { Authorization: `Bearer ${lentil.info.apiKey}`, "Content-Type": "application/json" },
    body: body && JSON.stringify(body),
  });
  const text = await answer.text();
  holds(answer.ok, `${method} ${path}: ${answer.status} ${text}`);
  return text ? JSON.parse(text) : undefined;
}

const of = (emails) => (events) => events.filter((e) => emails.includes(e.data.email));

export const scenarios = {
  "both clients register endpoints and take what arrives, as text and as JavaScript prints it": async ({ sdks, receiver }) => {
    for (const [version, workos] of Object.entries(sdks)) {
      const path = `/v${version}`;
      const endpoint = await workos.webhooks.createWebhookEndpoint({ endpointUrl: receiver.url + path, events: ["user.created", "user.updated"] });
      same([endpoint.status, endpoint.events], ["enabled", ["user.created", "user.updated"]]);
      const user = await workos.userManagement.createUser({ email: `v${version}@example.test`, firstName: nasty, metadata: { 10: "ten", 9: "nine", z: nasty } });
      const [request] = await until("a webhook", () => receiver.at(path).length > 0 && receiver.at(path));
      same(JSON.stringify(JSON.parse(request.body)), request.body, "the bytes");
      for (const payload of [request.body, JSON.parse(request.body)]) {
        const event = await workos.webhooks.constructEvent({ payload, sigHeader: request.signature, secret: endpoint.secret });
        same([event.event, event.data.id, event.data.firstName], ["user.created", user.id, nasty]);
      }
      await fails(() => workos.webhooks.constructEvent({ payload: request.body.replace("user.created", "user.deleted"), sigHeader: request.signature, secret: endpoint.secret }), "a changed body");
      await fails(() => workos.webhooks.constructEvent({ payload: request.body, sigHeader: request.signature, secret: endpoint.secret + "x" }), "another secret");
      await workos.userManagement.updateUser({ userId: user.id, firstName: "plain" });
      const update = await until("the change", () => receiver.at(path)[1]);
      const event = await workos.webhooks.constructEvent({ payload: update.body, sigHeader: update.signature, secret: endpoint.secret });
      same(event.context.previous_attributes.first_name, nasty);
      const error = await fails(() => workos.webhooks.createWebhookEndpoint({ endpointUrl: endpoint.endpointUrl, events: ["user.created"] }), "the same URL");
      same([error.status, error.code], [409, "duplicate_endpoint"]);
      const changed = await workos.webhooks.updateWebhookEndpoint({ id: endpoint.id, events: ["user.deleted"], status: "disabled" });
      same([changed.status, changed.events, changed.secret], ["disabled", ["user.deleted"], endpoint.secret]);
      await workos.webhooks.deleteWebhookEndpoint({ id: endpoint.id });
      same((await workos.webhooks.listWebhookEndpoints()).data.map((e) => e.id), []);
    }
  },

  "events are the same in the history: oldest first, strictly after, by name": async ({ sdks }) => {
    for (const [version, workos] of Object.entries(sdks)) {
      const emails = Array.from({ length: 12 }, (_, i) => `history${version}-${i}@example.test`);
      for (const email of emails) {
        await workos.userManagement.createUser({ email });
      }
      const seen = [];
      for (let after; ; ) {
        const { data, listMetadata } = await workos.events.listEvents({ events: ["user.created"], after, limit: 5, order: "desc" });
        seen.push(...data);
        if (!(after = listMetadata.after)) {
          break;
        }
        same(after, data.at(-1).id);
      }
      same(of(emails)(seen).map((e) => e.data.email), emails);
      holds(seen.every((e, i) => i === 0 || e.id > seen[i - 1].id), "ids rise");
      const rangeStart = of(emails)(seen)[6].createdAt;
      same(of(emails)((await workos.events.listEvents({ events: ["user.created"], rangeStart, limit: 100 })).data).map((e) => e.data.email).at(-1), emails.at(-1));
      const error = await fails(() => workos.events.listEvents({ events: ["user.exploded"] }), "no such event");
      same(error.status, 422);
    }
  },

  "a delivery that fails is tried again, over a crash, until it arrives": async (lentil) => {
    const { sdks, receiver } = lentil;
    const workos = sdks[11];
    let broken = true;
    receiver.answer = () => (broken ? [500, "not today"] : [204, undefined]);
    const endpoint = await workos.webhooks.createWebhookEndpoint({ endpointUrl: `${receiver.url}/crash`, events: ["user.created"] });
    const user = await workos.userManagement.createUser({ email: "crash@example.test" });
    await until("a first attempt", () => receiver.at("/crash").length >= 1);
    await lentil.crashAndRestart(); // the attempt may be written down or not
    await until("a second attempt, of the next process", () => receiver.at("/crash").length >= 2);
    const deliveries = async () => (await operator(lentil, "GET", `/_lentil/v1/webhook_deliveries?webhook_endpoint_id=${endpoint.id}&order=asc`)).data;
    await until("one that is written down", async () => (await deliveries()).some((d) => d.log.length > 0));
    const offline = workos.userManagement.createUser({ email: "offline@example.test" });
    await offline;
    await lentil.stop("SIGKILL"); // before or after it was sent
    broken = false;
    await lentil.start();
    const ids = () => new Set(receiver.at("/crash").map((r) => JSON.parse(r.body).data.email));
    await until("both", async () => {
      const data = await deliveries();
      return data.length === 2 && data.every((d) => d.state === "delivered");
    });
    same([...ids()].sort(), ["crash@example.test", "offline@example.test"]);
    const bodies = receiver.at("/crash").filter((r) => r.body.includes(user.id));
    same(new Set(bodies.map((r) => r.body)).size, 1, "bodies of one event");
    holds(new Set(bodies.map((r) => r.signature)).size > 1, "each attempt is signed anew");
    const log = await deliveries();
    const first = log.find((d) => bodies[0].body.includes(d.event_id));
    holds(first.log.some((a) => a.status === 500 && a.error === "not today"), JSON.stringify(first));
    same(first.log.at(-1).status, 204);
    const before = receiver.at("/crash").length;
    await operator(lentil, "POST", `/_lentil/v1/webhook_deliveries/${first.id}/replay`);
    await until("the replay", () => receiver.at("/crash").length === before + 1);
    await workos.webhooks.deleteWebhookEndpoint({ id: endpoint.id });
  },

  "one that hangs does not hold up the others": async ({ sdks, receiver }) => {
    const workos = sdks[10];
    const release = [];
    receiver.answer = (r) => (r.url === "/hangs" ? new Promise((done) => release.push(() => done([200, ""]))) : [200, ""]);
    const hangs = await workos.webhooks.createWebhookEndpoint({ endpointUrl: `${receiver.url}/hangs`, events: ["user.created"] });
    const quick = await workos.webhooks.createWebhookEndpoint({ endpointUrl: `${receiver.url}/quick`, events: ["user.created"] });
    await Promise.all(Array.from({ length: 20 }, (_, i) => workos.userManagement.createUser({ email: `beside${i}@example.test` })));
    await until("twenty beside it", () => receiver.at("/quick").length === 20);
    holds(receiver.at("/hangs").length <= 4, `${receiver.at("/hangs").length} hang`);
    await Promise.all([hangs, quick].map((e) => workos.webhooks.deleteWebhookEndpoint({ id: e.id })));
    release.forEach((f) => f());
    receiver.answer = () => [200, "OK"];
  },

  "production addresses only where they belong": async ({ sdks }) => {
    for (const endpointUrl of ["http://169.254.169.254/latest/meta-data", "http://10.0.0.1/", "http://[fd00:ec2::254]/", "http://0.0.0.0:80/", "ftp://example.com/", "soup"]) {
      const error = await fails(() => sdks[11].webhooks.createWebhookEndpoint({ endpointUrl, events: ["user.created"] }), endpointUrl);
      same([error.status, error.code], [422, "invalid_url"]);
    }
  },

  "an action allows and denies, signed by the official client": async (lentil) => {
    const { sdks, receiver } = lentil;
    for (const [version, workos] of Object.entries(sdks)) {
      const { secret } = await operator(lentil, "PUT", "/_lentil/v1/actions/authentication", { endpoint_url: `${receiver.url}/action`, timeout_ms: 10_000, on_failure: "Deny", enabled: true });
      const seen = [];
      const says = (verdict, errorMessage) => {
        receiver.answer = async (r) => {
          const action = await workos.actions.constructAction({ payload: JSON.parse(r.body), sigHeader: r.signature, secret });
          seen.push(action);
          return [200, JSON.stringify(await workos.actions.signResponse({ type: "authentication", verdict, errorMessage }, secret))];
        };
      };
      const email = `action${version}@example.test`;
      await workos.userManagement.createUser({ email, password, emailVerified: true, firstName: nasty });
      const signIn = () => workos.userManagement.authenticateWithPassword({ clientId: lentil.info.clientId, email, password, ipAddress: "192.0.2.7", userAgent: "soup/1" });
      says("Allow");
      holds((await signIn()).accessToken, "allowed");
      same([seen[0].object, seen[0].user.email, seen[0].user.firstName, seen[0].authenticationMethod, seen[0].ipAddress, seen[0].userAgent], ["authentication_action_context", email, nasty, "Password", "192.0.2.7", "soup/1"]);
      says("Deny", `Closed: ${nasty}`);
      const error = await fails(signIn, "a denied sign-in");
      contains(String(error.message) + String(error.errorDescription), "Closed: <b>");
      receiver.answer = () => [200, "{}"];
      await fails(signIn, "an answer without a signature");
      await operator(lentil, "PUT", "/_lentil/v1/actions/authentication", { timeout_ms: 300 });
      receiver.answer = () => sleep(1500).then(() => [200, "{}"]);
      await fails(signIn, "no answer in time");
      await operator(lentil, "PUT", "/_lentil/v1/actions/authentication", { on_failure: "Allow" });
      holds((await signIn()).accessToken, "a failure counts as yes where that is wanted");
      const denials = (await workos.events.listEvents({ events: ["action.authentication.denied"], limit: 100 })).data.filter((e) => e.data.email === email);
      same(denials.length, 3);
      await operator(lentil, "DELETE", "/_lentil/v1/actions/authentication");
      receiver.answer = () => [200, "OK"];
    }
  },

  "customers' API keys, made and checked": async ({ sdks }) => {
    for (const [version, workos] of Object.entries(sdks)) {
      const organization = await workos.organizations.createOrganization({ name: `Keys ${version}` });
      const user = await workos.userManagement.createUser({ email: `keys${version}@example.test` });
      await workos.userManagement.createOrganizationMembership({ userId: user.id, organizationId: organization.id });
      const slug = `soup:stir${version}`;
      await workos.authorization.createPermission({ slug, name: "Stir" });
      const create = workos.apiKeys.createOrganizationApiKey ?? workos.organizations.createOrganizationApiKey;
      const owner = workos.apiKeys.createOrganizationApiKey ? workos.apiKeys : workos.organizations;
      const key = await create.call(owner, { organizationId: organization.id, name: "robot", permissions: [slug] });
      const { apiKey } = await workos.apiKeys.createValidation({ value: key.value });
      same([apiKey.id, apiKey.owner, apiKey.permissions], [key.id, { type: "organization", id: organization.id }, [slug]]);
      holds(apiKey.lastUsedAt, "its use is written down");
      same((await workos.apiKeys.createValidation({ value: "sk_nothing" })).apiKey, null);
      await workos.apiKeys.deleteApiKey(key.id);
      same((await workos.apiKeys.createValidation({ value: key.value })).apiKey, null);
      const names = (await workos.events.listEvents({ events: ["api_key.created", "api_key.revoked"], organizationId: organization.id })).data.map((e) => e.event);
      same(names, ["api_key.created", "api_key.revoked"]);
    }
  },
};
