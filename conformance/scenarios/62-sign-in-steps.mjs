// Codes by mail and second factors in a real browser, with the official React client and without any script.
import { enterCode, enterPassword, newPerson } from "../lib/browser.mjs";
import { contains, holds, lacks, same } from "../lib/check.mjs";
import { at, claims, closeSignIn, openSignIn, operator, password, totp, wrongTotp } from "../lib/signin.mjs";
import { patience, sleep } from "../lib/lentil.mjs";

export const setUp = openSignIn;
export const tearDown = closeSignIn;

const board = (page) => page.getByPlaceholder("Suggest a soup").waitFor();
const alertOf = async (page) => {
  await page.getByRole("alert").waitFor();
  return await page.getByRole("alert").innerText();
};

/** A code that was not used yet: the present one, or the next, which phones with a fast clock show already. */
async function freshTotp(secret, used) {
  for (;;) {
    const code = [totp(secret), totp(secret, 1)].find((c) => !used.has(c));
    if (code) {
      used.add(code);
      return code;
    }
    await sleep(500);
  }
}

export const scenarios = {
  "a code by mail signs up and in; wrong, old and foreign ones do not": async (house) => {
    const person = await newPerson(house.browser);
    const page = await person.newPage();
    await page.goto(house.url);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByLabel("Email").fill("not an address");
    await page.getByTestId("email-code").click();
    contains((await alertOf(page)).toLowerCase(), "e-mail address");
    await page.getByLabel("Email").fill("mia@example.com");
    await page.getByTestId("email-code").click();
    await at(page, "code");
    const first = await house.lentil.code("mia@example.com");
    await enterCode(page, first === "000000" ? "111111" : "000000");
    contains(await alertOf(page), "not right");
    await page.getByTestId("resend").click();
    await page.getByTestId("notice").waitFor();
    const second = await house.lentil.code("mia@example.com", { not: first });
    await enterCode(page, first);
    contains(await alertOf(page), "not right");
    await enterCode(page, second);
    await board(page);
    const user = (await house.workos.userManagement.listUsers({ email: "mia@example.com" })).data[0];
    same(user.emailVerified, true);
    const names = (await house.workos.events.listEvents({ events: ["authentication.magic_auth_succeeded", "user.created"], limit: 100 })).data.map((e) => e.event);
    holds(names.includes("authentication.magic_auth_succeeded") && names.includes("user.created"), `events ${names}`);
    // Again, as the same person.
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByLabel("Email").fill("mia@example.com");
    await page.getByTestId("email-code").click();
    await at(page, "code");
    await enterCode(page, await house.lentil.code("mia@example.com", { not: second }));
    await board(page);
    same((await house.workos.userManagement.listUsers({ email: "mia@example.com" })).data.map((u) => u.id), [user.id]);
    await person.close();
  },

  "without passwords and with sign-ups closed, the pages do not tell who has an account": async (house) => {
    await operator(house, "PATCH", "settings", { authentication_methods: { password: false }, sign_up_allowed: false });
    const person = await newPerson(house.browser);
    const page = await person.newPage();
    const seen = [];
    for (const email of ["mia@example.com", "nobody@example.com"]) {
      await page.goto(house.plain.authorize({ prompt: "login" }));
      await at(page, "sign-in");
      same([await page.getByLabel("Password").count(), await page.getByTestId("sign-up").count()], [0, 0]);
      await page.getByLabel("Email").fill(email);
      await page.getByRole("button", { name: "Continue" }).click();
      await at(page, "code");
      await enterCode(page, "12");
      const text = await page.locator("main").innerText();
      await page.getByLabel("Code").fill("");
      seen.push(text.replaceAll(email, "EMAIL"));
    }
    same(seen[0], seen[1]);
    same(await house.lentil.outbox("nobody@example.com"), []);
    await operator(house, "PATCH", "settings", { authentication_methods: { password: true }, sign_up_allowed: true });
    await person.close();
  },

  "an authenticator app is enrolled, asked for, used once, and replaced by a recovery code": async (house) => {
    await operator(house, "PATCH", "settings", { mfa_policy: "required" });
    const person = await newPerson(house.browser);
    const page = await person.newPage();
    await page.goto(house.url);
    await page.getByRole("button", { name: "Sign up" }).click();
    await enterPassword(page, "tom@example.com", password);
    await at(page, "code");
    await enterCode(page, await house.lentil.code("tom@example.com"));

    await at(page, "enroll");
    await page.getByRole("img", { name: /Picture to scan/ }).waitFor();
    await page.getByText("Cannot scan it?").click();
    const secret = await page.getByTestId("secret").innerText();
    await enterCode(page, wrongTotp(secret));
    contains(await alertOf(page), "not right");
    await page.reload();
    await page.getByText("Cannot scan it?").click();
    same(await page.getByTestId("secret").innerText(), secret, "the secret after a reload");
    const used = new Set();
    await enterCode(page, await freshTotp(secret, used));
    await at(page, "recovery-codes");
    const codes = await page.getByTestId("recovery-codes").getByRole("listitem").allInnerTexts();
    same([codes.length, new Set(codes).size], [10, 10]);
    await page.getByRole("button", { name: "Continue" }).click();
    await board(page);

    // The next sign-in asks for the app's code; one that was used already is no good.
    const again = async () => {
      await page.goto(house.plain.authorize({ prompt: "login" }));
      await enterPassword(page, "tom@example.com", password);
      await at(page, "factor");
    };
    await again();
    await enterCode(page, [...used][0]);
    contains(await alertOf(page), "used already");
    await enterCode(page, wrongTotp(secret));
    contains(await alertOf(page), "not right");
    await page.getByTestId("recovery").click();
    await at(page, "recovery-code");
    await page.getByLabel("Recovery code").fill("aaaaaa-aaaaaa-aaaaaa-aaaaaa");
    await page.getByRole("button", { name: "Continue" }).click();
    contains(await alertOf(page), "none of your recovery codes");
    await page.getByLabel("Recovery code").fill(codes[4].toUpperCase());
    await page.getByRole("button", { name: "Continue" }).click();
    contains(await page.getByTestId("codes-left").innerText(), "9");
    await page.getByRole("button", { name: "Continue" }).click();
    await page.getByText("Signed in").waitFor();
    const grant = await house.plain.redeem();
    same(grant.authentication_method, "Password");

    await again();
    await page.getByTestId("recovery").click();
    await page.getByLabel("Recovery code").fill(codes[4]);
    await page.getByRole("button", { name: "Continue" }).click();
    contains(await alertOf(page), "used already");
    await page.getByTestId("authenticator").click();
    await at(page, "factor");
    await enterCode(page, await freshTotp(secret, used));
    await page.getByText("Signed in").waitFor();
    const mails = (await house.lentil.outbox("tom@example.com")).map((m) => m.subject).join("\n");
    contains(mails, "Two-step sign-in is on");
    contains(mails, "recovery code was used");

    // The operator's side: the factor is listed, and when it is removed a new one is enrolled.
    const user = (await house.workos.userManagement.listUsers({ email: "tom@example.com" })).data[0];
    const factors = (await house.workos.multiFactorAuth.listUserAuthFactors({ userId: user.id })).data;
    same(factors.map((f) => f.type), ["totp"]);
    lacks(JSON.stringify(factors), secret.replaceAll(" ", ""), "the listed factors");
    await house.workos.multiFactorAuth.deleteFactor(factors[0].id);
    await page.goto(house.plain.authorize({ prompt: "login" }));
    await enterPassword(page, "tom@example.com", password);
    await at(page, "enroll");
    await operator(house, "PATCH", "settings", { mfa_policy: "optional" });
    same(person.problems.filter((p) => !/favicon|status of 4/.test(p)), []);
    await person.close();
  },

  "everything works without script": async (house) => {
    await operator(house, "PATCH", "settings", { mfa_policy: "required" });
    const person = await house.browser.newContext({ javaScriptEnabled: false });
    person.setDefaultTimeout(patience);
    const page = await person.newPage();
    await page.goto(house.plain.authorize({ screen_hint: "sign-up", login_hint: "uma@example.com" }));
    same(await page.getByLabel("Email").inputValue(), "uma@example.com");
    await page.getByLabel("Password").fill("short");
    await page.getByRole("button", { name: "Continue" }).click();
    contains(await alertOf(page), "at least 10");
    await page.getByLabel("Password").fill(password);
    await page.getByRole("button", { name: "Continue" }).click();
    await enterCode(page, "12345");
    contains(await alertOf(page), "six digits");
    await enterCode(page, await house.lentil.code("uma@example.com"));
    await page.getByText("Cannot scan it?").click();
    const secret = await page.getByTestId("secret").innerText();
    await enterCode(page, totp(secret));
    await at(page, "recovery-codes");
    await page.getByRole("button", { name: "Continue" }).click();
    await page.getByText("Signed in").waitFor();
    same(house.plain.arrivals.at(-1).state, "plain state");
    const grant = await house.plain.redeem();
    same([grant.user.email, claims(grant.access_token).sub], ["uma@example.com", grant.user.id]);
    // Signed in once, the browser is not asked again; prompt=none agrees, prompt=login and max_age do not.
    await page.goto(house.plain.authorize());
    await page.getByText("Signed in").waitFor();
    await page.goto(house.plain.authorize({ prompt: "none" }));
    await page.getByText("Signed in").waitFor();
    await page.goto(house.plain.authorize({ max_age: "0" }));
    await at(page, "sign-in");
    await page.goto(house.plain.authorize({ prompt: "none", login_hint: "somebody@example.com" }));
    await page.getByText("Plain app").waitFor();
    same(house.plain.arrivals.at(-1).error, "login_required");
    await operator(house, "PATCH", "settings", { mfa_policy: "optional" });
    await person.close();
  },
};
