// Applications of third parties and machines: managed by the official Node clients, their tokens verified by jose.
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
};
