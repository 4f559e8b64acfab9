// Organizations, invitations, mailed links and branding in a real browser, with the official React client.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { enterPassword, enterCode, newPerson } from "../lib/browser.mjs";
import { contains, holds, lacks, same } from "../lib/check.mjs";
import { at, claims, closeSignIn, openSignIn, operator, password } from "../lib/signin.mjs";
import { patience, root, until } from "../lib/lentil.mjs";

export async function setUp() {
  const house = await openSignIn();
  const { userManagement, organizations } = house.workos;
  house.ada = await userManagement.createUser({ email: "ada@example.com", password, emailVerified: true });
  house.acme = await organizations.createOrganization({ name: "Acme <Soups>" });
  house.zeta = await organizations.createOrganization({ name: "Zeta Stews" });
  house.other = await organizations.createOrganization({ name: "Other People" });
  return house;
}
export const tearDown = closeSignIn;

const board = (page) => page.getByPlaceholder("Suggest a soup").waitFor();
const arrived = (page) => page.getByText("Signed in").waitFor();
const alertOf = async (page) => {
  await page.getByRole("alert").waitFor();
  return await page.getByRole("alert").innerText();
};

export const scenarios = {
  "one organization is entered, one of several is chosen, one that is not theirs is refused": async (house) => {
    const join = (org) => house.workos.userManagement.createOrganizationMembership({ userId: house.ada.id, organizationId: org.id });
    const person = await newPerson(house.browser);
    const page = await person.newPage();
    const signIn = async (more) => {
      await page.goto(house.plain.authorize({ prompt: "login", ...more }));
      await enterPassword(page, "ada@example.com", password);
    };
    await signIn();
    await arrived(page);
    lacks(JSON.stringify(await house.plain.redeem()), "organization_id");
    await join(house.acme);
    await signIn();
    await arrived(page);
    const only = await house.plain.redeem();
    same([only.organization_id, claims(only.access_token).org_id], [house.acme.id, house.acme.id]);
    await join(house.zeta);

    // The React app asks for none, so the page does.
    await page.goto(house.url);
    await page.getByRole("button", { name: "Sign in" }).click();
    await board(page); // the browser remembers Acme
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("button", { name: "Sign in" }).click();
    await enterPassword(page, "ada@example.com", password);
    await at(page, "organization");
    same(await page.getByRole("button").allInnerTexts(), ["Acme <Soups>", "Zeta Stews"]);
    await page.getByRole("button", { name: "Zeta Stews" }).click();
    await board(page);
    const sessions = (await house.workos.userManagement.listSessions(house.ada.id)).data;
    same(sessions[0].organizationId, house.zeta.id);

    // Asked for by the app: without a question, or not at all.
    await page.goto(house.plain.authorize({ organization_id: house.acme.id }));
    await arrived(page);
    same((await house.plain.redeem()).organization_id, house.acme.id);
    await page.goto(house.plain.authorize({ organization_id: house.other.id }));
    await page.getByText("You are not a member").waitFor();
    contains(await page.locator("main").innerText(), "Other People");
    await page.getByTestId("back-to-app").click();
    await page.getByText("Plain app").waitFor();
    same([house.plain.arrivals.at(-1).error, house.plain.arrivals.at(-1).state], ["access_denied", "plain state"]);
    await page.goto(house.plain.authorize({ organization_id: "org_01J00000000000000000000000" }));
    await page.getByText("Plain app").waitFor();
    same(house.plain.arrivals.at(-1).error, "organization_invalid");
    await person.close();
  },

  "an organization asks its members for a second factor": async (house) => {
    await operator(house, "PUT", `organizations/${house.zeta.id}/sign_in_policy`, { mfa_policy: "required" });
    const person = await newPerson(house.browser);
    const page = await person.newPage();
    await page.goto(house.plain.authorize({ organization_id: house.acme.id }));
    await enterPassword(page, "ada@example.com", password);
    await arrived(page);
    await page.goto(house.plain.authorize({ organization_id: house.zeta.id }));
    await at(page, "enroll");
    await operator(house, "PUT", `organizations/${house.zeta.id}/sign_in_policy`, { mfa_policy: "optional" });
    await person.close();
  },

  "an invitation makes an account where sign-ups are closed, for its address alone": async (house) => {
    await operator(house, "PATCH", "settings", { sign_up_allowed: false });
    const invite = (email) => house.workos.userManagement.sendInvitation({ email, organizationId: house.acme.id });
    const bob = await invite("bob@elsewhere.test");
    const mail = (await house.lentil.outbox("bob@elsewhere.test"))[0];
    contains(mail.text, bob.acceptInvitationUrl);

    // A stranger: no sign-up without it, and none with somebody else's.
    const stranger = await newPerson(house.browser);
    const s = await stranger.newPage();
    await s.goto(house.plain.authorize({ screen_hint: "sign-up" }));
    await at(s, "sign-in");
    same(await s.getByTestId("sign-up").count(), 0);
    await s.goto(house.plain.authorize({ invitation_token: bob.token }));
    await enterPassword(s, "mallory@example.com", password);
    await at(s, "code");
    await enterCode(s, await house.lentil.code("mallory@example.com"));
    await s.getByTestId("invitation-fault").waitFor();
    same((await house.workos.userManagement.listUsers({ email: "mallory@example.com" })).data, []);
    await s.goto(`${house.lentil.info.authkitUrl}/invite?token=nonsense`);
    contains(await s.locator("main").innerText(), "link");
    await stranger.close();

    // Bob follows the link of the mail, and comes out at the React app's homepage: without a code, which its package would refuse.
    const person = await newPerson(house.browser);
    const page = await person.newPage();
    await page.goto(bob.acceptInvitationUrl);
    await at(page, "sign-up");
    same(await page.getByLabel("Email").inputValue(), "bob@elsewhere.test");
    await page.getByLabel("Password").fill("bob@elsewhere.test");
    await page.getByRole("button", { name: "Continue" }).click();
    contains(await alertOf(page), "too close to your e-mail address");
    await page.getByLabel("Password").fill(password);
    await page.getByRole("button", { name: "Continue" }).click();
    await page.waitForURL(`${house.url}/`);
    await until("the membership", async () => {
      const user = (await house.workos.userManagement.listUsers({ email: "bob@elsewhere.test" })).data[0];
      const members = user && (await house.workos.userManagement.listOrganizationMemberships({ userId: user.id })).data;
      return members?.[0]?.status === "active" && members[0].organizationId === house.acme.id && user.emailVerified;
    });
    same((await house.workos.userManagement.getInvitation(bob.id)).state, "accepted");
    // The app knows him without another question.
    await page.getByRole("button", { name: "Sign in" }).click();
    await board(page);
    await person.close();

    // Revoked and used ones have a page that leads on.
    const eve = await invite("eve@elsewhere.test");
    await house.workos.userManagement.revokeInvitation(eve.id);
    const late = await newPerson(house.browser);
    const l = await late.newPage();
    await l.goto(eve.acceptInvitationUrl);
    contains(await l.getByTestId("invitation-fault").innerText(), "withdrawn");
    await l.getByTestId("sign-in").click();
    await enterPassword(l, "ada@example.com", password);
    await at(l, "organization");
    await late.close();
    await operator(house, "PATCH", "settings", { sign_up_allowed: true });
  },

  "an application that can begin sign-ins is given the invitation": async (house) => {
    await operator(house, "PATCH", "settings", { initiate_login_uri: `${house.plain.url}/login` });
    const i = await house.workos.userManagement.sendInvitation({ email: "ada@example.com", organizationId: house.other.id });
    const answer = await fetch(i.acceptInvitationUrl, { redirect: "manual" });
    same([answer.status, answer.headers.get("location")], [302, `${house.plain.url}/login?invitation_token=${i.token}`]);
    // An app that forgets the token on its way loses nothing.
    const forgetful = await newPerson(house.browser);
    const f = await forgetful.newPage();
    const zoe = await house.workos.userManagement.sendInvitation({ email: "zoe@elsewhere.test", organizationId: house.other.id });
    await f.goto(zoe.acceptInvitationUrl);
    await f.getByText("Plain app").waitFor();
    await f.goto(house.plain.authorize());
    await at(f, "sign-up");
    same(await f.getByLabel("Email").inputValue(), "zoe@elsewhere.test");
    await f.goto(house.plain.authorize());
    await at(f, "sign-in");
    await forgetful.close();
    await operator(house, "PATCH", "settings", { initiate_login_uri: null });
    const person = await newPerson(house.browser);
    const page = await person.newPage();
    await page.goto(house.plain.authorize({ invitation_token: i.token }));
    await at(page, "sign-in");
    await enterPassword(page, "ada@example.com", password);
    await arrived(page);
    same((await house.plain.redeem()).organization_id, house.other.id);
    await person.close();
  },

  "a mailed link sets a new password, once": async (house) => {
    await house.workos.userManagement.createUser({ email: "ron@example.com", password, emailVerified: true });
    const reset = await house.workos.userManagement.createPasswordReset({ email: "ron@example.com" });
    const person = await newPerson(house.browser);
    const page = await person.newPage();
    const link = house.plain.authorize({ password_reset_token: reset.passwordResetToken });
    await page.goto(link);
    await at(page, "new-password");
    await page.getByLabel("Password").fill("short");
    await page.getByRole("button", { name: "Continue" }).click();
    contains(await alertOf(page), "at least 10");
    await page.getByLabel("Password").fill("a wholly new password");
    await page.getByRole("button", { name: "Continue" }).click();
    await arrived(page);
    await page.goto(link);
    contains(await alertOf(page), "expired or was used");
    await page.goto(house.plain.authorize({ prompt: "login" }));
    await enterPassword(page, "ron@example.com", password);
    contains(await alertOf(page), "do not match");
    await enterPassword(page, "ron@example.com", "a wholly new password");
    await arrived(page);
    await person.close();
  },

  "pages bear the brand, in light and dark, on a phone and without a line that cannot be read": async (house) => {
    const logo = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 20"><rect width="40" height="20" rx="6" fill="#d0006f"/></svg>').toString("base64");
    await operator(house, "PATCH", "branding", { name: "Soup & Co", accent_light: "#d0006f", logo: `data:image/svg+xml;base64,${logo}` });
    const shots = process.env.SCREENSHOTS ?? join(root, "conformance", ".work", "screenshots");
    mkdirSync(shots, { recursive: true });
    for (const colorScheme of ["light", "dark"]) {
      const person = await house.browser.newContext({ colorScheme, viewport: { width: 320, height: 640 }, deviceScaleFactor: 2, hasTouch: true });
      person.setDefaultTimeout(patience);
      const page = await person.newPage();
      const refused = [];
      page.on("console", (m) => m.type() === "error" && refused.push(m.text()));
      await page.goto(house.plain.authorize({ prompt: "login" }));
      await at(page, "sign-in");
      same(await page.title(), "Sign in · Soup & Co");
      same(await page.getByTestId("logo").evaluate((img) => img.complete && img.naturalWidth > 0), true);
      const seen = await page.evaluate(() => {
        const button = document.querySelector("[data-testid=continue]");
        const channels = (c) => c.match(/[\d.]+/g).slice(0, 3).map(Number);
        const luminance = (c) => {
          const [r, g, b] = channels(c).map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
          return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        const style = getComputedStyle(button);
        const [a, b] = [luminance(style.color), luminance(style.backgroundColor)].sort((x, y) => y - x);
        const small = [...document.querySelectorAll("button, input:not([type=hidden])")].map((e) => e.getBoundingClientRect().height).filter((h) => h < 44);
        return {
          contrast: (a + 0.05) / (b + 0.05), ground: luminance(getComputedStyle(document.body).backgroundColor),
          wide: document.documentElement.scrollWidth > innerWidth, small: small.length, focused: document.activeElement?.id,
        };
      });
      holds(seen.contrast >= 4.5, `a button with a contrast of ${seen.contrast}`);
      holds(colorScheme === "dark" ? seen.ground < 0.1 : seen.ground > 0.8, `the ${colorScheme} ground has a luminance of ${seen.ground}`);
      same([seen.wide, seen.small, seen.focused], [false, 0, "email"]);
      // The keyboard goes through the form in its order.
      const order = [];
      for (let i = 0; i < 4; i++) {
        order.push(await page.evaluate(() => document.activeElement.dataset.testid));
        await page.keyboard.press("Tab");
      }
      same(order, ["email", "forgot", "password", "continue"]);
      await page.screenshot({ path: join(shots, `sign-in-${colorScheme}.png`) });
      await page.getByLabel("Email").fill("ada@example.com");
      await page.getByLabel("Password").fill("wrong wrong wrong");
      await page.keyboard.press("Enter");
      contains(await alertOf(page), "do not match");
      same(await page.evaluate(() => document.activeElement.id), "password");
      await page.screenshot({ path: join(shots, `sign-in-wrong-${colorScheme}.png`) });
      same(refused.filter((t) => !/favicon|status of 400/.test(t)), []);
      await person.close();
    }
    // Mails and the page's frame rules.
    const answer = await fetch(house.plain.authorize());
    contains(answer.headers.get("content-security-policy"), "frame-ancestors 'none'");
    same(answer.headers.get("x-frame-options"), "DENY");
    const refused = await fetch(`${house.lentil.info.authkitUrl}/_lentil/v1/branding`, {
      method: "PATCH",
      headers: { Authorization: `Bearer ${house.lentil.info.apiKey}`, "Content-Type": "application/json" },
      body: JSON.stringify({ logo: `data:image/svg+xml;base64,${Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>').toString("base64")}` }),
    });
    same(refused.status, 422);
    await operator(house, "PATCH", "branding", { name: null, accent_light: null, logo: null });
  },
};
