// The consent page in a real browser: somebody signs in for an application of a third party, sees what it wants, refuses,
// allows, is not asked again, and is asked again once they have taken it back.
import { createHash, randomBytes } from "node:crypto";
import { WorkOS } from "@workos-inc/node";
import { createRemoteJWKSet, jwtVerify } from "jose";
import { enterPassword, newPerson, openBrowser } from "../lib/browser.mjs";
import { holds, same } from "../lib/check.mjs";
import { House } from "../lib/house.mjs";
import { at, openPlainApp, operator, password } from "../lib/signin.mjs";

export async function setUp() {
  const house = await House.open();
  const { authkitUrl, apiKey, clientId } = house.lentil.info;
  const { hostname, port } = new URL(authkitUrl);
  house.workos = new WorkOS(apiKey, { apiHostname: hostname, port: Number(port), https: false, clientId });
  house.base = authkitUrl;
  house.plain = await openPlainApp(house.lentil);
  house.browser = await openBrowser();
  return house;
}

export async function tearDown(house) {
  await house?.browser?.close();
  await house?.plain?.close();
  await house?.close();
}

/** An application of a third party that proves itself by a secret, and what it asks for. */
async function thirdParty(house, scopes) {
  const organization = await house.workos.organizations.createOrganization({ name: "Boards Inc" });
  const redirect = `${house.plain.url}/callback`;
  const app = await house.workos.connect.createOAuthApplication("Board", false, null, ["board:read"], [{ uri: redirect }], false, organization.id);
  const { secret } = await house.workos.connect.createApplicationClientSecret({ id: app.id }); // without one it would be asked for each time
  const verifier = randomBytes(32).toString("base64url");
  const query = {
    client_id: app.clientId, redirect_uri: redirect, response_type: "code", scope: scopes, state: "a state",
    code_challenge: createHash("sha256").update(verifier).digest("base64url"), code_challenge_method: "S256",
  };
  return {
    ...app,
    asks: (more) => `${house.base}/oauth2/authorize?${new URLSearchParams({ ...query, ...more })}`,
    redeem: async (code) => {
      const body = new URLSearchParams({ grant_type: "authorization_code", client_id: app.clientId, client_secret: secret, code, redirect_uri: redirect, code_verifier: verifier });
      const answer = await fetch(`${house.base}/oauth2/token`, { method: "POST", body });
      return [answer.status, await answer.json()];
    },
  };
}

export const scenarios = {
  "a person sees what an application wants, refuses, allows, and takes it back": async (house) => {
    await operator(house, "PATCH", "branding", { name: "Soup Kitchen", accent_light: "#7a1f5c" });
    const user = await house.workos.userManagement.createUser({ email: "ada@example.com", password, emailVerified: true });
    const app = await thirdParty(house, "openid email offline_access board:read");
    const person = await newPerson(house.browser);
    const page = await person.newPage();
    const arrived = () => house.plain.arrivals.at(-1);

    const policies = [];
    page.on("response", (response) => response.url().includes("/oauth2/authorize") && response.status() === 200 && policies.push(response.headers()["content-security-policy"]));
    await page.goto(app.asks());
    await enterPassword(page, "ada@example.com", password);
    await at(page, "consent");
    same(await page.getByRole("heading").innerText(), "Authorize Board");
    same(await page.getByTestId("scopes").getByRole("listitem").allInnerTexts(), ["Know who you are on this service", "See your e-mail address", "Keep this access while you are away", "board:read"]);
    holds((await page.getByTestId("lasts").innerText()).includes("until you take it back"), "how long it lasts");
    const words = await page.locator("main").innerText();
    holds(words.includes("ada@example.com") && words.includes("Boards Inc") === false && words.includes(new URL(house.plain.url).host), `whose account, and where to: ${words}`);
    same(await page.locator('link[rel=stylesheet][href^="/_lentil/branding/"]').count(), 1, "the environment's colours");
    same(await page.locator("script").count(), 0);
    holds(policies.length === 1 && /default-src 'none'/.test(policies[0]) && !/unsafe/.test(policies[0]), `a strict policy: ${policies}`);

    await page.getByRole("button", { name: "Cancel" }).click();
    await page.getByText("Plain app").waitFor();
    same([arrived().error, arrived().state, arrived().iss], ["access_denied", "a state", house.base]);

    await page.goto(app.asks());
    await page.getByRole("button", { name: "Allow" }).click();
    await page.getByText("Signed in").waitFor();
    const [status, tokens] = await app.redeem(arrived().code);
    same(status, 200, JSON.stringify(tokens));
    const keys = createRemoteJWKSet(new URL(`${house.base}/oauth2/jwks`));
    const { payload } = await jwtVerify(tokens.access_token, keys, { issuer: house.base });
    same([payload.sub, payload.client_id], [user.id, app.clientId]);

    const before = arrived().code;
    await page.goto(app.asks());
    await page.getByText("Signed in").waitFor();
    holds(arrived().code !== before, "a second time there is no question");

    const [given] = (await house.workos.get(`/user_management/users/${user.id}/authorized_applications`)).data.data;
    same(given.application.id, app.id);
    await house.workos.delete(`/user_management/users/${user.id}/authorized_applications/${app.id}`);
    await page.goto(app.asks());
    await at(page, "consent");
    same(person.problems, []);
  },
};
