// Every way to sign in, with the official package for Next.js in a production build of a small app, in a real browser; then
// pages, proxy, refresh, organizations, signing out. What passes between the app's server and the house is held against the
// description.
import { be, enterCode, enterPassword } from "../lib/browser.mjs";
import { contains, holds, same } from "../lib/check.mjs";
import { until } from "../lib/lentil.mjs";
import { atSignIn, closeNext, greeted, me, newUser, openNext, password, signedIn, visitor } from "../lib/next.mjs";
import { at, totp, wrongTotp } from "../lib/signin.mjs";

export const setUp = openNext;
export const tearDown = closeNext;

const heading = (page, text) => page.getByRole("heading", { name: text }).waitFor();
const refused = async (page, text) => {
  await page.getByRole("alert").waitFor();
  contains(await page.getByRole("alert").innerText(), text);
};
const newOrganization = (house, name, domain) =>
  house.api("POST", "/organizations", { name, ...(domain && { domain_data: [{ domain, state: "verified" }] }) });
const join = (house, user, organization, role) =>
  house.api("POST", "/user_management/organization_memberships", { user_id: user.id, organization_id: organization.id, ...(role && { role_slug: role }) });
const userOf = async (house, email) => (await house.api("GET", `/user_management/users?email=${encodeURIComponent(email)}`)).data[0];

/** As `be`, where the test identity provider answers by SAML: without script, with a page of its own. */
async function beBySAML(page, email, first) {
  await be(page, email, first);
  await page.getByText(`You are ${email}`).waitFor();
  await page.getByRole("button", { name: "Continue" }).click();
}

/** The callback was visited once, with the code and the state that the app asked with. */
function whole(house, person) {
  const visits = person.visited.filter((url) => url.startsWith(`${house.url}/callback`)).map((url) => new URL(url).searchParams);
  same(visits.map((v) => [v.has("code"), person.visited.some((u) => new URL(u).pathname === "/user_management/authorize" && new URL(u).searchParams.get("state") === v.get("state"))]), [[true, true]], "visits of the callback");
}

