// Applications of third parties and machines: managed by the official Node clients, their tokens verified by jose.
import { createHash, randomBytes } from "node:crypto";
import { WorkOS as WorkOS10 } from "@workos-inc/node";
import { createRemoteJWKSet, jwtVerify } from "jose";
import { WorkOS as WorkOS11 } from "workos-node-11";
import { fails, holds, same } from "../lib/check.mjs";
import { House } from "../lib/house.mjs";

export async function setUp() {
  const house = await House.open();
  const { authkitUrl, apiKey, clientId } = house.lentil.info;
  const { hostname, port } = new URL(authkitUrl);
  const options = { apiHostname: hostname, port: Number(port), https: false, clientId };
  house.clients = { 10: new WorkOS10(apiKey, options), 11: new WorkOS11(apiKey, options) };
  house.base = authkitUrl;
  house.keys = createRemoteJWKSet(new URL(`${authkitUrl}/oauth2/jwks`));
  return house;
}

export async function tearDown(house) {
  await house?.close();
}

/** One scenario for each major version. */
const both = (work) => async (house) => {
  for (const [major, client] of Object.entries(house.clients)) {
    await work(client, house, major);
  }
};

/** Sends a form; gives status and body. */
async function form(url, fields, headers = {}) {
  const answer = await fetch(url, { method: "POST", body: new URLSearchParams(fields), headers });
  return [answer.status, await answer.json()];
}

/** A browser without script: it keeps cookies, follows redirects within the house, and posts the forms it is shown. */
class Browser {
  #cookies = new Map();

  constructor(base) {
    this.base = base;
  }

  async go(url, options = {}) {
    for (let hops = 0; hops < 10; hops++) {
      const cookie = [...this.#cookies].map(([k, v]) => `${k}=${v}`).join("; ");
      const answer = await fetch(url, { ...options, redirect: "manual", headers: { ...options.headers, Cookie: cookie, "Sec-Fetch-Site": "same-origin" } });
      for (const set of answer.headers.getSetCookie()) {
        const [, name, value] = /^([^=]+)=([^;]*)/.exec(set);
        this.#cookies.set(name, value);
      }
      this.url = url;
      const to = answer.headers.get("location");
      if (!to) {
        this.text = await answer.text();
        this.status = answer.status;
        return this;
      }
      url = new URL(to, url).href;
      options = {};
      if (!url.startsWith(this.base)) {
        this.url = url; // an application's, which is not there
        this.text = "";
        return this;
      }
    }
    throw new Error(`no end of redirects at ${url}`);
  }

  /** Posts the form of the page with its hidden fields. */
  async post(testid, fields) {
    const form = new RegExp(`<form[^>]*action="([^"]*)"[^>]*data-testid="${testid}"[^]*?</form>`).exec(this.text) ?? /<form[^>]*action="([^"]*)"[^]*?<\/form>/.exec(this.text);
    holds(form, `a form ${testid} on ${this.url}: ${this.text.slice(0, 600)}`);
    const body = new URLSearchParams(fields);
    for (const [, name, value] of form[0].matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)"/g)) {
      body.set(name, value);
    }
    return await this.go(new URL(form[1], this.url).href, { method: "POST", body });
  }
}

