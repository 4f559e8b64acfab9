// Sign-in through others, in a real browser: a social button, an organization's provider by OpenID Connect and by SAML
// (both written by hand), what must be refused, and single sign-on by the official SDKs alone.
import { generateKeyPairSync } from "node:crypto";
import { WorkOS as WorkOS11 } from "workos-node-11";
import { be, newPerson } from "../lib/browser.mjs";
import { contains, fails, holds, lacks, same } from "../lib/check.mjs";
import { openOIDC, openSAML } from "../lib/idp.mjs";
import { newKey } from "../lib/issuer.mjs";
import { at, claims, closeSignIn, openSignIn, operator, password } from "../lib/signin.mjs";

export async function setUp() {
  const house = await openSignIn();
  const { apiKey, clientId, authkitUrl } = house.lentil.info;
  const to = new URL(authkitUrl);
  house.workos11 = new WorkOS11(apiKey, { clientId, apiHostname: to.hostname, port: Number(to.port), https: false });
  house.oidc = await openOIDC();
  house.saml = await openSAML();
  const domainData = (domain) => [{ domain, state: "verified" }];
  house.soup = await house.workos.organizations.createOrganization({ name: "Soup Inc", domainData: domainData("corp.example") });
  house.stew = await house.workos.organizations.createOrganization({ name: "Stew Inc", domainData: domainData("stew.example") });
  house.openid = await operator(house, "POST", "connections", {
    organization_id: house.soup.id, connection_type: "GenericOIDC", issuer: house.oidc.url, client_id: house.oidc.clientId, client_secret: house.oidc.clientSecret,
  });
  house.xml = await operator(house, "POST", "connections", { organization_id: house.stew.id, connection_type: "OktaSAML", metadata_url: `${house.saml.url}/metadata`, group_roles: { bosses: "admin" } });
  await operator(house, "PUT", "providers/GoogleOAuth", { test: true, return_oauth_tokens: true });
  house.saml.person = { id: "s-1", email: "sam@stew.example", firstName: "Sam", lastName: "Ladle", groups: ["bosses", "cooks"] };
  return house;
}

export async function tearDown(house) {
  await house?.oidc?.close();
  await house?.saml?.close();
  await closeSignIn(house);
}

/** The names of the newest events. */
const events = async (house, ...names) => (await house.workos.events.listEvents({ events: names, limit: 100 })).data;

/** Waits until the app without script was come back to, and gives what came. */
async function arrival(house, page, act) {
  const before = house.plain.arrivals.length;
  await act();
  await page.waitForURL(/\/callback/);
  same(house.plain.arrivals.length, before + 1);
  return house.plain.arrivals.at(-1);
}

