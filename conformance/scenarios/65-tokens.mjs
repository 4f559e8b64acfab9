// Tokens: claims, templates, discovery, keys that rotate while verifiers look on, and an environment's own domain.
import { request } from "node:http";
import { WorkOS } from "@workos-inc/node";
import { createRemoteJWKSet, jwtVerify } from "jose";
import { fails, holds, same } from "../lib/check.mjs";
import { House } from "../lib/house.mjs";
import { claims } from "../lib/signin.mjs";

const password = "correct horse battery staple";
const cookiePassword = "a cookie password of more than thirty-two characters";

export async function setUp() {
  const house = await House.open();
  const { authkitUrl, apiKey, clientId } = house.lentil.info;
  const { hostname, port } = new URL(authkitUrl);
  house.workos = new WorkOS(apiKey, { apiHostname: hostname, port: Number(port), https: false, clientId });
  house.ask = async (method, path, body) => {
    const answer = await fetch(authkitUrl + path, {
      method, headers: { Authorization: `Bearer ${apiKey}`, ...(body && { "Content-Type": "application/json" }) }, body: body && JSON.stringify(body),
    });
    const text = await answer.text();
    return { status: answer.status, ...(text.startsWith("{") && JSON.parse(text)) };
  };
  house.settings = async (body) => {
    const answer = await house.ask("PATCH", "/_lentil/v1/settings", body);
    same(answer.status, 200, JSON.stringify(answer));
  };
  const { userManagement, organizations } = house.workos;
  house.user = await userManagement.createUser({ email: "ada@example.com", password, emailVerified: true, firstName: "Ada", metadata: { tier: "gold" } });
  house.organization = await organizations.createOrganization({ name: "Acme", metadata: { plan: "team" } });
  await userManagement.createOrganizationMembership({ userId: house.user.id, organizationId: house.organization.id });
  house.signIn = (more) => userManagement.authenticateWithPassword({ email: "ada@example.com", password, ...more });
  return house;
}

export async function tearDown(house) {
  await house?.close();
}

/** A request by another name than the address's: fetch does not let one choose. */
function at(house, host, path, { method = "GET", headers = {}, body } = {}) {
  const { hostname, port } = new URL(house.lentil.info.authkitUrl);
  return new Promise((done, fail) => {
    const r = request({ hostname, port, path, method, headers: { Host: host, ...headers } }, (answer) => {
      let text = "";
      answer.on("data", (c) => (text += c));
      answer.on("end", () => done({ status: answer.statusCode, headers: answer.headers, text, json: () => JSON.parse(text) }));
    });
    r.on("error", fail);
    r.end(body);
  });
}

