// The document's app for Next.js App Router, from examples/: a copy of it over a house of its own, built and served as in
// production, with a browser.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, renameSync } from "node:fs";
import { dirname, join } from "node:path";
import { enterCode, enterPassword, newPerson, openBrowser } from "./browser.mjs";
import { holds, same } from "./check.mjs";
import { Lentil, freePort, portFlags, readEnv, removeFolder, root, scratchApp, until, write } from "./lentil.mjs";
import { next, password } from "./next.mjs";

export const example = join(root, "examples", "nextjs-authkit");

/** The document's code for Next.js, by file. */
export function documentFiles() {
  const text = readFileSync(join(root, "conformance", "apps", "nextjs.document.md"), "utf8");
  const files = {};
  for (const [, code] of text.matchAll(/```typescript\n([^]*?)```/g)) {
    for (const file of code.split(/\n(?=\/\/ app\/)/)) {
      files[/^\/\/ (\S+)/.exec(file)[1]] = `${file.trimEnd()}\n`;
    }
  }
  return files;
}

/** Copies an app with its packages, as links to the same files where the disk allows it: bundlers refuse a linked folder. */
export function copyWithPackages(source, modules = join(source, "node_modules")) {
  holds(existsSync(modules), `the app's packages are missing. hint: make npm, or npm ci in ${dirname(modules)}`);
  const dir = scratchApp(source, "");
  const to = join(dir, "node_modules");
  if (spawnSync("cp", ["-al", modules, to]).status !== 0) {
    removeFolder(to);
    same(spawnSync("cp", ["-a", modules, to]).status, 0, `copy of ${modules}`);
  }
  return dir;
}

/** Moves an app from port 3000 to another. */
export function movePort(dir, port) {
  for (const name of ["convex.json", "package.json"]) {
    const path = join(dir, name);
    write(path, readFileSync(path, "utf8").replace(/localhost:3000|--port 3000/g, (found) => found.replace("3000", port)));
  }
}

/** Starts a house for an app and deploys its functions. */
export async function openHouse(dir) {
  const port = await freePort();
  movePort(dir, port);
  const lentil = await new Lentil(dir, await portFlags()).start();
  const house = { dir, lentil, port, url: `http://localhost:${port}`, env: readEnv(dir), get log() { return `${this.server?.log}\n${lentil.log}`; } };
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
  await lentil.cli(["dev", "--once"]);
  house.browser = await openBrowser();
  return house;
}

/** Builds the app and serves what came of it; addresses and keys are in its .env.local. */
export async function serve(house, flags = []) {
  const build = next(["build", ...flags], {}, house.dir);
  same(await build.ended, 0, `next build: ${build.log}`);
  await start(house);
}

/** Serves what was built, in place of the server before. */
export async function start(house, env = {}) {
  await stopServer(house);
  const server = (house.server = next(["start", "-p", String(house.port)], env, house.dir));
  await until("the app", async () => {
    holds(server.exitCode === null, `next start: ${server.log}`);
    return (await fetch(`${house.url}/icon.svg`)).ok;
  });
}

async function stopServer(house) {
  if (house.server) {
    house.server.kill("SIGTERM");
    await house.server.ended;
  }
}

export async function close(house) {
  await house?.browser?.close();
  if (house) {
    await stopServer(house);
    await house.lentil.stop();
    removeFolder(house.dir);
  }
}

/** A house with the example itself, and pages that a scenario adds to it. */
export async function openExample(pages = {}) {
  const dir = copyWithPackages(example);
  for (const [name, text] of Object.entries(pages)) {
    write(join(dir, name), text);
  }
  const house = await openHouse(dir);
  await serve(house);
  return house;
}

/** A house with the example on Next.js 15, where the document's middleware.ts has its name. */
export async function openOlder() {
  const modules = join(root, "conformance", "apps", "next-15", "node_modules");
  const dir = copyWithPackages(example, modules);
  removeFolder(join(dir, "proxy.ts"));
  for (const [name, text] of Object.entries(documentFiles())) {
    write(join(dir, name), text);
  }
  // The functions do not ask which version it is; its own is put in its place when the app is built.
  return await openHouse(dir);
}

/** Builds and serves that app with another major version of the package, in place of the one before. */
export async function serveOlder(house, major, flags) {
  await stopServer(house);
  const at = join(house.dir, "node_modules", "@workos-inc", "authkit-nextjs");
  removeFolder(at);
  renameSync(join(house.dir, "node_modules", `authkit-nextjs-${major}`), at);
  removeFolder(join(house.dir, ".next"));
  await serve(house, flags);
}

/** A new account, from the welcome page to the board. */
export async function signUp(house, email) {
  const person = await newPerson(house.browser);
  const page = await person.newPage();
  await page.goto(house.url);
  await page.getByRole("link", { name: "Sign up" }).click();
  await enterPassword(page, email, password);
  await page.getByLabel("Code").waitFor();
  await enterCode(page, await house.lentil.code(email));
  await atBoard(page, email);
  return { person, page };
}

/** Somebody who exists already, signed in by a protected page. */
export async function signIn(house, email) {
  const person = await newPerson(house.browser);
  const page = await person.newPage();
  await page.goto(`${house.url}/board`);
  await enterPassword(page, email, password);
  await atBoard(page, email);
  return { person, page };
}

export async function atBoard(page, email) {
  await page.getByText(email, { exact: true }).waitFor();
  await page.getByPlaceholder("Suggest a soup").waitFor();
}

/** Waits until the page's own connection is signed in. */
export const live = (page) => page.locator("ul[data-live=true]").waitFor({ state: "attached" });

export async function suggest(page, text) {
  const field = page.getByPlaceholder("Suggest a soup");
  await field.fill(text);
  await page.getByRole("button", { name: "Suggest" }).click();
  await once(page, text);
  // The row may be there before the answer, which empties the form.
  await until("an empty form", async () => (await field.inputValue()) === "");
}

/** Waits until a text is on the page, and once: while what a server streams takes its place, it may be there twice for a moment. */
export async function once(page, text) {
  const found = page.getByText(text, { exact: true });
  await until(`"${text}" once on the page`, async () => (await found.count()) === 1);
  await found.waitFor();
}
