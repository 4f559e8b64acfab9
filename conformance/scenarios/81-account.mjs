// Impersonation and the account page in a real browser, with the official React and Node clients.
import { enterPassword, newPerson } from "../lib/browser.mjs";
import { contains, same } from "../lib/check.mjs";
import { at, claims, closeSignIn, openSignIn, operator, password } from "../lib/signin.mjs";

export const setUp = openSignIn;
export const tearDown = closeSignIn;

const board = (page) => page.getByPlaceholder("Suggest a soup").waitFor();
const verifiedUser = (house, email, more) => house.workos.userManagement.createUser({ email, password, emailVerified: true, ...more });
const impersonate = (house, user, more) =>
  operator(house, "POST", "impersonations", { user_id: user.id, reason: "ticket 7: cannot see soups", impersonator_email: "help@example.com", ...more });

export const scenarios = {
  "somebody of the operator's acts as a user in the React app, and it shows": async (house) => {
    const user = await verifiedUser(house, "ada@example.com");
    await operator(house, "PATCH", "settings", { initiate_login_uri: house.url, impersonation_notice: true });
    const { url, id } = await impersonate(house, user);
    const person = await newPerson(house.browser);
    const page = await person.newPage();
    await page.goto(url);
    const said = await page.getByTestId("impersonation").innerText();
    contains(said, "ada@example.com");
    contains(said, "ticket 7: cannot see soups");
    contains(await page.locator("main").innerText(), "help@example.com");
    await page.getByRole("button", { name: "Sign in as ada@example.com" }).click();
    await page.getByRole("button", { name: "Sign in" }).click(); // of the app
    await board(page);
    const [session] = (await house.workos.userManagement.listSessions(user.id)).data;
    same([session.authMethod, session.impersonator], ["impersonation", { email: "help@example.com", reason: "ticket 7: cannot see soups" }]);
    const length = new Date(session.expiresAt) - new Date(session.createdAt);
    same(length, 3_600_000);
    const created = (await house.workos.events.listEvents({ events: ["session.created"], limit: 10 })).data;
    same(created.map((e) => e.data.impersonator?.email), ["help@example.com"]);
    same((await house.workos.userManagement.getUser(user.id)).lastSignInAt, null);
    contains((await house.lentil.outbox("ada@example.com")).map((m) => m.subject).join("\n"), "looked at");

    // The address worked once, and the pages do not know the impersonator as Ada.
    const other = await person.newPage();
    await other.goto(url);
    contains(await other.locator("main").innerText(), "used already");
    await other.goto(house.plain.authorize());
    await at(other, "sign-in");
    same((await operator(house, "GET", "impersonations")).data.map((i) => [i.id, i.user_id, i.used_at !== null]), [[id, user.id, true]]);
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("button", { name: "Sign in" }).waitFor();
    same((await house.workos.userManagement.listSessions(user.id)).data.map((s) => s.status), ["revoked"]);
    await person.close();
  },

  "without an initiate-login address the code goes to the app's server; token and refresh say who acts": async (house) => {
    await operator(house, "PATCH", "settings", { initiate_login_uri: null, impersonation_notice: false });
    const user = await verifiedUser(house, "tom@example.com");
    const org = await house.workos.organizations.createOrganization({ name: "Acme" });
    await house.workos.userManagement.createOrganizationMembership({ userId: user.id, organizationId: org.id });
    const { url, organization_id: chosen } = await impersonate(house, user);
    same(chosen, org.id);
    const context = await house.browser.newContext({ javaScriptEnabled: false });
    const page = await context.newPage();
    await page.goto(url);
    const back = page.waitForRequest((r) => new URL(r.url()).searchParams.has("code"));
    await page.getByTestId("continue").click();
    const code = new URL((await back).url()).searchParams.get("code");
    const { clientId } = house.lentil.info;
    const grant = await house.workos.userManagement.authenticateWithCode({ clientId, code });
    same(grant.impersonator, { email: "help@example.com", reason: "ticket 7: cannot see soups" });
    same([grant.authenticationMethod, grant.organizationId], ["Impersonation", org.id]);
    const token = claims(grant.accessToken);
    same([token.sub, token.act, token.org_id], [user.id, { sub: "help@example.com" }, org.id]);
    const next = await house.workos.userManagement.authenticateWithRefreshToken({ clientId, refreshToken: grant.refreshToken });
    same([next.impersonator?.email, claims(next.accessToken).act], ["help@example.com", { sub: "help@example.com" }]);
    await context.close();

    await operator(house, "PATCH", "settings", { impersonation_allowed: false });
    const refused = await impersonate(house, user).catch((e) => e.message);
    contains(String(refused), "impersonation_disabled");
    await operator(house, "PATCH", "settings", { impersonation_allowed: true });
  },
};