export const scenarios = {
  "claims of a member, small by default": async (house) => {
    const { accessToken } = await house.signIn();
    const c = claims(accessToken);
    same(Object.keys(c).sort(), ["auth_time", "client_id", "exp", "iat", "iss", "jti", "org_id", "permissions", "role", "roles", "sid", "sub"]);
    same([c.org_id, c.role, c.roles, c.permissions], [house.organization.id, "member", ["member"], []]);
    holds(accessToken.length < 1200, `the token has ${accessToken.length} bytes`);
    await house.ask("PUT", `/_lentil/v1/organizations/${house.organization.id}/entitlements`, { entitlements: ["audit-logs"] });
    await house.ask("POST", "/_lentil/v1/feature-flags", { slug: "new-editor", enabled: true, targets: [{ type: "organization", id: house.organization.id }] });
    const session = house.workos.userManagement.loadSealedSession({ sessionData: (await house.signIn({ session: { sealSession: true, cookiePassword } })).sealedSession, cookiePassword });
    const seen = await session.authenticate();
    same([seen.entitlements, seen.featureFlags], [["audit-logs"], ["new-editor"]]);
  },

  "a template adds claims, and cannot take the house's": async (house) => {
    const put = (content) => house.ask("PUT", "/user_management/jwt_template", { content });
    same((await house.ask("GET", "/user_management/jwt_template")).status, 404);
    for (const bad of ["{", '{"sub": "me"}', '{"a": "{{ user.metadata }}"}', '{"a": {{ everything }}}']) {
      same((await put(bad)).status, 422, bad);
    }
    const content = `{
      "urn:app:name": "{{ user.first_name || 'Someone' }} {{ user.last_name || 'Unknown' }}", "urn:app:email": {{ user.email }},
      "tier": {{ user.metadata.tier }}, "plan": "{{ organization.metadata.plan | upcase }}", "nothing": {{ user.last_name }},
      "role": "owner", "aud": "my-api", "role_of": {{ organization_membership.role.slug }}
    }`;
    const kept = await put(content);
    same([kept.status, kept.object, kept.content], [200, "jwt_template", content]);
    const c = claims((await house.signIn()).accessToken);
    same([c["urn:app:name"], c["urn:app:email"], c.tier, c.plan, "nothing" in c, c.role, c.aud, c.role_of], ["Ada Unknown", "ada@example.com", "gold", "TEAM", false, "member", "my-api", "member"]);
    await put(JSON.stringify({ much: "x".repeat(4000) }));
    const error = await fails(() => house.signIn(), "a token that is too big");
    same([error.status, error.rawData?.error ?? error.error], [400, "token_too_big"]);
    await put("{}");
    await house.signIn();
  },

  "discovery leads to keys that verify": async (house) => {
    const { authkitUrl, clientId } = house.lentil.info;
    await house.settings({ issuer: `${authkitUrl}/user_management/<clientId>`, audience: "always", amr_claim: true });
    const issuer = `${authkitUrl}/user_management/${clientId}`;
    const found = await (await fetch(`${issuer}/.well-known/openid-configuration`)).json();
    same([found.issuer, found.token_endpoint], [issuer, `${authkitUrl}/user_management/authenticate`]);
    const { payload } = await jwtVerify((await house.signIn()).accessToken, createRemoteJWKSet(new URL(found.jwks_uri)), { issuer, audience: clientId, algorithms: ["RS256"] });
    same(payload.amr, ["pwd"]);
    const keys = await fetch(found.jwks_uri);
    const again = await fetch(found.jwks_uri, { headers: { "If-None-Match": keys.headers.get("etag") } });
    holds(keys.headers.get("cache-control").includes("max-age") && again.status === 304, "the key set is not cached");
    const [key] = (await keys.json()).keys;
    holds(key.x5c?.length === 1 && key["x5t#S256"] && key.alg === "RS256" && key.use === "sig", JSON.stringify(key));
    await house.settings({ issuer: null, audience: null, amr_claim: false });
  },

  "keys rotate without an invalid moment": async (house) => {
    const { authkitUrl, clientId } = house.lentil.info;
    const jwks = new URL(`${authkitUrl}/sso/jwks/${clientId}`);
    const kid = (token) => JSON.parse(Buffer.from(token.split(".")[0], "base64url")).kid;
    // A verifier that looked before the rotation, and looks again only after ten minutes or for a key it does not know.
    const early = createRemoteJWKSet(jwks, { cooldownDuration: 0 });
    const before = (await house.signIn()).accessToken;
    await jwtVerify(before, early);
    const rotated = await house.ask("POST", "/_lentil/v1/signing_keys/rotate");
    same([rotated.status, rotated.data.map((k) => k.state)], [200, ["signing", "published"]]);
    same((await house.ask("POST", "/_lentil/v1/signing_keys/rotate")).status, 409);
    same(kid((await house.signIn()).accessToken), kid(before), "the new key signs before anybody can know it");
    const later = createRemoteJWKSet(jwks); // looked while both are there
    await jwtVerify(before, later);
    await house.lentil.crashAndRestart();
    same((await house.ask("POST", "/_lentil/v1/clock/advance", { seconds: 16 * 60 })).status, 200);
    const after = (await house.signIn()).accessToken;
    same(kid(after), rotated.data[1].id, "the new key does not sign");
    for (const [set, token] of [[later, after], [later, before], [early, after], [early, before], [createRemoteJWKSet(jwks), before]]) {
      await jwtVerify(token, set, { currentDate: new Date() });
    }
    // A key that leaked goes at once; sealed sessions go on by a refresh.
    const { sealedSession } = await house.signIn({ session: { sealSession: true, cookiePassword } });
    same((await house.ask("DELETE", `/_lentil/v1/signing_keys/${kid(after)}`)).status, 204);
    const error = await fails(() => jwtVerify(after, createRemoteJWKSet(jwks)), "a token of a revoked key");
    same(error.code, "ERR_JWKS_NO_MATCHING_KEY");
    const session = house.workos.userManagement.loadSealedSession({ sessionData: sealedSession, cookiePassword });
    same((await session.refresh()).authenticated, true);
    await house.ask("DELETE", "/_lentil/v1/clock");
  },

  "an environment's own domain: issuer, pages and cookies": async (house) => {
    const { clientId, apiKey } = house.lentil.info;
    same((await at(house, "auth.example.com", `/sso/jwks/${clientId}`)).status, 421);
    await house.settings({ authentication_domain: "auth.example.com" });
    same((await at(house, "auth.example.com", `/sso/jwks/${clientId}`)).status, 200);
    same((await at(house, "auth.example.com", `/user_management/${clientId}/.well-known/openid-configuration`)).json().issuer, `https://auth.example.com/user_management/${clientId}`);
    const { accessToken, refreshToken } = await house.signIn();
    same(claims(accessToken).iss, `https://auth.example.com/user_management/${clientId}`);
    // An app on the same domain keeps people by cookie: one that script reads, and one that it does not.
    await house.ask("POST", "/user_management/cors_origins", { origin: "http://app.example.com" });
    const json = { "Content-Type": "application/json", Origin: "http://app.example.com" };
    const refresh = (headers, more) => at(house, "auth.example.com", "/user_management/authenticate", {
      method: "POST", headers: { ...json, ...headers }, body: JSON.stringify({ client_id: clientId, grant_type: "refresh_token", ...more }),
    });
    const first = await refresh({}, { refresh_token: refreshToken });
    const cookies = first.headers["set-cookie"];
    const hint = cookies.find((c) => c.startsWith("workos-has-session="));
    const secret = cookies.find((c) => c.startsWith("lentil_refresh_"));
    holds(hint.includes("Domain=example.com") && hint.includes(clientId) && !hint.includes("HttpOnly"), hint);
    holds(secret.includes("HttpOnly") && !secret.includes("Domain="), secret);
    const second = await refresh({ Cookie: secret.split(";")[0] });
    same([second.status, second.json().refresh_token, second.headers["access-control-allow-origin"]], [200, undefined, "http://app.example.com"]);
    holds(apiKey && (await at(house, "elsewhere.example.com", "/")).status === 421, "another name is answered");
    await house.settings({ authentication_domain: null });
  },
};
