// Passkeys in a real browser, with Chromium's virtual authenticator.
import { enterPassword, newPerson } from "../lib/browser.mjs";
import { contains, holds, lacks, same } from "../lib/check.mjs";
import { at, authenticator, claims, closeSignIn, openSignIn, operator, password } from "../lib/signin.mjs";

export const setUp = async () => {
  const house = await openSignIn();
  await operator(house, "PATCH", "settings", { authentication_methods: { passkey: true } });
  return house;
};
export const tearDown = closeSignIn;

/** The sign-in page, on the host that passkeys can be bound to. */
const authorize = (house, more) => house.plain.authorize({ prompt: "login", ...more }).replace("127.0.0.1", "localhost");
const events = async (house, ...names) => (await house.workos.events.listEvents({ events: names, limit: 100 })).data;

async function verifiedUser(house, email) {
  return await house.workos.userManagement.createUser({ email, password, emailVerified: true });
}

export const scenarios = {
  "a passkey is offered after a password, made, and signs in without one": async (house) => {
    const user = await verifiedUser(house, "ada@example.com");
    const person = await newPerson(house.browser);
    const page = await person.newPage();
    const device = await authenticator(page);
    await page.goto(authorize(house));
    await enterPassword(page, "ada@example.com", password);
    await at(page, "add-passkey");
    await page.getByRole("button", { name: "Create a passkey" }).click();
    await page.getByText("Signed in").waitFor();
    same((await house.plain.redeem()).authentication_method, "Password");
    const [made] = await device.credentials();
    same([made.rpId, made.isResidentCredential], ["localhost", true]);
    lacks(Buffer.from(made.userHandle, "base64").toString("latin1"), "ada");

    await page.goto(authorize(house));
    await at(page, "passkey");
    await page.getByRole("button", { name: "Sign in with a passkey" }).click();
    await page.getByText("Signed in").waitFor();
    const grant = await house.plain.redeem();
    same([grant.authentication_method, grant.user.id], ["Passkey", user.id]);
    const sessions = await house.workos.userManagement.listSessions(user.id);
    holds(sessions.data.some((s) => s.authMethod === "passkey"), "no session by passkey");
    same((await events(house, "authentication.passkey_succeeded")).map((e) => e.data.userId), [user.id]);
    contains((await house.lentil.outbox("ada@example.com")).map((m) => m.subject).join("\n"), "passkey was added");

    // From the suggestions of the address field, without a button; the page may be left before it is loaded.
    device.suggested = true;
    await page.goto(authorize(house), { waitUntil: "commit" });
    await page.getByText("Signed in").waitFor();
    same((await house.plain.redeem()).authentication_method, "Passkey");
    same(person.problems, []);
    await person.close();
  },

  "a passkey is both factors where a second one is required": async (house) => {
    await operator(house, "PATCH", "settings", { mfa_policy: "required" });
    const person = await newPerson(house.browser);
    const page = await person.newPage();
    const device = await authenticator(page);
    const user = await verifiedUser(house, "tom@example.com");
    await operator(house, "PATCH", "settings", { mfa_policy: "off" });
    await page.goto(authorize(house));
    await enterPassword(page, "tom@example.com", password);
    await at(page, "add-passkey");
    await page.getByTestId("create-passkey").click();
    await page.getByText("Signed in").waitFor();
    await operator(house, "PATCH", "settings", { mfa_policy: "required" });
    device.suggested = true;
    await page.goto(authorize(house), { waitUntil: "commit" });
    await page.getByText("Signed in").waitFor();
    const grant = await house.plain.redeem();
    same([grant.authentication_method, claims(grant.access_token).sub], ["Passkey", user.id]);
    await operator(house, "PATCH", "settings", { mfa_policy: "optional" });
    await person.close();
  },

  "an unverified user, a copied key and a stranger's key are refused, and said to the operator": async (house) => {
    const user = await verifiedUser(house, "mia@example.com");
    const person = await newPerson(house.browser);
    const page = await person.newPage();
    const device = await authenticator(page);
    await page.goto(authorize(house));
    await enterPassword(page, "mia@example.com", password);
    await at(page, "add-passkey");
    await page.getByTestId("create-passkey").click();
    await page.getByText("Signed in").waitFor();

    // The authenticator does not know its user: the browser itself gives up.
    await page.goto(authorize(house));
    await at(page, "passkey");
    await device.set("setUserVerified", { isUserVerified: false });
    await page.getByTestId("passkey-sign-in").click();
    await page.getByTestId("passkey-problem").waitFor();
    await device.set("setUserVerified", { isUserVerified: true });

    // A copy that counts from the beginning, while the original has counted on.
    const [key] = await device.credentials();
    await device.set("clearCredentials");
    await device.set("addCredential", { credential: { ...key, signCount: 100 } });
    device.suggested = true;
    await page.goto(authorize(house), { waitUntil: "commit" });
    await page.getByText("Signed in").waitFor();
    device.suggested = false;
    await device.set("clearCredentials");
    await device.set("addCredential", { credential: { ...key, signCount: 0 } });
    await page.goto(authorize(house));
    await at(page, "passkey");
    await page.getByTestId("passkey-sign-in").click();
    await page.getByTestId("alert").waitFor();
    contains(await page.getByTestId("alert").innerText(), "does not open an account here");
    const failed = await events(house, "authentication.passkey_failed");
    same(failed.map((e) => e.data.userId), [user.id]);
    contains(failed[0].data.error.message, "counter");

    // Of a user who is gone.
    await house.workos.userManagement.deleteUser(user.id);
    await page.goto(authorize(house));
    await at(page, "passkey");
    await page.getByTestId("passkey-sign-in").click();
    await page.getByTestId("alert").waitFor();
    await person.close();
  },

  "who declines is left alone, and without script or support nothing asks": async (house) => {
    await verifiedUser(house, "sam@example.com");
    const person = await newPerson(house.browser);
    const page = await person.newPage();
    for (const offered of [true, false]) {
      await page.goto(authorize(house));
      await enterPassword(page, "sam@example.com", password);
      if (offered) {
        await at(page, "passkey-offer");
        await page.getByRole("button", { name: "Not now" }).click();
      }
      await page.getByText("Signed in").waitFor();
    }
    await person.close();

    await verifiedUser(house, "kim@example.com");
    const context = await house.browser.newContext({ javaScriptEnabled: false });
    const plain = await context.newPage();
    await plain.goto(authorize(house));
    same(await plain.getByRole("button", { name: "Sign in with a passkey" }).count(), 0);
    await enterPassword(plain, "kim@example.com", password);
    await at(plain, "passkey-offer");
    same(await plain.getByRole("button", { name: "Create a passkey" }).count(), 0);
    await plain.getByRole("button", { name: "Not now" }).click();
    await plain.getByText("Signed in").waitFor();
    await context.close();
  },
};