export const scenarios = {
  "sign up from the page, verify the address, and be known on both sides": async (house) => {
    const person = await visitor(house);
    const page = await person.newPage();
    await page.goto(house.url);
    await page.getByRole("link", { name: "Sign up" }).click();
    await enterPassword(page, "ada@example.com", password);
    await page.getByLabel("Code").waitFor();
    await enterCode(page, await house.lentil.code("ada@example.com"));
    await greeted(page, "ada@example.com");
    await until("the browser's side", async () => (await page.getByTestId("client-user").textContent()) === "ada@example.com");
    await until("a token in the browser", async () => (await page.getByTestId("client-token").textContent()) === "has a token");
    const session = (await person.cookies()).find((c) => c.name === "wos-session");
    holds(session?.httpOnly && session.value.length < 4000, `the session's cookie: ${JSON.stringify(session)}`);
    await person.close();
  },

  "a wrong password is refused, the right one is not": async (house) => {
    await newUser(house, "barbara@example.com");
    const { person, page } = await atSignIn(house);
    await enterPassword(page, "barbara@example.com", "a wrong password");
    await refused(page, "do not match");
    await enterPassword(page, "barbara@example.com", password);
    await greeted(page, "barbara@example.com");
    whole(house, person);
    await person.close();
  },

  "a code by mail; a wrong one is refused": async (house) => {
    const { person, page } = await atSignIn(house);
    await page.getByLabel("Email").fill("mia@example.com");
    await page.getByTestId("email-code").click();
    await at(page, "code");
    const code = await house.lentil.code("mia@example.com");
    await enterCode(page, code === "000000" ? "111111" : "000000");
    await refused(page, "not right");
    await enterCode(page, code);
    await greeted(page, "mia@example.com");
    whole(house, person);
    await person.close();
  },

  "a second factor is enrolled where one is required, and asked for the next time": async (house) => {
    await house.set({ mfa_policy: "required" });
    try {
      await newUser(house, "tom@example.com");
      const { person, page } = await atSignIn(house);
      await enterPassword(page, "tom@example.com", password);
      await at(page, "enroll");
      await page.getByText("Cannot scan it?").click();
      const secret = await page.getByTestId("secret").innerText();
      const used = totp(secret);
      await enterCode(page, used);
      await at(page, "recovery-codes");
      await page.getByRole("button", { name: "Continue" }).click();
      await greeted(page, "tom@example.com");
      await page.getByRole("button", { name: "Sign out" }).click();
      await page.getByRole("link", { name: "Sign in" }).click();
      await enterPassword(page, "tom@example.com", password);
      await at(page, "factor");
      await enterCode(page, wrongTotp(secret));
      await refused(page, "not right");
      await enterCode(page, [totp(secret), totp(secret, 1)].find((c) => c !== used)); // phones with a fast clock show the next one
      await greeted(page, "tom@example.com");
      await person.close();
    } finally {
      await house.set({ mfa_policy: "optional" });
    }
  },

  "one of several organizations is chosen; the server knows it, the role and the permissions": async (house) => {
    await house.api("POST", "/authorization/permissions", { slug: "soup:cook", name: "Cook" });
    await house.api("POST", "/authorization/roles/admin/permissions", { slug: "soup:cook" });
    const user = await newUser(house, "olga@example.com");
    const [acme, zeta] = [await newOrganization(house, "Acme"), await newOrganization(house, "Zeta")];
    await join(house, user, acme);
    await join(house, user, zeta, "admin");
    const { person, page } = await atSignIn(house);
    await enterPassword(page, "olga@example.com", password);
    await at(page, "organization");
    same(await page.getByRole("button").allInnerTexts(), ["Acme", "Zeta"]);
    await page.getByRole("button", { name: "Zeta" }).click();
    await greeted(page, "olga@example.com");
    const seen = await me(page, house);
    same([seen.organizationId, seen.role], [zeta.id, "admin"]);
    contains(seen.permissions, "soup:cook");
    await until("the browser's side", async () => (await page.getByTestId("client-organization").textContent()) === zeta.id);
    await person.close();
  },

  "an invitation leads through the app, which begins the sign-in": async (house) => {
    const organization = await newOrganization(house, "Guests");
    // The package's own example forgets the token on its way; the other route passes it on.
    for (const [route, email] of [["/sign-in", "bob@elsewhere.test"], ["/login", "eve@elsewhere.test"]]) {
      await house.set({ initiate_login_uri: house.url + route });
      const invitation = await house.api("POST", "/user_management/invitations", { email, organization_id: organization.id });
      const person = await visitor(house);
      const page = await person.newPage();
      await page.goto(invitation.accept_invitation_url);
      await at(page, "sign-up");
      same(await page.getByLabel("Email").inputValue(), email);
      await page.getByLabel("Password").fill(password);
      await page.getByRole("button", { name: "Continue" }).click();
      await greeted(page, email);
      same((await me(page, house)).organizationId, organization.id, route);
      same((await house.api("GET", `/user_management/invitations/${invitation.id}`)).state, "accepted");
      whole(house, person);
      await person.close();
    }
  },

  "a social provider's button": async (house) => {
    await house.api("PUT", "/_lentil/v1/providers/GoogleOAuth", { test: true });
    const { person, page } = await atSignIn(house);
    await page.getByTestId("with-GoogleOAuth").click();
    await be(page, "gina@example.com", "Gina");
    await greeted(page, "gina@example.com");
    const identities = await house.api("GET", `/user_management/users/${(await userOf(house, "gina@example.com")).id}/identities`);
    same(identities.map((i) => i.provider), ["GoogleOAuth"]);
    whole(house, person);
    await person.close();
  },

  "an organization's provider, by OpenID Connect and by SAML": async (house) => {
    for (const protocol of ["oidc", "saml"]) {
      const email = `ada@${protocol}.example`;
      const organization = await newOrganization(house, `By ${protocol}`, `${protocol}.example`);
      await house.api("POST", "/_lentil/v1/connections", { organization_id: organization.id, connection_type: "TestIdp", protocol });
      const { person, page } = await atSignIn(house);
      await page.getByLabel("Email").fill(email);
      await page.getByTestId("continue").click();
      await (protocol === "saml" ? beBySAML : be)(page, email, "Ada");
      await greeted(page, email);
      const seen = await me(page, house);
      same([seen.organizationId, seen.role], [organization.id, "member"], protocol);
      whole(house, person);
      await person.close();
    }
  },

  "a SAML sign-in that begins at the provider goes through the app": async (house) => {
    const organization = await newOrganization(house, "Dashboards", "dashboard.example");
    const connection = await house.api("POST", "/_lentil/v1/connections", { organization_id: organization.id, connection_type: "TestIdp", protocol: "saml" });
    for (const route of ["/login", "/sign-in"]) {
      await house.set({ initiate_login_uri: house.url + route });
      const person = await visitor(house);
      const page = await person.newPage();
      await page.goto(`${connection.test_idp_url}/saml`);
      await beBySAML(page, "sam@dashboard.example", "Sam");
      await beBySAML(page, "sam@dashboard.example", "Sam"); // this time the app asked
      await greeted(page, "sam@dashboard.example");
      same((await me(page, house)).organizationId, organization.id, route);
      whole(house, person);
      await person.close();
    }
  },

  "a mailed link sets a new password": async (house) => {
    await house.set({ initiate_login_uri: `${house.url}/sign-in` });
    await newUser(house, "ron@example.com");
    const reset = await house.api("POST", "/user_management/password_reset", { email: "ron@example.com" });
    const person = await visitor(house);
    const page = await person.newPage();
    await page.goto(reset.password_reset_url);
    await at(page, "new-password");
    await page.getByLabel("Password").fill("a wholly new password");
    await page.getByRole("button", { name: "Continue" }).click();
    await greeted(page, "ron@example.com");
    whole(house, person);
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("link", { name: "Sign in" }).click();
    await enterPassword(page, "ron@example.com", password);
    await refused(page, "do not match");
    await enterPassword(page, "ron@example.com", "a wholly new password");
    await greeted(page, "ron@example.com");
    await person.close();
  },

  "somebody of the operator's acts as a user, and both sides of the app see it": async (house) => {
    await house.set({ initiate_login_uri: `${house.url}/sign-in` });
    const user = await newUser(house, "iris@example.com");
    const acting = { email: "help@example.com", reason: "ticket 7: cannot see soups" };
    const { url } = await house.api("POST", "/_lentil/v1/impersonations", { user_id: user.id, reason: acting.reason, impersonator_email: acting.email });
    const person = await visitor(house);
    const page = await person.newPage();
    await page.goto(url);
    await page.getByRole("button", { name: "Sign in as iris@example.com" }).click();
    await greeted(page, "iris@example.com");
    same((await me(page, house)).impersonator, acting);
    await page.getByText("You are impersonating iris@example.com").waitFor();
    whole(house, person);
    await page.getByRole("button", { name: "Stop" }).click();
    await page.getByRole("link", { name: "Sign in" }).waitFor();
    same((await house.api("GET", `/user_management/users/${user.id}/sessions`)).data.map((s) => s.status), ["revoked"]);
    await person.close();
  },

  "a session that was revoked by the API ends with its token": async (house) => {
    await house.set({ access_token_lifetime: 3 }); // the package trusts a token until it ends
    try {
      const { user, person, page } = await signedIn(house, "rita@example.com");
      const { sessionId } = await me(page, house);
      await house.api("POST", "/user_management/sessions/revoke", { session_id: sessionId });
      await until("nobody", async () => (await me(page, house)).email === null);
      await page.goto(house.url);
      await page.getByRole("link", { name: "Sign in" }).waitFor();
      same((await person.cookies(house.url)).filter((c) => c.name === "wos-session"), [], "the session's cookie");
      await page.goto(`${house.url}/protected`);
      await at(page, "sign-in");
      same((await house.api("GET", `/user_management/users/${user.id}/sessions`)).data.map((s) => s.status), ["revoked"]);
      await person.close();
    } finally {
      await house.set({ access_token_lifetime: null });
    }
  },

  "a protected page asks to sign in and is shown after it": async (house) => {
    const email = "grace@example.com";
    await newUser(house, email);
    const person = await visitor(house);
    const page = await person.newPage();
    await page.goto(`${house.url}/protected`);
    contains(page.url(), "/login/", "the address of the sign-in page");
    await enterPassword(page, email, password);
    await heading(page, `Only for ${email}`);
    same(page.url(), `${house.url}/protected`);
    await person.close();
  },

  "short tokens are renewed on the way, also by ten requests at once": async (house) => {
    await house.set({ access_token_lifetime: 20 }); // below the package's buffer: each request renews
    try {
      const { page, person } = await signedIn(house, "linus@example.com");
      const first = await me(page, house);
      const second = await me(page, house);
      holds(first.accessToken !== second.accessToken && first.sessionId === second.sessionId, "the token was not renewed, or the session changed");
      const many = await Promise.all(Array.from({ length: 10 }, () => me(page, house)));
      same(new Set(many.map((m) => m.email)).size, 1, "who ten requests at once came from");
      same(many[0].email, "linus@example.com");
      for (let i = 0; i < 3; i++) {
        await page.reload();
        await greeted(page, "linus@example.com");
      }
      await page.getByRole("button", { name: "Refresh" }).click();
      await until("still there", async () => (await page.getByTestId("client-user").textContent()) === "linus@example.com");
      await person.close();
    } finally {
      await house.set({ access_token_lifetime: null });
    }
  },

  "switching to an organization brings its role into the token": async (house) => {
    const { user, page, person } = await signedIn(house, "margaret@example.com");
    const organization = await newOrganization(house, "Apollo");
    await join(house, user, organization, "admin");
    await page.goto(`${house.url}/switch?to=${organization.id}`);
    await page.getByRole("button", { name: "Switch" }).click();
    await heading(page, "Only for margaret@example.com");
    const claims = JSON.parse(await page.getByTestId("claims").textContent());
    same([claims.organizationId, claims.role], [organization.id, "admin"]);
    await person.close();
  },

  "signing out ends the session and comes back to the app": async (house) => {
    const { user, page, person } = await signedIn(house, "edsger@example.com");
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("link", { name: "Sign in" }).waitFor();
    same(new URL(page.url()).origin, house.url);
    same((await me(page, house)).email, null);
    const sessions = await house.api("GET", `/user_management/users/${user.id}/sessions`);
    same(sessions.data.map((s) => s.status), ["revoked"]);
    await person.close();
  },

  "what passed between the app and the house was as described": async (house) => {
    same(house.proxy.wrong, [], "answers that are not as described");
    for (const operation of ["authenticate", "getJwks", "authorize"]) {
      holds(house.proxy.calls.includes(operation), `nobody asked for ${operation}: ${[...new Set(house.proxy.calls)]}`);
    }
  },
};