export const scenarios = {
  "the React app, with Google's button": async (house) => {
    const page = await (await newPerson(house.browser)).newPage();
    await page.goto(house.url);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByTestId("with-GoogleOAuth").click();
    await be(page, "gina@example.com", "Gina");
    await page.getByPlaceholder("Suggest a soup").waitFor();
    const [user] = (await house.workos.userManagement.listUsers({ email: "gina@example.com" })).data;
    same([user.firstName, user.emailVerified], ["Gina", true]);
    const identities = await house.workos.userManagement.getUserIdentities(user.id);
    same([identities.length, identities[0].provider, identities[0].type], [1, "GoogleOAuth", "OAuth"]);
    same((await events(house, "authentication.oauth_succeeded"))[0].data.email, "gina@example.com");
  },

  "the React app, by the address of somebody of an organization: OpenID Connect": async (house) => {
    const page = await (await newPerson(house.browser)).newPage();
    await page.goto(house.url);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByLabel("Email").fill("ada@corp.example");
    await page.getByTestId("continue").click();
    await page.getByRole("link", { name: "Be ada@corp.example" }).click();
    await page.getByPlaceholder("Suggest a soup").waitFor();
    const asked = house.oidc.seen.at(-1);
    same([asked.code_challenge_method, asked.login_hint, asked.redirect_uri], ["S256", "ada@corp.example", house.openid.redirect_uri]);
    holds(asked.nonce.length >= 43 && asked.state.length >= 43, "an unguessable nonce and state");
    const [user] = (await house.workos.userManagement.listUsers({ email: "ada@corp.example" })).data;
    const [member] = (await house.workos.userManagement.listOrganizationMemberships({ userId: user.id })).data;
    same([member.organizationId, member.status], [house.soup.id, "active"]);
  },

  "SAML, with groups that are roles; the session is the organization's": async (house) => {
    const page = await (await newPerson(house.browser)).newPage();
    const came = await arrival(house, page, async () => {
      await page.goto(house.plain.authorize({ organization_id: house.stew.id }));
      await page.getByRole("button", { name: "Be sam@stew.example" }).click();
    });
    same(came.state, "plain state");
    const grant = await house.plain.redeem();
    const c = claims(grant.access_token);
    same([grant.authentication_method, grant.organization_id, c.org_id, c.role, grant.user.first_name], ["SSO", house.stew.id, house.stew.id, "admin", "Sam"]);
    // Whoever is signed in goes through without being sent away again.
    await arrival(house, page, () => page.goto(house.plain.authorize({ organization_id: house.stew.id })));
    same((await house.plain.redeem()).user.id, grant.user.id);
  },

  "provider, connection_id and domain_hint go straight there; tokens come along": async (house) => {
    const page = await (await newPerson(house.browser)).newPage();
    await arrival(house, page, async () => {
      await page.goto(house.plain.authorize({ provider: "GoogleOAuth", login_hint: "hank@example.com" }));
      await be(page, "hank@example.com", "Hank");
    });
    const grant = await house.plain.redeem();
    same([grant.authentication_method, grant.oauth_tokens.provider], ["GoogleOAuth", "GoogleOAuth"]);
    holds(grant.oauth_tokens.access_token && grant.oauth_tokens.scopes.includes("email"), "a token and its scopes");
    for (const more of [{ connection_id: house.openid.id, provider: "" }, { domain_hint: "corp.example", prompt: "login" }]) {
      const person = await (await newPerson(house.browser)).newPage();
      await arrival(house, person, async () => {
        await person.goto(house.plain.authorize(more));
        await person.getByRole("link", { name: "Be ada@corp.example" }).click();
      });
      same((await house.plain.redeem()).user.email, "ada@corp.example");
    }
  },

  "what an attacker would like: other keys, other people, other times, changed assertions": async (house) => {
    const page = await (await newPerson(house.browser)).newPage();
    const { oidc, saml } = house;
    const open = { signer: oidc.key, claims: {}, ttl: undefined };
    for (const [what, change] of Object.entries({
      "a key that is not the provider's": { signer: newKey("RS256", "idp-1") },
      "a token for another client": { claims: { aud: "somebody else" } },
      "a token of another issuer": { claims: { iss: "https://evil.example.test" } },
      "a token of another sign-in": { claims: { nonce: "x" } },
      "a token that has ended": { ttl: -600 },
    })) {
      Object.assign(oidc, open, change);
      const came = await arrival(house, page, async () => {
        await page.goto(house.plain.authorize({ connection_id: house.openid.id, provider: "" }));
        await page.getByRole("link", { name: "Be ada@corp.example" }).click();
      });
      same([came.error, came.code], ["oauth_failed", undefined], what);
    }
    Object.assign(oidc, open);
    const stranger = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const evil = (xml) => xml.replaceAll("sam@stew.example", "eve@stew.example").replaceAll(">s-1<", ">s-2<");
    for (const [what, change] of Object.entries({
      "a stranger's signature": { signWith: stranger },
      "no signature": { tamper: (xml) => xml.replace(/<ds:Signature .*<\/ds:Signature>/, "") },
      "another person": { tamper: evil },
      "another person before the signed one": { tamper: (xml) => xml.replace(/(<saml:Assertion .*<\/saml:Assertion>)/, (a) => evil(a).replace(/<ds:Signature .*<\/ds:Signature>/, "").replace(/ID="_/, 'ID="_e') + a) },
      "a comment in the name": { tamper: (xml) => xml.replace(">s-1<", ">s-1<!-- -->.evil<") },
      "an entity": { tamper: (xml) => '<!DOCTYPE r [<!ENTITY x "s-1">]>' + xml },
    })) {
      Object.assign(saml, { signWith: saml.pair, tamper: (xml) => xml }, change);
      const came = await arrival(house, page, async () => {
        await page.goto(house.plain.authorize({ connection_id: house.xml.id, provider: "" }));
        await page.getByRole("button", { name: "Be sam@stew.example" }).click();
      });
      same([came.error, came.code], ["saml_response_rejected", undefined], what);
    }
    Object.assign(saml, { signWith: saml.pair, tamper: (xml) => xml });
    const failed = await events(house, "authentication.sso_failed");
    same([failed.length, failed[0].data.sso.connectionId], [11, house.openid.id]);
    same((await house.workos.userManagement.listUsers({ email: "eve@stew.example" })).data.length, 0);
  },

  "an organization's people have no other way in": async (house) => {
    await house.workos.userManagement.createUser({ email: "ben@corp.example", password, emailVerified: true });
    const error = await fails(() => house.workos.userManagement.authenticateWithPassword({ clientId: house.lentil.info.clientId, email: "ben@corp.example", password }), "a password");
    same([error.rawData.error, error.rawData.connection_ids], ["sso_required", [house.openid.id]]);
    const page = await (await newPerson(house.browser)).newPage();
    await page.goto(house.plain.authorize());
    await page.getByTestId("sign-up").click();
    await page.getByLabel("Email").fill("new@corp.example");
    await page.getByLabel("Password").fill(password);
    await page.getByTestId("continue").click();
    await page.getByRole("heading", { name: "Corporate sign-in" }).waitFor();
  },

  "a SAML response that nobody asked for begins at the app": async (house) => {
    await operator(house, "PATCH", "settings", { initiate_login_uri: `${house.plain.url}/login` });
    const page = await (await newPerson(house.browser)).newPage();
    const response = house.saml.respond({ acs: house.xml.acs_url, audience: house.xml.sp_entity_id });
    await page.setContent(`<form method="post" action="${house.xml.acs_url}"><input name="SAMLResponse" value="${response}"><button>Go</button></form>`);
    await page.getByRole("button").click();
    await page.waitForURL(/\/login\?context=/);
    const context = new URL(page.url()).searchParams.get("context");
    lacks(page.url(), "code=");
    await arrival(house, page, async () => {
      await page.goto(house.plain.authorize({ context }));
      await page.getByRole("button", { name: "Be sam@stew.example" }).click();
    });
    same((await house.plain.redeem()).organization_id, house.stew.id);
    // And once only.
    const again = await fetch(house.xml.acs_url, { method: "POST", body: new URLSearchParams({ SAMLResponse: response }), redirect: "manual" });
    same(again.status, 400);
  },

  "single sign-on with the official SDKs, 10 and 11: profiles, connections, signing out": async (house) => {
    for (const workos of [house.workos, house.workos11]) {
      const page = await (await newPerson(house.browser)).newPage();
      const { clientId } = house.lentil.info;
      const came = await arrival(house, page, async () => {
        await page.goto(workos.sso.getAuthorizationUrl({ organization: house.stew.id, redirectUri: `${house.plain.url}/callback`, clientId, state: "s" }));
        await page.getByRole("button", { name: "Be sam@stew.example" }).click();
      });
      same(came.state, "s");
      const { profile, accessToken } = await workos.sso.getProfileAndToken({ code: came.code, clientId });
      same([profile.idpId, profile.email, profile.firstName, profile.organizationId, profile.connectionId, profile.connectionType], ["s-1", "sam@stew.example", "Sam", house.stew.id, house.xml.id, "OktaSAML"]);
      same([profile.groups, profile.role], [["bosses", "cooks"], { slug: "admin" }]);
      same(await workos.sso.getProfile({ accessToken }), profile);
      contains((await fails(() => workos.sso.getProfileAndToken({ code: came.code, clientId }), "a code twice")).message, "invalid_grant");
      same((await workos.sso.listConnections({ organizationId: house.stew.id })).data.map((c) => [c.id, c.type, c.state]), [[house.xml.id, "OktaSAML", "active"]]);
      same((await workos.sso.getConnection(house.xml.id)).name, "OktaSAML");
      if (workos.sso.getAuthorizationUrlWithPKCE) {
        const { url, codeVerifier } = await workos.sso.getAuthorizationUrlWithPKCE({ provider: "GoogleOAuth", redirectUri: `${house.plain.url}/callback`, clientId });
        const social = await arrival(house, page, async () => {
          await page.goto(url);
          await be(page, "gina@example.com", "Gina");
        });
        same((await workos.sso.getProfileAndToken({ code: social.code, clientId, codeVerifier })).profile.connectionType, "GoogleOAuth");
      }
    }
    const spare = await operator(house, "POST", "connections", { organization_id: house.stew.id, connection_type: "GenericSAML" });
    await house.workos.sso.deleteConnection(spare.id);
    same((await fails(() => house.workos.sso.getConnection(spare.id), "a deleted connection")).status, 404);
  },
};
