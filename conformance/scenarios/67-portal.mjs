// The admin portal: an organization's administrator, who has no account and no key, sets up SAML, OpenID Connect, a
// directory and a domain from a link that the app made, and tries the connection.
import { newPerson } from "../lib/browser.mjs";
import { contains, fails, holds, lacks, same } from "../lib/check.mjs";
import { openOIDC, openSAML } from "../lib/idp.mjs";
import { closeSignIn, openSignIn } from "../lib/signin.mjs";

export async function setUp() {
  const house = await openSignIn();
  house.oidc = await openOIDC();
  house.saml = await openSAML();
  house.org = await house.workos.organizations.createOrganization({ name: "Soup Inc", domainData: [{ domain: "corp.example", state: "verified" }] });
  return house;
}

export async function tearDown(house) {
  await house?.oidc?.close();
  await house?.saml?.close();
  await closeSignIn(house);
}

const link = async (house, intent, more = {}) => (await (house.workos.portal ?? house.workos.adminPortal).generateLink({ organization: house.org.id, intent, ...more })).link;

/** Opens the portal as the administrator does. */
async function enter(house, intent, more) {
  const page = await (await newPerson(house.browser)).newPage();
  await page.goto(await link(house, intent, more));
  await page.getByTestId("enter").click();
  return page;
}

export const scenarios = {
  "a link works once, in one browser, and leads back": async (house) => {
    const address = await link(house, "sso", { returnUrl: "https://app.example.com/settings" });
    const page = await (await newPerson(house.browser)).newPage();
    await page.goto(address);
    await page.goto(address); // looking uses nothing up
    await page.getByTestId("enter").click();
    await page.getByRole("heading", { name: "Single sign-on" }).waitFor();
    same(await page.getByTestId("back-to-app").getAttribute("href"), "https://app.example.com/settings");
    const other = await (await newPerson(house.browser)).newPage();
    await other.goto(address);
    await other.getByTestId("enter").click();
    await other.getByText("This link was used already").waitFor();
    same((await (await fetch(`${house.lentil.info.authkitUrl}/portal/sso`)).status), 401);
    same((await page.goto(`${house.lentil.info.authkitUrl}/portal/directory`)).status(), 404, "what the link is not for");
    same((await fails(() => link(house, "soup"), "an unknown intent")).status, 422);
  },

  "SAML by metadata, tried and then used": async (house) => {
    const page = await enter(house, "sso");
    await page.getByLabel("Identity provider").selectOption("OktaSAML");
    await page.getByLabel("Name").fill("Our Okta");
    await page.getByRole("button", { name: "Continue" }).click();
    const acs = await page.getByTestId("acs-url").textContent();
    contains(acs, `${house.lentil.info.authkitUrl}/sso/saml/acs/conn_`);
    same(await page.getByTestId("state").textContent(), "draft");
    await page.getByLabel("Address of its metadata").fill(`${house.saml.url}/nothing`);
    await page.getByTestId("save").click();
    await page.getByTestId("alert").waitFor();
    await page.getByLabel("Address of its metadata").fill(`${house.saml.url}/metadata`);
    await page.getByTestId("save").click();
    await page.getByText("CN=conformance").waitFor();
    same(await page.getByTestId("state").textContent(), "active");
    await page.getByTestId("test").click();
    await page.getByRole("button", { name: "Be ada@corp.example" }).click();
    contains(await page.getByTestId("tested").textContent(), "ada@corp.example");
    const ours = await (await fetch(await page.evaluate((a) => a.replace("/acs/", "/metadata/"), acs))).text();
    contains(ours, acs);
    const [connection] = (await house.workos.sso.listConnections({ organizationId: house.org.id })).data;
    same([connection.name, connection.state, connection.type], ["Our Okta", "active", "OktaSAML"]);
    const activated = (await house.workos.events.listEvents({ events: ["connection.activated"] })).data.at(-1);
    same([activated.data.id, activated.context?.actor?.source], [connection.id, "admin_portal"]);
    const person = await (await newPerson(house.browser)).newPage();
    await person.goto(house.plain.authorize({ organization_id: house.org.id }));
    await person.getByRole("button", { name: "Be ada@corp.example" }).click();
    await person.waitForURL(/\/callback/);
    same((await house.plain.redeem()).organization_id, house.org.id);
    await page.getByRole("link", { name: "Back to the connection" }).click();
    await page.getByRole("button", { name: "Switch it off" }).click();
    await page.getByRole("button", { name: "Switch it on" }).waitFor();
    same((await house.workos.sso.getConnection(connection.id)).state, "inactive");
  },

  "OpenID Connect; the secret is not shown again": async (house) => {
    const page = await enter(house, "sso");
    await page.getByLabel("Identity provider").selectOption("GenericOIDC");
    await page.getByRole("button", { name: "Continue" }).click();
    contains(await page.getByTestId("redirect-uri").textContent(), "/sso/oidc/conn_");
    await page.getByLabel("Issuer").fill(`${house.oidc.url}/wrong`);
    await page.getByLabel("Client id").fill(house.oidc.clientId);
    await page.getByLabel("Client secret").fill(house.oidc.clientSecret);
    await page.getByTestId("save").click();
    await page.getByTestId("alert").waitFor();
    await page.getByLabel("Issuer").fill(house.oidc.url);
    await page.getByLabel("Client id").fill(house.oidc.clientId);
    await page.getByLabel("Client secret").fill(house.oidc.clientSecret);
    await page.getByTestId("save").click();
    await page.getByTestId("test").waitFor();
    lacks(await page.content(), house.oidc.clientSecret, "the page");
    await page.getByTestId("test").click();
    await page.getByRole("link", { name: "Be ada@corp.example" }).click();
    contains(await page.getByTestId("tested").textContent(), "Ada Lovelace");
  },

  "a directory and a domain": async (house) => {
    const page = await enter(house, "dsync");
    await page.getByLabel("Your directory").selectOption("okta scim v2.0");
    await page.getByRole("button", { name: "Continue" }).click();
    const [endpoint, token] = [await page.getByTestId("endpoint").textContent(), await page.getByTestId("token").textContent()];
    same((await fetch(`${endpoint}/ServiceProviderConfig`, { headers: { Authorization: `Bearer ${token}` } })).status, 200);
    await page.reload();
    await page.goto(`${house.lentil.info.authkitUrl}/portal/directory`);
    lacks(await page.content(), token, "the page");
    same((await house.workos.directorySync.listDirectories({ organizationId: house.org.id })).data.length, 1);
    const domains = await enter(house, "domain_verification");
    await domains.getByLabel("Domain").fill("soup.example");
    await domains.getByRole("button", { name: "Continue" }).click();
    contains(await domains.getByTestId("record").textContent(), "TXT");
    await domains.getByRole("button", { name: "Check now" }).click();
    await domains.getByText("soup.example").waitFor();
    const org = await house.workos.organizations.getOrganization(house.org.id);
    holds(org.domains.every((d) => d.state === "verified"), JSON.stringify(org.domains));
  },
};
