// Impersonation and the account page in a real browser, with the official React and Node clients.
import { WorkOS as WorkOS11 } from "workos-node-11";
import { enterCode, enterPassword, newPerson } from "../lib/browser.mjs";
import { contains, holds, lacks, same } from "../lib/check.mjs";
import { patience } from "../lib/lentil.mjs";
import { at, authenticator, claims, closeSignIn, openSignIn, operator, password, totp, wrongTotp } from "../lib/signin.mjs";

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

  "without an initiate-login address the app's homepage is where it begins": async (house) => {
    await operator(house, "PATCH", "settings", { initiate_login_uri: null, impersonation_notice: false });
    const user = await verifiedUser(house, "uma@example.com");
    const person = await newPerson(house.browser);
    const page = await person.newPage();
    await page.goto((await impersonate(house, user)).url);
    await page.getByTestId("continue").click();
    await page.waitForURL(`${house.url}/`);
    await page.getByRole("button", { name: "Sign in" }).click();
    await board(page);
    same((await house.workos.userManagement.listSessions(user.id)).data.map((s) => s.impersonator?.email), ["help@example.com"]);
    same(person.problems, []); // the package has refused nothing
    await person.close();
  },

  "without a homepage either the code goes to the app's server; token and refresh say who acts": async (house) => {
    const homepage = (await operator(house, "GET", "settings")).app_homepage_url;
    await operator(house, "PATCH", "settings", { app_homepage_url: null });
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
    const eleven = new WorkOS11(house.lentil.info.apiKey, { clientId, apiHostname: "localhost", port: Number(new URL(house.lentil.info.authkitUrl).port), https: false });
    const [listed] = (await eleven.userManagement.listSessions(user.id)).data;
    same([listed.authMethod, listed.impersonator], ["impersonation", { email: "help@example.com", reason: "ticket 7: cannot see soups" }]);
    same([token.sub, token.act, token.org_id], [user.id, { sub: "help@example.com" }, org.id]);
    const next = await house.workos.userManagement.authenticateWithRefreshToken({ clientId, refreshToken: grant.refreshToken });
    same([next.impersonator?.email, claims(next.accessToken).act], ["help@example.com", { sub: "help@example.com" }]);
    await context.close();

    await operator(house, "PATCH", "settings", { impersonation_allowed: false });
    const refused = await impersonate(house, user).catch((e) => e.message);
    contains(String(refused), "impersonation_disabled");
    await operator(house, "PATCH", "settings", { impersonation_allowed: true, app_homepage_url: homepage });
  },

  "the account page: names, password, address, devices and signing out, without any script": async (house) => {
    const user = await verifiedUser(house, "mia@example.com");
    const context = await house.browser.newContext({ javaScriptEnabled: false });
    context.setDefaultTimeout(patience);
    const page = await context.newPage();
    const account = `${house.lentil.info.authkitUrl}/account`;
    await page.goto(account);
    await enterPassword(page, "mia@example.com", password); // who is not signed in signs in first
    await page.getByRole("heading", { name: "Your account" }).waitFor();
    holds(/\/account\/client_[^?]*$/.test(page.url()), `at ${page.url()}`);

    await page.getByLabel("First name").fill("Mia <b>");
    await page.getByLabel("Last name").fill("Lopez");
    await page.getByRole("button", { name: "Save" }).click();
    contains(await page.getByTestId("notice").innerText(), "saved");
    const renamed = await house.workos.userManagement.getUser(user.id);
    same([renamed.firstName, renamed.lastName], ["Mia <b>", "Lopez"]);

    // Two devices: the app in this browser, and another one.
    await page.goto(house.plain.authorize());
    await page.getByText("Signed in").waitFor();
    await house.plain.redeem();
    const elsewhere = await house.workos.userManagement.authenticateWithPassword({ clientId: house.lentil.info.clientId, email: "mia@example.com", password, ipAddress: "198.51.100.7", userAgent: "Mozilla/5.0 (iPhone) Safari/604.1" });
    await page.goto(account);
    const devices = await page.getByTestId("devices").getByRole("listitem").allInnerTexts();
    same(devices.length, 2);
    contains(devices.join("\n"), "Safari on iPhone");
    contains(devices.join("\n"), "198.51.100.7");
    same(devices.filter((d) => d.includes("This browser")).length, 1);
    await page.getByRole("button", { name: "Sign out everywhere else" }).click();
    contains(await page.getByTestId("notice").innerText(), "everywhere else");
    same((await page.getByTestId("devices").getByRole("listitem").allInnerTexts()).length, 1);
    const gone = await house.workos.userManagement.authenticateWithRefreshToken({ clientId: house.lentil.info.clientId, refreshToken: elsewhere.refreshToken }).catch((e) => e);
    contains(String(gone.message), "invalid_grant");

    // The password: the current one is asked for, and the new one must be good.
    const next = "an entirely new passphrase";
    await page.getByRole("link", { name: "Change your password" }).click();
    for (const [current, chosen, said] of [["wrong wrong wrong", next, "not right"], [password, "short", "At least|at least"]]) {
      await page.getByLabel("Current password").fill(current);
      await page.getByLabel("New password").fill(chosen);
      await page.getByRole("button", { name: "Save" }).click();
      holds(new RegExp(said).test(await page.getByRole("alert").innerText()), `after ${current}: ${await page.getByRole("alert").innerText()}`);
    }
    await page.getByLabel("Current password").fill(password);
    await page.getByLabel("New password").fill(next);
    await page.getByLabel("Sign out everywhere else").uncheck();
    await page.getByRole("button", { name: "Save" }).click();
    contains(await page.getByTestId("notice").innerText(), "password was changed");
    same((await page.getByTestId("devices").getByRole("listitem").allInnerTexts()).length, 1, "devices after a password change");
    await house.workos.userManagement.authenticateWithPassword({ clientId: house.lentil.info.clientId, email: "mia@example.com", password: next });

    // The address: a code to the new one, a note to the former.
    await page.getByRole("link", { name: "Change your email" }).click();
    await page.getByLabel("Email").fill("mia.lopez@example.com");
    await page.getByRole("button", { name: "Continue" }).click();
    const code = await house.lentil.code("mia.lopez@example.com");
    await enterCode(page, code === "000000" ? "111111" : "000000");
    await page.getByRole("alert").waitFor();
    same((await house.workos.userManagement.getUser(user.id)).email, "mia@example.com");
    await enterCode(page, code);
    contains(await page.getByTestId("notice").innerText(), "address was changed");
    same(await page.getByTestId("account-email").innerText(), "mia.lopez@example.com");
    const notes = (await house.lentil.outbox("mia@example.com")).map((m) => m.text).join("\n");
    contains(notes, "Your password was changed");
    contains((await house.lentil.outbox("mia@example.com")).map((m) => m.subject).join("\n"), "address was changed");

    await page.getByTestId("sign-out").click();
    await page.getByRole("heading", { name: /signed out/i }).waitFor();
    same((await house.workos.userManagement.listSessions(user.id)).data.filter((s) => s.status === "active" && s.userAgent?.includes("Chrome")).length, 0);
    await page.goto(account);
    await at(page, "sign-in");
    await context.close();
  },

  "factors and passkeys are added, named and removed; the sign-in must be fresh": async (house) => {
    await operator(house, "PATCH", "settings", { authentication_methods: { passkey: true } });
    await verifiedUser(house, "sam@example.com");
    const person = await newPerson(house.browser);
    const page = await person.newPage();
    await authenticator(page);
    const account = `${house.lentil.info.authkitUrl}/account`.replace("127.0.0.1", "localhost");
    await page.goto(account);
    await enterPassword(page, "sam@example.com", password);
    await page.getByTestId("not-now").click();
    await page.getByTestId("add-factor").click();
    await page.getByText("Cannot scan it?").click();
    const secret = await page.getByTestId("secret").innerText();
    await enterCode(page, wrongTotp(secret));
    contains(await page.getByRole("alert").innerText(), "not right");
    await enterCode(page, totp(secret));
    const codes = await page.getByTestId("recovery-codes").getByRole("listitem").allInnerTexts();
    same(codes.length, 10);
    await page.getByTestId("back").click();
    contains(await page.getByTestId("factors").innerText(), "10 left");
    await page.getByTestId("new-codes").click();
    const fresh = await page.getByTestId("recovery-codes").getByRole("listitem").allInnerTexts();
    holds(!fresh.some((c) => codes.includes(c)), "old recovery codes among the new ones");
    await page.getByTestId("back").click();

    await page.getByTestId("add-passkey").click();
    await page.getByTestId("create-passkey").click();
    contains(await page.getByTestId("notice").innerText(), "passkey was added");
    await page.getByTestId("passkey-name").fill("My laptop");
    await page.getByTestId("rename-passkey").click();
    contains(await page.getByTestId("notice").innerText(), "new name");
    same(await page.getByTestId("passkey-name").inputValue(), "My laptop");

    // Minutes later (by the environment's clock) the page still shows, and a change asks who it is.
    await operator(house, "POST", "clock/advance", { seconds: 360 });
    await page.reload();
    await page.getByRole("heading", { name: "Your account" }).waitFor();
    await page.getByTestId("remove-factor").click();
    await at(page, "sign-in");
    await page.getByTestId("passkey-sign-in").click();
    await page.getByRole("heading", { name: "Your account" }).waitFor();
    await page.getByTestId("remove-factor").click();
    contains(await page.getByTestId("notice").innerText(), "was removed");
    same(await page.getByTestId("factors").count(), 0);
    await page.getByTestId("remove-passkey").click();
    contains(await page.getByTestId("notice").innerText(), "passkey was removed");
    const told = (await house.lentil.outbox("sam@example.com")).map((m) => m.text).join("\n");
    for (const what of ["An authenticator app was added", "A passkey was added", "An authenticator app was removed", "A passkey was removed"]) {
      contains(told, what);
    }
    await person.close();
  },

  "applications with access are listed and sent away": async (house) => {
    const user = await verifiedUser(house, "kim@example.com");
    const organization = await house.workos.organizations.createOrganization({ name: "Boards" });
    await house.workos.userManagement.createOrganizationMembership({ userId: user.id, organizationId: organization.id });
    const app = await house.workos.connect.createOAuthApplication("Board <i>", false, null, null, [{ uri: `${house.plain.url}/callback` }], true, organization.id);
    const context = await house.browser.newContext({ javaScriptEnabled: false });
    context.setDefaultTimeout(patience);
    const page = await context.newPage();
    const base = house.lentil.info.authkitUrl;
    const query = { client_id: app.clientId, redirect_uri: `${house.plain.url}/callback`, response_type: "code", scope: "openid offline_access", state: "s",
      code_challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", code_challenge_method: "S256" };
    await page.goto(`${base}/oauth2/authorize?${new URLSearchParams(query)}`);
    await enterPassword(page, "kim@example.com", password);
    const later = page.getByTestId("not-now");
    await later.or(page.locator("button[value=allow]")).first().waitFor();
    if (await later.count()) await later.click();
    await page.locator("button[value=allow]").click();
    await page.getByText("Signed in").waitFor();
    await page.goto(`${base}/account?client_id=${house.lentil.info.clientId}`);
    contains(await page.getByTestId("applications").innerText(), "Board <i>");
    await page.getByTestId("withdraw").click();
    contains(await page.getByTestId("notice").innerText(), "may not use your account any more");
    same(await page.getByTestId("applications").count(), 0);
    same((await house.workos.userManagement.listUsers({ email: "kim@example.com" })).data.length, 1);
    await context.close();
  },

  "an account elsewhere is unlinked, unless it is the only way in": async (house) => {
    await operator(house, "PUT", "providers/GoogleOAuth", { test: true });
    await operator(house, "PATCH", "settings", { authentication_methods: { magic_code: false, passkey: false, social: ["GoogleOAuth"] } });
    const person = await newPerson(house.browser);
    const page = await person.newPage();
    const account = `${house.lentil.info.authkitUrl}/account`;
    await page.goto(account);
    await page.getByTestId("with-GoogleOAuth").click();
    await page.getByRole("heading", { name: "Test identity provider" }).waitFor();
    await page.getByLabel("Email", { exact: true }).fill("gina@example.com");
    await page.getByLabel("First name").fill("Gina");
    await page.getByRole("button", { name: "Continue" }).click();
    await page.getByRole("heading", { name: "Your account" }).waitFor();
    contains(await page.getByTestId("linked").innerText(), "Google");
    await page.getByTestId("unlink").click();
    contains(await page.getByTestId("alert").innerText(), "only way you can sign in");
    await page.getByRole("link", { name: "Set a password" }).click();
    same(await page.getByLabel("Current password").count(), 0);
    await page.getByLabel("New password").fill("a passphrase of her own");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByTestId("unlink").click();
    contains(await page.getByTestId("notice").innerText(), "unlinked");
    const [user] = (await house.workos.userManagement.listUsers({ email: "gina@example.com" })).data;
    same(await house.workos.userManagement.getUserIdentities(user.id), []);
    contains((await house.lentil.outbox("gina@example.com")).map((m) => m.text).join("\n"), "was unlinked");

    // What a screen reader needs: every field has a label, every button a name, every id is there once.
    const faults = await page.evaluate(() => {
      const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
      return [
        ...[...document.querySelectorAll("input:not([type=hidden])")].filter((i) => !i.labels.length).map((i) => `no label: ${i.name}`),
        ...[...document.querySelectorAll("button, a")].filter((b) => !b.textContent.trim() && !b.ariaLabel).map(() => "no name"),
        ...ids.filter((id, at) => ids.indexOf(id) !== at).map((id) => `twice: ${id}`),
        ...[...document.querySelectorAll("[aria-labelledby]")].filter((e) => !document.getElementById(e.getAttribute("aria-labelledby"))).map(() => "labelled by nothing"),
      ];
    });
    same(faults, []);
    same(person.problems.filter((p) => !p.includes("400")), []); // the refusal above
    await person.close();
  },
};
