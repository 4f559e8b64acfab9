// What tests of other people's applications lean on: in place of the official emulator, a seed file, error hooks, fresh
// environments, fixed codes, a clock that is put forward, resets. Driven by the official client for Node.js.
import { spawn } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WorkOS } from "workos-node-11";
import { enterCode, enterPassword, newPerson, openBrowser } from "../lib/browser.mjs";
import { contains, fails, holds, same } from "../lib/check.mjs";
import { watch } from "../lib/judge.mjs";
import { binary, removeFolder, write } from "../lib/lentil.mjs";

const password = "correct horse battery staple";
const seed = `
users:
  - {id: user_01ALICE, email: alice@acme.test, first_name: Alice, password: test123, email_verified: true}
  - {email: bob@acme.test, password: test123, email_verified: true}
organizations:
  - id: org_01ACME
    name: Acme Corp
    domains: [{domain: acme.test, state: verified}]
    memberships: [{email: alice@acme.test, role: admin}]
roles:
  - {slug: admin, name: Admin, permissions: ["posts:read", "posts:write"]}
permissions:
  - {slug: "posts:read", name: Read Posts}
  - {slug: "posts:write", name: Write Posts}
errorHooks:
  - {method: GET, path: /directories, status: 503, count: 1}
`;

export async function setUp() {
  const dir = mkdtempSync(join(tmpdir(), "lentil-emulate-"));
  write(join(dir, "workos-emulate.config.yaml"), seed);
  const child = spawn(binary, ["emulate", "--port", "0", "--json", "--client-id", "client_emulated"], { cwd: dir, stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, NO_COLOR: "1" } });
  const house = { dir, child, log: "" };
  child.stderr.on("data", (chunk) => (house.log += chunk));
  house.exited = new Promise((done) => child.once("exit", done));
  house.info = await new Promise((done, fail) => {
    let out = "";
    child.stdout.on("data", (chunk) => (out += chunk).includes("\n") && done(JSON.parse(out)));
    child.once("exit", (code) => fail(new Error(`lentil emulate ended with ${code}: ${house.log}`)));
  });
  house.seen = watch(house.info.url);
  house.client = (apiKey = house.info.apiKey, clientId = house.info.clientId) =>
    new WorkOS(apiKey, { clientId, apiHostname: "localhost", port: house.info.port, https: false, maxRetries: 0, fetchFn: house.seen.fetch });
  house.ask = async (method, path, body, key = house.info.apiKey) => {
    const answer = await fetch(house.info.url + path, { method, body: body && JSON.stringify(body), headers: { ...(key && { Authorization: `Bearer ${key}` }), ...(body && { "Content-Type": "application/json" }) } });
    const text = await answer.text();
    holds(answer.ok, `${method} ${path}: ${answer.status} ${text}`);
    return text === "" ? undefined : JSON.parse(text);
  };
  return house;
}

export async function tearDown(house) {
  house?.seen.stop();
  house?.child.kill("SIGINT");
  await house?.exited;
  house && removeFolder(house.dir);
}

