// The document's React app in a real browser: real pages, real passwords, real tokens.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { reactExample, scratchReactApp, serveVite } from "../lib/app.mjs";
import { complaints, enterCode, enterPassword, newPerson, openBrowser } from "../lib/browser.mjs";
import { contains, holds, lacks, same } from "../lib/check.mjs";
import { Lentil, freePort, portFlags, readEnv, removeFolder, root, until, write } from "../lib/lentil.mjs";

const password = "correct horse battery staple";

/** Points a copy of the app at a free port: its redirect URI, homepage and CORS origin. */
function movePort(dir, port) {
  const path = join(dir, "convex.json");
  write(path, readFileSync(path, "utf8").replaceAll("localhost:5173", `localhost:${port}`));
}

export async function setUp() {
  const dir = scratchReactApp();
  const vitePort = await freePort();
  movePort(dir, vitePort);
  const flags = await portFlags();
  const lentil = await new Lentil(dir, flags).start();
  await lentil.cli(["dev", "--once"]);
  const vite = await serveVite(dir, vitePort);
  const browser = await openBrowser();
  return { dir, lentil, vite, vitePort, browser, flags, log: "", url: vite.url };
}

export async function tearDown(house) {
  await house?.browser.close();
  await house?.vite.stop();
  await house?.lentil.stop();
  house && removeFolder(house.dir);
}

/** A new account, from the welcome page to the board. */
async function signUp(house, page, email) {
  await page.goto(house.url);
  await page.getByRole("button", { name: "Sign up" }).click();
  await enterPassword(page, email, password);
  await page.getByLabel("Code").waitFor();
  await enterCode(page, await house.lentil.code(email));
  await page.getByPlaceholder("Suggest a soup").waitFor();
}

async function signIn(house, page, email, secret = password) {
  await page.goto(house.url);
  await page.getByRole("button", { name: "Sign in" }).click();
  await enterPassword(page, email, secret);
}

async function suggest(page, text) {
  await page.getByPlaceholder("Suggest a soup").fill(text);
  await page.getByRole("button", { name: "Suggest" }).click();
  await page.getByText(text, { exact: true }).waitFor();
}

/** Writes down every moment at which the page offers to sign in. */
async function watchForSignedOut(page) {
  await page.evaluate(() => {
    window.signedOutMoments = 0;
    new MutationObserver(() => {
      if ([...document.querySelectorAll("button")].some((b) => b.textContent.trim() === "Sign in")) {
        window.signedOutMoments++;
      }
    }).observe(document.body, { childList: true, subtree: true });
  });
}

