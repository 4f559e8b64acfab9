// The official Node clients, both majors, with audit logs (schemas, events, exports as files), pipes (a service with OAuth that
// runs here), Radar's lists and widgets' tokens.
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { WorkOS as WorkOS10 } from "@workos-inc/node";
import { WorkOS as WorkOS11 } from "workos-node-11";
import { contains, fails, holds, same } from "../lib/check.mjs";
import { House } from "../lib/house.mjs";
import { until } from "../lib/lentil.mjs";

/** A service with OAuth: it approves at once, checks PKCE, and takes each refresh token once. */
async function openService() {
  const service = { count: 0, refresh: undefined, expires: 3600, challenges: new Map() };
  const server = createServer(async (request, response) => {
    const url = new URL(request.url, "http://service");
    if (url.pathname === "/authorize") {
      const code = `code-${++service.count}`;
      service.challenges.set(code, url.searchParams.get("code_challenge"));
      const back = new URL(url.searchParams.get("redirect_uri"));
      back.searchParams.set("code", code);
      back.searchParams.set("state", url.searchParams.get("state"));
      response.writeHead(302, { Location: back.href });
      return response.end();
    }
    let body = "";
    for await (const chunk of request) {
      body += chunk;
    }
    const form = new URLSearchParams(body);
    const verified = createHash("sha256").update(form.get("code_verifier") ?? "").digest("base64url") === service.challenges.get(form.get("code"));
    const good = form.get("client_secret") === "the secret of the kitchen" && (form.get("grant_type") === "authorization_code" ? verified : form.get("refresh_token") === service.refresh);
    response.writeHead(good ? 200 : 400, { "Content-Type": "application/json" });
    if (!good) {
      return response.end(JSON.stringify({ error: "invalid_grant" }));
    }
    service.refresh = `refresh-${++service.count}`;
    response.end(JSON.stringify({ access_token: `access-${service.count}`, refresh_token: service.refresh, expires_in: service.expires, scope: "read" }));
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  service.url = `http://127.0.0.1:${server.address().port}`;
  service.close = () => new Promise((done) => (server.closeAllConnections(), server.close(done)));
  return service;
}

export async function setUp() {
  const house = await House.open();
  const { authkitUrl, apiKey, clientId } = house.lentil.info;
  const { hostname, port } = new URL(authkitUrl);
  const options = { apiHostname: hostname, port: Number(port), https: false, clientId };
  house.clients = { 10: new WorkOS10(apiKey, options), 11: new WorkOS11(apiKey, options) };
  house.service = await openService();
  return house;
}

export async function tearDown(house) {
  await house?.service?.close();
  await house?.close();
}

/** One scenario for each major version. */
const both = (work) => async (house) => {
  for (const [major, client] of Object.entries(house.clients)) {
    await work(client, house, major);
  }
};

/** A user who is a member of a new organization. */
async function member(workos, name) {
  const user = await workos.userManagement.createUser({ email: `${name}@example.com` });
  const organization = await workos.organizations.createOrganization({ name });
  await workos.userManagement.createOrganizationMembership({ userId: user.id, organizationId: organization.id });
  return { user, organization };
}

export const scenarios = {
  "audit logs take events that fit, and give them back as a file": both(async (workos, house, major) => {
    const { organization } = await member(workos, `audit-${major}`);
    const action = `soup.cooked.v${major}`;
    const schema = await workos.auditLogs.createSchema({ action, actor: { metadata: { role: "string" } }, targets: [{ type: "pot", metadata: { litres: "number" } }], metadata: { salted: "boolean" } });
    same([schema.version, schema.targets, schema.metadata], [1, [{ type: "pot", metadata: { litres: "number" } }], { salted: "boolean" }]);
    const from = new Date(Date.now() - 60_000);
    const event = {
      action, occurredAt: new Date(), actor: { id: "ada", type: "user", name: "Ada", metadata: { role: "cook" } },
      targets: [{ id: "pot_1", type: "pot", metadata: { litres: 3 } }], context: { location: "192.0.2.1", userAgent: "Spoon" }, metadata: { salted: true },
    };
    await workos.auditLogs.createEvent(organization.id, event, { idempotencyKey: `once-${major}` });
    await workos.auditLogs.createEvent(organization.id, event, { idempotencyKey: `once-${major}` });
    await workos.auditLogs.createEvent(organization.id, { ...event, actor: { ...event.actor, id: "bob" } });
    const no = await fails(() => workos.auditLogs.createEvent(organization.id, { ...event, metadata: { salted: "a bit" } }), "an event that does not fit");
    same([no.status, no.code ?? no.rawData?.code], [400, "invalid_audit_log"]);
    const asked = await workos.auditLogs.createExport({ organizationId: organization.id, rangeStart: from, rangeEnd: new Date(), actorIds: ["ada"] });
    const ready = await until("the export", async () => {
      const e = await workos.auditLogs.getExport(asked.id);
      return e.state === "ready" && e;
    });
    const file = await (await fetch(ready.url)).text();
    same(file.trim().split("\n").length, 2, "a heading and one event");
    contains(file, "soup.cooked");
    same((await workos.auditLogs.listSchemas(action)).data.map((s) => s.version), [1]);
    same(await workos.auditLogs.getOrganizationAuditLogsRetention({ id: organization.id }), { retentionPeriodInDays: null });
    same((await workos.auditLogs.updateOrganizationAuditLogsRetention({ id: organization.id, retentionPeriod: "3_MONTHS" })).retentionPeriodInDays, 90);
  }),

  "pipes connect a user to a service and keep the token fresh": both(async (workos, house, major) => {
    const { user, organization } = await member(workos, `pipes-${major}`);
    const provider = `kitchen-${major}`;
    const made = await workos.pipes.createDataIntegration({
      provider, scopes: ["read"], credentials: { type: "custom", clientId: "kitchen", clientSecret: "the secret of the kitchen" },
      customProvider: { name: "Kitchen", authorizationUrl: `${house.service.url}/authorize`, tokenUrl: `${house.service.url}/token`, pkceEnabled: true },
    });
    same([made.state, made.slug, made.customProvider.name], ["valid", provider, "Kitchen"]);
    const owner = { userId: user.id, organizationId: organization.id };
    same(await workos.pipes.getAccessToken({ provider, ...owner }), { active: false, error: "not_installed" });
    const { url } = await workos.pipes.authorizeDataIntegration({ slug: provider, ...owner, returnTo: "https://app.example/done" });
    house.service.expires = 1;
    const there = await fetch(url, { redirect: "manual" });
    const back = await fetch(there.headers.get("location"), { redirect: "manual" });
    same([back.status, back.headers.get("location")], [302, "https://app.example/done"]);
    house.service.expires = 3600;
    const { accessToken } = await workos.pipes.getAccessToken({ provider, ...owner });
    same(accessToken.accessToken, `access-${house.service.count}`, "refreshed, since the first lasts for a second only");
    same((await workos.pipes.getAccessToken({ provider, ...owner })).accessToken.accessToken, accessToken.accessToken);
    same((await workos.pipes.getUserConnectedAccount({ userId: user.id, slug: provider, organizationId: organization.id })).state, "connected");
    const { data } = await workos.pipes.listUserDataProviders({ userId: user.id, organizationId: organization.id });
    same(data.find((p) => p.slug === provider).connectedAccount.state, "connected");
    await workos.pipes.deleteUserConnectedAccount({ userId: user.id, slug: provider, organizationId: organization.id });
    same((await workos.pipes.getAccessToken({ provider, ...owner })).active, false);
    await workos.pipes.deleteDataIntegration({ slug: provider });
  }),

  "lists of Radar keep people out of the house's own sign-in": both(async (workos, house, major) => {
    const email = `radar-${major}@blocked-${major}.example`;
    const password = "a long enough passphrase";
    await workos.userManagement.createUser({ email, password, emailVerified: true });
    const signIn = () => workos.userManagement.authenticateWithPassword({ clientId: house.lentil.info.clientId, email, password, ipAddress: "198.51.100.7", userAgent: "Spoon" });
    same((await signIn()).user.email, email);
    await workos.radar.addListEntry({ type: "domain", action: "block", entry: `blocked-${major}.example` });
    same((await fails(signIn, "a blocked sign-in")).error, "access_denied");
    const attempt = { ipAddress: "198.51.100.7", userAgent: "Spoon", email, authMethod: "Password", action: "sign-in" };
    const judged = await workos.radar.createAttempt(attempt);
    same([judged.verdict, judged.control, judged.blocklistType], ["block", "restriction", "domain"]);
    await workos.radar.removeListEntry({ type: "domain", action: "block", entry: `blocked-${major}.example` });
    const again = await workos.radar.createAttempt(attempt);
    same(again.verdict, "allow");
    await workos.radar.updateAttempt({ id: again.attemptId, attemptStatus: "success" });
    same((await signIn()).user.email, email);
  }),

  "tokens of widgets need the permission": both(async (workos, house, major) => {
    const { user, organization } = await member(workos, `widgets-${major}`);
    const { token } = await workos.widgets.createToken({ organizationId: organization.id, userId: user.id });
    same(JSON.parse(Buffer.from(token.split(".")[1], "base64url")).org_id, organization.id);
    const no = await fails(() => workos.widgets.createToken({ organizationId: organization.id, userId: user.id, scopes: ["widgets:sso:manage"] }), "a scope without permission");
    holds(no.status === 400, no);
  }),
};