export const scenarios = {
  "the line for programs, the health check and the seed are the official emulator's": async (house) => {
    const { url, port, apiKey, health, clientId } = house.info;
    same([url, apiKey, health, clientId], [`http://localhost:${port}`, "sk_test_default", `${url}/health`, "client_emulated"]);
    same(await (await fetch(health)).json(), { status: "ok" });
    const workos = house.client();
    const alice = await workos.userManagement.getUser("user_01ALICE");
    same([alice.email, alice.firstName, alice.emailVerified], ["alice@acme.test", "Alice", true]);
    const organization = await workos.organizations.getOrganization("org_01ACME");
    same([organization.name, organization.domains[0].domain, organization.domains[0].state], ["Acme Corp", "acme.test", "verified"]);
    const [membership] = (await workos.userManagement.listOrganizationMemberships({ userId: alice.id })).data;
    same([membership.organizationId, membership.role.slug], ["org_01ACME", "admin"]);
    const signedIn = await workos.userManagement.authenticateWithPassword({ clientId, email: "bob@acme.test", password: "test123" });
    same(signedIn.user.email, "bob@acme.test");
  },

  "error hooks strike the official client, as often as they say": async (house) => {
    const workos = house.client();
    same((await fails(() => workos.directorySync.listDirectories(), "the seeded hook")).status, 503);
    same((await workos.directorySync.listDirectories()).data, []);
    const hook = await house.ask("POST", "/_emulate/hooks", { method: "POST", path: "/user_management/users", status: 422, body: { message: "Validation failed", code: "unprocessable_entity", errors: [{ code: "email_required" }] } }, null);
    const error = await fails(() => workos.userManagement.createUser({ email: "carol@acme.test" }), "a struck call");
    same([error.status, error.name], [422, "UnprocessableEntityException"]);
    contains(error.message, "email_required");
    same((await house.ask("GET", "/_emulate/hooks", undefined, null)).map((h) => h.id), [hook.id]);
    await house.ask("DELETE", `/_emulate/hooks/${hook.id}`, undefined, null);
    same((await workos.userManagement.createUser({ email: "carol@acme.test" })).email, "carol@acme.test");
    await house.ask("POST", "/_emulate/hooks", { method: "*", path: "*", status: 429, count: 1 });
    same((await fails(() => workos.organizations.listOrganizations(), "a limited call")).name, "RateLimitExceededException");
  },

  "environments for single tests are made in a moment and know nothing of each other": async (house) => {
    const began = performance.now();
    const tenants = [];
    for (let i = 0; i < 6; i++) {
      tenants.push(await house.ask("POST", "/_lentil/v1/environments", { name: `test ${i}`, redirect_uris: ["http://localhost:3000/callback"] }));
    }
    console.log(`      ${((performance.now() - began) / tenants.length).toFixed(0)} ms for each environment`);
    await Promise.all(tenants.map(async (tenant, i) => {
      const workos = house.client(tenant.api_key, tenant.client_id);
      await workos.userManagement.createUser({ email: "same@example.com", firstName: `Number ${i}`, password, emailVerified: true });
      const { user, accessToken } = await workos.userManagement.authenticateWithPassword({ clientId: tenant.client_id, email: "same@example.com", password });
      same(user.firstName, `Number ${i}`);
      contains(JSON.parse(Buffer.from(accessToken.split(".")[1], "base64url")).iss, tenant.client_id);
      same((await workos.userManagement.listUsers()).data.length, 1);
    }));
  },

  "a fixed code signs people in on the pages, the outbox has the mail": async (house) => {
    const arrivals = [];
    const app = createServer((request, answer) => answer.end(String(arrivals.push(request.url))));
    await new Promise((done) => app.listen(0, "127.0.0.1", done));
    const redirectUri = `http://localhost:${app.address().port}/callback`;
    const tenant = await house.ask("POST", "/_lentil/v1/environments", { redirect_uris: [redirectUri], fixed_code: "424242" });
    const workos = house.client(tenant.api_key, tenant.client_id);
    same((await workos.userManagement.createMagicAuth({ email: "dan@example.com" })).code, "424242");
    const browser = await openBrowser();
    try {
      const page = await (await newPerson(browser)).newPage();
      await page.goto(workos.userManagement.getAuthorizationUrl({ provider: "authkit", clientId: tenant.client_id, redirectUri, screenHint: "sign-up", state: "s" }));
      await enterPassword(page, "erin@example.com", password);
      await page.getByLabel("Code").waitFor();
      await enterCode(page, "424242");
      await page.waitForURL(`${redirectUri}?**`);
      const { user } = await workos.userManagement.authenticateWithCode({ clientId: tenant.client_id, code: new URL(arrivals[0], redirectUri).searchParams.get("code") });
      same(user.email, "erin@example.com");
    } finally {
      await browser.close();
      app.close();
    }
    const { data } = await house.ask("GET", "/_lentil/v1/outbox?to=erin@example.com", undefined, tenant.api_key);
    same(data.map((m) => m.code), ["424242"]);
  },

  "a clock that is put forward ends codes, invitations and sessions": async (house) => {
    const tenant = await house.ask("POST", "/_lentil/v1/environments", {});
    const workos = house.client(tenant.api_key, tenant.client_id);
    const clientId = tenant.client_id;
    await workos.userManagement.createUser({ email: "fay@example.com", password, emailVerified: true });
    const session = await workos.userManagement.authenticateWithPassword({ clientId, email: "fay@example.com", password });
    const magic = await workos.userManagement.createMagicAuth({ email: "fay@example.com" });
    const invitation = await workos.userManagement.sendInvitation({ email: "guest@example.com", expiresInDays: 7 });
    const advance = (seconds) => house.ask("POST", "/_lentil/v1/clock/advance", { seconds }, tenant.api_key);
    await advance(3600);
    const late = await fails(() => workos.userManagement.authenticateWithMagicAuth({ clientId, email: "fay@example.com", code: magic.code }), "a code after an hour");
    contains(late.message + late.code + late.error, "expired");
    await workos.userManagement.authenticateWithRefreshToken({ clientId, refreshToken: session.refreshToken });
    await advance(8 * 86_400);
    same((await workos.userManagement.getInvitation(invitation.id)).state, "expired");
    await advance(60 * 86_400);
    same((await workos.userManagement.listSessions(session.user.id)).data.map((s) => s.status), ["expired"]);
    await house.ask("DELETE", "/_lentil/v1/clock", undefined, tenant.api_key);
    same((await workos.userManagement.authenticateWithPassword({ clientId, email: "fay@example.com", password })).user.email, "fay@example.com");
  },

  "a reset empties one environment, a seed fills it again": async (house) => {
    const began = performance.now();
    await house.ask("POST", "/_lentil/v1/reset");
    console.log(`      ${(performance.now() - began).toFixed(0)} ms for the reset`);
    const workos = house.client();
    same((await workos.userManagement.listUsers()).data, []);
    same((await workos.organizations.listOrganizations()).data, []);
    const answer = await fetch(`${house.info.url}/_lentil/v1/seed`, { method: "POST", body: seed, headers: { Authorization: `Bearer ${house.info.apiKey}` } });
    same([answer.status, (await answer.json()).made.users], [200, 2]);
    same((await workos.userManagement.getUser("user_01ALICE")).email, "alice@acme.test");
  },

  "all that was answered is as described": async (house) => {
    same(house.seen.wrong.filter((line) => !/ (422|429|503): /.test(line)), []);
    holds(house.seen.calls.length > 40, `only ${house.seen.calls.length} calls were seen`);
  },
};
