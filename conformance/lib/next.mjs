// A production build of the app for Next.js over a fresh house, with a browser. What passes between the app's server and
// the house goes through a proxy that holds it against the description.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { enterPassword, newPerson, openBrowser } from "./browser.mjs";
import { holds, same } from "./check.mjs";
import { judgingProxy } from "./judge.mjs";
import { Lentil, freePort, portFlags, removeFolder, root, until, write } from "./lentil.mjs";

const app = join(root, "conformance", "apps", "next");
const node = join(app, "node_modules", "node", "bin", "node"); // the package needs Node.js 22

export const password = "correct horse battery staple";

/** Runs Next.js in a folder, this app's unless said otherwise. */
export function next(args, env, folder = app) {
  const child = spawn(node, [join(folder, "node_modules", "next", "dist", "bin", "next"), ...args], {
    cwd: folder, stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, NODE_ENV: "production", NEXT_TELEMETRY_DISABLED: "1", CI: "1", ...env },
  });
  child.log = "";
  child.stdout.on("data", (chunk) => (child.log += chunk));
  child.stderr.on("data", (chunk) => (child.log += chunk));
  child.ended = new Promise((done) => child.once("exit", (code, signal) => done(code ?? signal)));
  return child;
}

export async function openNext() {
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
  house.set = (settings) => house.api("PATCH", "/_lentil/v1/settings", settings);
  await house.api("POST", "/user_management/redirect_uris", { uri: `${url}/callback` });
  await house.set({ app_homepage_url: `${url}/` });
  const env = {
    WORKOS_CLIENT_ID: lentil.info.clientId, WORKOS_API_KEY: lentil.info.apiKey, WORKOS_COOKIE_PASSWORD: "a cookie password of more than thirty-two characters",
    NEXT_PUBLIC_WORKOS_REDIRECT_URI: `${url}/callback`, WORKOS_API_HOSTNAME: "localhost", WORKOS_API_PORT: String(proxy.port), WORKOS_API_HTTPS: "false",
  };
  const build = next(["build"], env);
  same(await build.ended, 0, `next build: ${build.log}`);
  house.server = next(["start", "-p", String(port)], env);
  Object.defineProperty(house, "log", { get: () => house.server.log + lentil.log });
  await until("the app", async () => (await fetch(`${url}/me`)).ok);
  house.browser = await openBrowser();
  return house;
}

export async function closeNext(house) {
  await house?.browser?.close();
  if (house?.server) {
    house.server.kill("SIGTERM");
    await house.server.ended;
  }
  await house?.proxy.close();
  await house?.lentil.stop();
  house && removeFolder(house.dir);
}

/** A fresh person; `visited` has the addresses their browser went to. */
export async function visitor(house) {
  const person = await newPerson(house.browser);
  person.visited = [];
  person.on("request", (request) => request.isNavigationRequest() && person.visited.push(request.url()));
  return person;
}

/** A fresh person at the app, who is asked who they are. */
export async function atSignIn(house) {
  const person = await visitor(house);
  const page = await person.newPage();
  await page.goto(house.url);
  await page.getByRole("link", { name: "Sign in" }).click();
  return { person, page };
}

/** Somebody who exists already. */
export const newUser = (house, email) => house.api("POST", "/user_management/users", { email, password, email_verified: true });

/** Waits until the app knows who is there. */
export const greeted = (page, email) => page.getByRole("heading", { name: `Soup for ${email}`, exact: true }).waitFor();

/** Somebody who exists already, signed in to the app. */
export async function signedIn(house, email) {
  const user = await newUser(house, email);
  const { person, page } = await atSignIn(house);
  await enterPassword(page, email, password);
  await greeted(page, email);
  return { user, person, page };
}

/** What the app's server knows of a page's browser. */
export const me = async (page, house) => await (await page.request.get(`${house.url}/me`)).json();