export const scenarios = {
  "the app's auth.config.ts is the document's, byte for byte": async () => {
    const text = readFileSync(join(reactExample, "convex", "auth.config.ts"), "utf8");
    same(text, readFileSync(join(root, "conformance", "apps", "auth.config.document.ts"), "utf8"));
  },

  "sign up, verify, write; a second window sees it at once; reload keeps the session; sign out": async (house) => {
    const alice = await newPerson(house.browser);
    const page = await alice.newPage();
    await signUp(house, page, "alice@example.com");
    await suggest(page, "Red lentil soup");
    // What is typed while a suggestion is under way stays.
    const field = page.getByPlaceholder("Suggest a soup");
    await field.fill("Barley soup");
    await field.evaluate((input) => {
      input.form.requestSubmit();
      Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set.call(input, "Bean soup");
      input.dispatchEvent(new Event("input", { bubbles: true }));
    });
    await page.getByText("Barley soup", { exact: true }).waitFor();
    await page.evaluate(() => new Promise((done) => setTimeout(done)));
    same(await field.inputValue(), "Bean soup");

    const bob = await newPerson(house.browser);
    const other = await bob.newPage();
    await signUp(house, other, "bob@example.com");
    await other.getByText("Red lentil soup", { exact: true }).waitFor();
    await other.getByText("alice", { exact: true }).first().waitFor();

    await suggest(page, "Leek and potato");
    await other.getByText("Leek and potato", { exact: true }).waitFor();
    await other.getByRole("button", { name: "Vote for Red lentil soup" }).click();
    await page.getByRole("button", { name: "Vote for Red lentil soup" }).getByText("1").waitFor();

    await page.reload();
    await page.getByPlaceholder("Suggest a soup").waitFor();
    await page.getByText("Leek and potato", { exact: true }).waitFor();

    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("button", { name: "Sign in" }).waitFor();
    same(await page.getByText("Leek and potato").count(), 0);
    // Signing in again with the password shows the same board.
    await signIn(house, page, "alice@example.com");
    await page.getByText("Leek and potato", { exact: true }).waitFor();
    same(complaints(alice), []);
    await alice.close();
    await bob.close();
  },

  "a wrong password, a wrong code and a taken address are refused politely": async (house) => {
    const person = await newPerson(house.browser);
    const page = await person.newPage();
    await signIn(house, page, "alice@example.com", "not her password");
    const alert = page.getByRole("alert");
    await alert.waitFor();
    contains((await alert.innerText()).toLowerCase(), "password");
    // Nobody learns from the page whether an address has an account.
    const said = await alert.innerText();
    await signIn(house, page, "nobody@example.com", "not her password");
    await page.getByRole("alert").waitFor();
    same(await page.getByRole("alert").innerText(), said);

    await page.goto(house.url);
    await page.getByRole("button", { name: "Sign up" }).click();
    await enterPassword(page, "carol@example.com", password);
    await page.getByLabel("Code").waitFor();
    const right = await house.lentil.code("carol@example.com");
    await enterCode(page, right === "000000" ? "111111" : "000000");
    await page.getByRole("alert").waitFor();
    await enterCode(page, right);
    await page.getByPlaceholder("Suggest a soup").waitFor();
    await person.close();
  },

  "a forgotten password is replaced": async (house) => {
    const person = await newPerson(house.browser);
    const page = await person.newPage();
    await page.goto(house.url);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("link", { name: /forgot/i }).or(page.getByRole("button", { name: /forgot/i })).first().click();
    await page.getByLabel("Email").fill("bob@example.com");
    const seen = (await house.lentil.outbox("bob@example.com"))[0]?.code;
    await page.getByRole("button", { name: "Continue" }).click();
    await page.getByLabel("Code").waitFor();
    await enterCode(page, await house.lentil.code("bob@example.com", { not: seen }));
    await page.getByLabel("Password").fill("another long password");
    await page.getByRole("button", { name: "Continue" }).click();
    await page.getByPlaceholder("Suggest a soup").waitFor();
    await person.close();
  },

  "an unregistered redirect URI gets a helpful page and never a redirect": async (house) => {
    const person = await newPerson(house.browser);
    const page = await person.newPage();
    const { authkitUrl, clientId } = house.lentil.info;
    const bad = "https://evil.example/callback";
    const answer = await page.goto(`${authkitUrl}/user_management/authorize?client_id=${clientId}&redirect_uri=${encodeURIComponent(bad)}&response_type=code&provider=authkit`);
    holds(answer.status() >= 400 && answer.status() < 500, `status ${answer.status()}`);
    contains(await page.content(), bad, "page");
    holds(page.url().startsWith(authkitUrl), `stayed at ${page.url()}`);
    const unknown = await page.goto(`${authkitUrl}/user_management/authorize?client_id=client_nobody&redirect_uri=${encodeURIComponent(house.url)}&response_type=code&provider=authkit`);
    holds(unknown.status() >= 400, "unknown client id");
    contains(await page.content(), "client_nobody", "page");
    await person.close();
  },

  "an unregistered origin is refused by CORS, a registered one is not": async (house) => {
    const { authkitUrl } = house.lentil.info;
    const preflight = (origin) =>
      fetch(`${authkitUrl}/user_management/authenticate`, {
        method: "OPTIONS",
        headers: { origin, "access-control-request-method": "POST", "access-control-request-headers": "content-type" },
      });
    const good = await preflight(house.url);
    same(good.headers.get("access-control-allow-origin"), house.url);
    same(good.headers.get("access-control-allow-credentials"), "true");
    contains(good.headers.get("access-control-allow-headers"), "content-type");
    const bad = await preflight("https://evil.example");
    same(bad.headers.get("access-control-allow-origin"), null);
    await until("the server's log to name the origin", () => house.lentil.log.includes("https://evil.example"));
  },

  "state comes back byte for byte": async (house) => {
    const { authkitUrl, clientId } = house.lentil.info;
    const person = await newPerson(house.browser);
    const page = await person.newPage();
    const state = "Fe26.2*1*a~b+c/d==&x%20y é*~2";
    let back;
    page.on("request", (request) => request.url().startsWith(`${house.url}/callback?`) && (back = request.url()));
    await page.goto(`${authkitUrl}/user_management/authorize?client_id=${clientId}&redirect_uri=${encodeURIComponent(`${house.url}/callback`)}&response_type=code&provider=authkit&state=${encodeURIComponent(state)}`);
    await enterPassword(page, "alice@example.com", password);
    await until("the callback", () => back);
    same(new URL(back).searchParams.get("state"), state);
    await person.close();
  },

  "five tabs refresh at once, and nobody is signed out": async (house) => {
    const person = await newPerson(house.browser);
    const first = await person.newPage();
    await signIn(house, first, "alice@example.com");
    await first.getByPlaceholder("Suggest a soup").waitFor();
    const tabs = [first, ...(await Promise.all(Array.from({ length: 4 }, () => person.newPage())))];
    await Promise.all(tabs.slice(1).map((tab) => tab.goto(house.url)));
    await Promise.all(tabs.map((tab) => tab.getByPlaceholder("Suggest a soup").waitFor()));
    for (let round = 0; round < 3; round++) {
      await Promise.all(tabs.map((tab) => tab.reload()));
      await Promise.all(tabs.map((tab) => tab.getByPlaceholder("Suggest a soup").waitFor()));
    }
    await person.close();
    // The same without the client's lock: ten holders of one refresh token get one successor.
    const grant = await tokenFor(house);
    const answers = await Promise.all(
      Array.from({ length: 10 }, () =>
        fetch(`${house.lentil.info.authkitUrl}/user_management/authenticate`, {
          method: "POST",
          headers: { "content-type": "application/json", origin: house.url },
          body: JSON.stringify({ client_id: house.lentil.info.clientId, grant_type: "refresh_token", refresh_token: grant.refresh_token }),
        }).then(async (r) => ({ status: r.status, body: await r.json() })),
      ),
    );
    same(answers.map((a) => a.status), Array(10).fill(200));
    same(new Set(answers.map((a) => a.body.refresh_token)).size, 1, "successors");
    same(new Set(answers.map((a) => a.body.access_token)).size, 10, "access tokens");
  },

  "the server is killed and started again under open pages: all recover, nobody is signed out": async (house) => {
    const person = await newPerson(house.browser);
    const page = await person.newPage();
    await signIn(house, page, "alice@example.com");
    await suggest(page, "Before the crash");
    await watchForSignedOut(page);
    await house.lentil.crashAndRestart();
    await suggest(page, "After the crash");
    await page.getByText("Before the crash", { exact: true }).waitFor();
    same(await page.evaluate(() => window.signedOutMoments), 0);
    await page.reload();
    await page.getByText("After the crash", { exact: true }).waitFor();
    await person.close();
  },

  "tokens that live 15 s, renewed again and again under somebody who writes: never signed out": async (house) => {
    await house.lentil.stop();
    house.lentil.flags = [...house.flags, "--access-token-lifetime", "15s"];
    await house.lentil.start();
    const person = await newPerson(house.browser);
    const page = await person.newPage();
    await signIn(house, page, "alice@example.com");
    await page.getByPlaceholder("Suggest a soup").waitFor();
    await watchForSignedOut(page);
    let renewed = 0;
    page.on("response", (answer) => (renewed += answer.url().endsWith("/user_management/authenticate") && answer.ok() ? 1 : 0));
    const end = performance.now() + Number(process.env.LENTIL_SHORT_TOKENS_SECONDS ?? 0) * 1000;
    for (let n = 1; renewed < 5 || performance.now() < end; n++) {
      await suggest(page, `Soup number ${n}`);
      await page.getByRole("button", { name: `Remove Soup number ${n}` }).click();
      await page.getByText(`Soup number ${n}`, { exact: true }).waitFor({ state: "detached" });
    }
    same(await page.evaluate(() => window.signedOutMoments), 0);
    same(person.problems, []);
    await person.close();
    await house.lentil.stop();
    house.lentil.flags = house.flags;
    await house.lentil.start();
  },

  "the functions see who calls, from a verified token": async (house) => {
    const grant = await tokenFor(house);
    const ask = (token) =>
      fetch(`${house.lentil.info.url}/api/query`, {
        method: "POST",
        headers: { "content-type": "application/json", ...(token && { authorization: `Bearer ${token}` }) },
        body: JSON.stringify({ path: "profiles:me", args: {}, format: "json" }),
      }).then(async (r) => ({ status: r.status, body: await r.json() }));
    const mine = await ask(grant.access_token);
    same(mine.body.value.subject, grant.user.id);
    same((await ask()).body.value, null);
    const [head, , signature] = grant.access_token.split(".");
    const forged = Buffer.from(JSON.stringify({ ...claims(grant.access_token), sub: "user_someone_else" })).toString("base64url");
    same((await ask(`${head}.${forged}.${signature}`)).status, 401);
    const none = Buffer.from('{"alg":"none","typ":"JWT"}').toString("base64url");
    same((await ask(`${none}.${forged}.`)).status, 401);
    const other = await ask(grant.access_token.replace(/^[^.]+/, Buffer.from('{"alg":"RS256","kid":"unknown"}').toString("base64url")));
    same(other.status, 401);
    holds(other.body.code && other.body.message, JSON.stringify(other.body));
  },

  "tokens carry the claims of the contract and outlive a restart": async (house) => {
    const grant = await tokenFor(house);
    const payload = claims(grant.access_token);
    same(payload.iss, `https://api.workos.com/user_management/${house.lentil.info.clientId}`);
    same(payload.exp - payload.iat, 300);
    for (const key of ["sub", "sid", "jti"]) {
      holds(payload[key], key);
    }
    const before = await (await fetch(`${house.lentil.info.authkitUrl}/sso/jwks/${house.lentil.info.clientId}`)).json();
    await house.lentil.stop();
    await house.lentil.start();
    const after = await (await fetch(`${house.lentil.info.authkitUrl}/sso/jwks/${house.lentil.info.clientId}`)).json();
    same(after, before);
    same(readEnv(house.dir).VITE_WORKOS_CLIENT_ID, house.lentil.info.clientId);
    const again = await refresh(house, grant.refresh_token);
    holds(again.access_token && again.access_token !== grant.access_token, "another token");
  },

  "used codes, wrong verifiers and strangers' tokens are refused in OAuth's words": async (house) => {
    const { authkitUrl, clientId } = house.lentil.info;
    const grant = await tokenFor(house);
    same((await (await grant.redeem()).json()).error, "invalid_grant", "the code a second time");
    same((await refresh(house, grant.refresh_token)).error, "invalid_grant", "the tokens of a code that was used twice");
    const post = (body) =>
      fetch(`${authkitUrl}/user_management/authenticate`, { method: "POST", headers: { "content-type": "application/json" }, body: typeof body === "string" ? body : JSON.stringify(body) }).then(
        async (r) => ({ status: r.status, body: await r.json() }),
      );
    for (const body of [
      { client_id: clientId, grant_type: "authorization_code", code: "nonsense", code_verifier: "x".repeat(43) },
      { client_id: clientId, grant_type: "refresh_token", refresh_token: "nonsense" },
    ]) {
      const answer = await post(body);
      same([answer.status, answer.body.error], [400, "invalid_grant"], JSON.stringify(answer.body));
      holds(answer.body.error_description, "error_description");
    }
    for (const body of ["", "{", "[]", '{"grant_type":"nonsense"}', JSON.stringify({ client_id: "client_x", grant_type: "refresh_token", refresh_token: "y" })]) {
      const answer = await post(body);
      holds(answer.status >= 400 && answer.status < 500, `${body} got ${answer.status}`);
      lacks(JSON.stringify(answer.body), "panic");
    }
  },
};