export const scenarios = {
  "applications are made, changed, listed and deleted": both(async (workos, house, major) => {
    const organization = await workos.organizations.createOrganization({ name: `Connect ${major}` });
    const oauth = await workos.connect.createApplication({
      applicationType: "oauth", name: "Board", isFirstParty: false, organizationId: organization.id, usesPkce: true,
      redirectUris: [{ uri: "https://a.example/cb" }, { uri: "https://b.example/cb", default: true }], scopes: ["board:read"],
    });
    same([oauth.applicationType, oauth.usesPkce, oauth.redirectUris[0], oauth.wasDynamicallyRegistered], ["oauth", true, { uri: "https://b.example/cb", default: true }, false]);
    const changed = await workos.connect.updateApplication({ id: oauth.id, name: "Boards" });
    same([changed.name, changed.redirectUris.length, changed.scopes], ["Boards", 2, ["board:read"]]);
    same((await workos.connect.listApplications({ organizationId: organization.id })).data.map((a) => a.id), [oauth.id]);
    same((await workos.connect.getApplication({ id: oauth.clientId })).id, oauth.id);
    await workos.connect.deleteApplication({ id: oauth.id });
    same((await fails(() => workos.connect.getApplication({ id: oauth.id }), "a deleted application")).status, 404);
  }),

  "a machine gets a token that verifies, for the scopes it has": both(async (workos, house, major) => {
    const organization = await workos.organizations.createOrganization({ name: `Robots ${major}` });
    const robot = await workos.connect.createM2MApplication("Robot", organization.id, "A robot", ["read", "write"]);
    const secret = await workos.connect.createApplicationClientSecret({ id: robot.id });
    holds(secret.secret.endsWith(secret.secretHint), "the hint is the end");
    const ask = (more) => form(`${house.base}/oauth2/token`, { grant_type: "client_credentials", client_id: robot.clientId, client_secret: secret.secret, ...more });
    const [status, answer] = await ask({ scope: "read" });
    same([status, answer.token_type, answer.expires_in, answer.scope], [200, "Bearer", 3600, "read"]);
    const { payload } = await jwtVerify(answer.access_token, house.keys, { issuer: house.base, audience: house.lentil.info.clientId });
    same([payload.sub, payload.org_id, payload.scope], [robot.clientId, organization.id, "read"]);
    same((await ask({ scope: "delete" }))[1].error, "invalid_scope");
    same((await ask({ client_secret: "wrong" }))[1].error, "invalid_client");
    const basic = `Basic ${Buffer.from(`${robot.clientId}:${secret.secret}`).toString("base64")}`;
    const [, told] = await form(`${house.base}/oauth2/introspection`, { token: answer.access_token }, { Authorization: basic });
    same([told.active, told.client_id], [true, robot.clientId]);
    const [listed] = await workos.connect.listApplicationClientSecrets({ id: robot.id });
    holds(listed.lastUsedAt !== null && listed.secret === undefined, "used, and not shown again");
    await workos.connect.deleteClientSecret({ id: listed.id });
    same((await ask({}))[1].error, "invalid_client");
  }),

  "a person signs in, consents, and the application acts for them until they take it back": both(async (workos, house, major) => {
    const email = `connect-${major}@example.com`;
    const password = "a long enough passphrase";
    const user = await workos.userManagement.createUser({ email, password, emailVerified: true, firstName: "Ada" });
    const organization = await workos.organizations.createOrganization({ name: `Boards ${major}` });
    const redirect = "https://board.example/cb";
    const app = await workos.connect.createOAuthApplication("Board", false, null, ["board:read"], [{ uri: redirect }], true, organization.id);
    const verifier = randomBytes(32).toString("base64url");
    const request = (more) => {
      const challenge = createHash("sha256").update(verifier).digest("base64url");
      return `${house.base}/oauth2/authorize?${new URLSearchParams({ client_id: app.clientId, redirect_uri: redirect, response_type: "code", scope: "openid email offline_access board:read", state: "s t", nonce: "n", code_challenge: challenge, code_challenge_method: "S256", ...more })}`;
    };
    const browser = new Browser(house.base);
    const answered = () => Object.fromEntries(new URL(browser.url).searchParams);
    await browser.go(request({ prompt: "none" }));
    same([answered().error, answered().state, answered().iss], ["login_required", "s t", house.base]);
    await browser.go(request());
    await browser.post("sign-in", { email, password });
    holds(browser.text.includes("Authorize Board") && browser.text.includes("See your e-mail address") && browser.text.includes("board:read"), `the consent page: ${browser.text.slice(0, 1500)}`);
    await browser.post("consent", { answer: "deny" });
    same(answered().error, "access_denied");
    await browser.go(request());
    await browser.post("consent", { answer: "allow" });
    same([new URL(browser.url).origin, answered().state], ["https://board.example", "s t"]);
    const { code } = answered();
    const redeem = (more) => form(`${house.base}/oauth2/token`, { grant_type: "authorization_code", client_id: app.clientId, code, redirect_uri: redirect, code_verifier: verifier, ...more });
    const [status, tokens] = await redeem({});
    same(status, 200, JSON.stringify(tokens));
    const { payload } = await jwtVerify(tokens.id_token, house.keys, { issuer: house.base, audience: app.clientId });
    same([payload.sub, payload.email, payload.nonce], [user.id, email, "n"]);
    await jwtVerify(tokens.access_token, house.keys, { issuer: house.base, audience: house.lentil.info.clientId });
    const info = await (await fetch(`${house.base}/oauth2/userinfo`, { headers: { Authorization: `Bearer ${tokens.access_token}` } })).json();
    same([info.sub, info.email], [user.id, email]);
    const refresh = (refresh_token) => form(`${house.base}/oauth2/token`, { grant_type: "refresh_token", client_id: app.clientId, refresh_token });
    const [, next] = await refresh(tokens.refresh_token);
    holds(next.access_token && next.refresh_token !== tokens.refresh_token, "rotated");
    await browser.go(request({ prompt: "none" }));
    holds(answered().code, "signed in and consented: no question");
    const there = await fetch(`${house.base}/user_management/users/${user.id}/authorized_applications`, { headers: { Authorization: `Bearer ${house.lentil.info.apiKey}` } });
    same((await there.json()).data.map((a) => [a.application.id, a.granted_scopes.length]), [[app.id, 4]]);
    await fetch(`${house.base}/user_management/users/${user.id}/authorized_applications/${app.id}`, { method: "DELETE", headers: { Authorization: `Bearer ${house.lentil.info.apiKey}` } });
    same((await refresh(next.refresh_token))[1].error, "invalid_grant");
    await browser.go(request({ prompt: "none" }));
    same(answered().error, "consent_required");
    await browser.go(request({ redirect_uri: "https://evil.example/" }));
    holds(browser.status === 400 && browser.url.startsWith(house.base), "an address that is not registered is a page");
  }),

  "an application that signs its people in by itself completes the request": both(async (workos, house, major) => {
    const settings = (login_uri) => fetch(`${house.base}/_lentil/v1/connect`, { method: "PUT", headers: { Authorization: `Bearer ${house.lentil.info.apiKey}`, "Content-Type": "application/json" }, body: JSON.stringify({ login_uri }) });
    same((await settings("https://own.example/login?x=1")).status, 200);
    const app = await workos.connect.createOAuthApplication("Ours", true, undefined, undefined, [{ uri: "https://board.example/cb" }], true);
    const verifier = randomBytes(32).toString("base64url");
    const query = { client_id: app.clientId, redirect_uri: "https://board.example/cb", response_type: "code", scope: "openid email", code_challenge: createHash("sha256").update(verifier).digest("base64url"), code_challenge_method: "S256" };
    const browser = new Browser(house.base);
    await browser.go(`${house.base}/oauth2/authorize?${new URLSearchParams(query)}`);
    const out = new URL(browser.url);
    same([out.origin, out.searchParams.get("x")], ["https://own.example", "1"]);
    const externalAuthId = out.searchParams.get("external_auth_id");
    const user = { id: `own-${major}`, email: `own-${major}@example.com`, firstName: "Ada" };
    const { redirectUri } = await workos.connect.completeOAuth2({ externalAuthId, user });
    same((await fails(() => workos.connect.completeOAuth2({ externalAuthId, user }), "completed twice")).code, "external_auth_session_already_completed");
    holds((await new Browser(house.base).go(redirectUri)).status === 400, "another browser cannot go on");
    await browser.go(redirectUri);
    const code = new URL(browser.url).searchParams.get("code");
    const [, tokens] = await form(`${house.base}/oauth2/token`, { grant_type: "authorization_code", client_id: app.clientId, code, redirect_uri: query.redirect_uri, code_verifier: verifier });
    const { payload } = await jwtVerify(tokens.id_token, house.keys, { audience: app.clientId });
    same([payload.email, payload.sub], [user.email, (await workos.userManagement.getUserByExternalId(user.id)).id]);
    await settings(null);
  }),
};
