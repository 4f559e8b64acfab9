// The official package for Next.js in a production build of a small app, in a real browser: pages, proxy, callback, refresh,
// organizations, signing out. What passes between the app's server and the house is held against the description.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { enterCode, enterPassword, newPerson, openBrowser } from "../lib/browser.mjs";
import { contains, holds, same } from "../lib/check.mjs";
import { judgingProxy } from "../lib/judge.mjs";
import { Lentil, freePort, portFlags, removeFolder, root, until, write } from "../lib/lentil.mjs";

const app = join(root, "conformance", "apps", "next");
const node = join(app, "node_modules", "node", "bin", "node"); // the package needs Node.js 22
const password = "correct horse battery staple";

/** Runs Next.js in the app's folder. */
function next(args, env) {
  const child = spawn(node, [join(app, "node_modules", "next", "dist", "bin", "next"), ...args], {
    cwd: app, stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, NODE_ENV: "production", NEXT_TELEMETRY_DISABLED: "1", CI: "1", ...env },
  });
  child.log = "";
  child.stdout.on("data", (chunk) => (child.log += chunk));
  child.stderr.on("data", (chunk) => (child.log += chunk));
  child.ended = new Promise((done) => child.once("exit", (code, signal) => done(code ?? signal)));
  return child;
}

export async function setUp() {
  if (!existsSync(node)) {
    throw new Error(`the app's packages are missing. hint: make npm, or npm ci in ${app}`);
  }
  const dir = mkdtempSync(join(tmpdir(), "lentil-next-"));
  write(join(dir, "package.json"), "{}");
  const lentil = await new Lentil(dir, await portFlags()).start();
  const proxy = await judgingProxy(lentil.info.authkitUrl);
  const port = await freePort();
  const url = `http://localhost:${port}`;
  const house = { dir, lentil, proxy, url };
  house.api = async (method, path, body) => {
    const answer = await fetch(lentil.info.authkitUrl + path, {
      method, body: body && JSON.stringify(body),
      headers: { Authorization: `Bearer ${lentil.info.apiKey}`, ...(body && { "Content-Type": "application/json" }) },
    });
    const text = await answer.text();
    holds(answer.ok, `${method} ${path}: ${answer.status} ${text}`);
    return text === "" ? undefined : JSON.parse(text);
  };
  await house.api("POST", "/user_management/redirect_uris", { uri: `${url}/callback` });
  await house.api("PATCH", "/_lentil/v1/settings", { app_homepage_url: `${url}/` });
  const env = {
    WORKOS_CLIENT_ID: lentil.info.clientId, WORKOS_API_KEY: lentil.info.apiKey, WORKOS_COOKIE_PASSWORD: "a cookie password of more than thirty-two characters",
    NEXT_PUBLIC_WORKOS_REDIRECT_URI: `${url}/callback`, WORKOS_API_HOSTNAME: "localhost", WORKOS_API_PORT: String(proxy.port), WORKOS_API_HTTPS: "false",
  };
  const build = next(["build"], env);
  same(await build.ended, 0, `next build: ${build.log}`);
  house.server = next(["start", "-p", String(port)], env);
  Object.defineProperty(house, "log", { get: () => house.server.log + lentil.log });
  await until("the app", async () => (await fetch(`${url}/me`)).ok, 20_000);
  house.browser = await openBrowser();
  return house;
}

export async function tearDown(house) {
  await house?.browser?.close();
  if (house?.server) {
    house.server.kill("SIGTERM");
    await house.server.ended;
  }
  await house?.proxy.close();
  await house?.lentil.stop();
  house && removeFolder(house.dir);
}

const heading = (page, text) => page.getByRole("heading", { name: text }).waitFor();
const me = async (page, house) => await (await page.request.get(`${house.url}/me`)).json();

/** Somebody who exists already, signed in to the app. */
async function signedIn(house, email) {
  const user = await house.api("POST", "/user_management/users", { email, password, email_verified: true });
  const person = await newPerson(house.browser);
  const page = await person.newPage();
  await page.goto(house.url);
  await page.getByRole("link", { name: "Sign in" }).click();
  await enterPassword(page, email, password);
  await heading(page, `Soup for ${email}`);
  return { user, person, page };
}

export const scenarios = {
  "sign up from the page, verify the address, and be known on both sides": async (house) => {
    const person = await newPerson(house.browser);
    const page = await person.newPage();
    await page.goto(house.url);
    await page.getByRole("link", { name: "Sign up" }).click();
    await enterPassword(page, "ada@example.com", password);
    await page.getByLabel("Code").waitFor();
    await enterCode(page, await house.lentil.code("ada@example.com"));
    await heading(page, "Soup for ada@example.com");
    await until("the browser's side", async () => (await page.getByTestId("client-user").textContent()) === "ada@example.com");
    await until("a token in the browser", async () => (await page.getByTestId("client-token").textContent()) === "has a token");
    const session = (await person.cookies()).find((c) => c.name === "wos-session");
    holds(session?.httpOnly && session.value.length < 4000, `the session's cookie: ${JSON.stringify(session)}`);
    await person.close();
  },

  "a protected page asks to sign in and is shown after it": async (house) => {
    const email = "grace@example.com";
    await house.api("POST", "/user_management/users", { email, password, email_verified: true });
    const person = await newPerson(house.browser);
    const page = await person.newPage();
    await page.goto(`${house.url}/protected`);
    contains(page.url(), "/login/", "the address of the sign-in page");
    await enterPassword(page, email, password);
    await heading(page, `Only for ${email}`);
    same(page.url(), `${house.url}/protected`);
    await person.close();
  },

  "short tokens are renewed on the way, also by ten requests at once": async (house) => {
    await house.api("PATCH", "/_lentil/v1/settings", { access_token_lifetime: 20 }); // below the package's buffer: each request renews
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
        await heading(page, "Soup for linus@example.com");
      }
      await page.getByRole("button", { name: "Refresh" }).click();
      await until("still there", async () => (await page.getByTestId("client-user").textContent()) === "linus@example.com");
      await person.close();
    } finally {
      await house.api("PATCH", "/_lentil/v1/settings", { access_token_lifetime: null });
    }
  },

  "switching to an organization brings its role into the token": async (house) => {
    const { user, page, person } = await signedIn(house, "margaret@example.com");
    const organization = await house.api("POST", "/organizations", { name: "Apollo" });
    await house.api("POST", "/user_management/organization_memberships", { user_id: user.id, organization_id: organization.id, role_slug: "admin" });
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