const claims = (token) => JSON.parse(Buffer.from(token.split(".")[1], "base64url"));

async function refresh(house, refreshToken) {
  const answer = await fetch(`${house.lentil.info.authkitUrl}/user_management/authenticate`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ client_id: house.lentil.info.clientId, grant_type: "refresh_token", refresh_token: refreshToken }),
  });
  return await answer.json();
}

/** Alice's tokens, by way of the pages, as any OAuth client would get them. */
async function tokenFor(house) {
  const { authkitUrl, clientId } = house.lentil.info;
  const { createHash, randomBytes } = await import("node:crypto");
  const verifier = randomBytes(48).toString("base64url");
  const challenge = createHash("sha256").update(verifier).digest("base64url");
  const person = await newPerson(house.browser);
  const page = await person.newPage();
  let back;
  // The app on that page has no verifier for this code and leaves it alone.
  page.on("request", (request) => request.url().startsWith(`${house.url}/callback?`) && (back = request.url()));
  const query = new URLSearchParams({
    client_id: clientId,
    redirect_uri: `${house.url}/callback`,
    response_type: "code",
    provider: "authkit",
    code_challenge: challenge,
    code_challenge_method: "S256",
  });
  await page.goto(`${authkitUrl}/user_management/authorize?${query}`);
  await enterPassword(page, "alice@example.com", password);
  await until("the callback", () => back);
  await person.close();
  const code = new URL(back).searchParams.get("code");
  const redeem = (verifier) =>
    fetch(`${authkitUrl}/user_management/authenticate`, {
      method: "POST",
      headers: { "content-type": "application/json", origin: house.url },
      body: JSON.stringify({ client_id: clientId, grant_type: "authorization_code", code, code_verifier: verifier }),
    });
  const answer = await redeem(verifier);
  const grant = await answer.json();
  same(answer.status, 200, JSON.stringify(grant));
  return { ...grant, redeem: () => redeem(verifier) };
}
