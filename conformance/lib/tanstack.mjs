// The example for TanStack Start over a house of its own, built and served as in production, with a browser.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { same } from "./check.mjs";
import { root, until } from "./lentil.mjs";
import { close, copyWithPackages, openHouse } from "./nextjs.mjs";

export const example = join(root, "examples", "tanstack-start-authkit");

/** Runs Vite in the app's folder. */
function vite(house, args) {
  const child = spawn(process.execPath, [join(house.dir, "node_modules", "vite", "bin", "vite.js"), ...args], {
    cwd: house.dir, stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, NO_COLOR: "1" },
  });
  child.log = "";
  child.stdout.on("data", (chunk) => (child.log += chunk));
  child.stderr.on("data", (chunk) => (child.log += chunk));
  child.ended = new Promise((done) => child.once("exit", (code, signal) => done(code ?? signal)));
  return child;
}

export async function openTanStack() {
  const house = await openHouse(copyWithPackages(example));
  const build = vite(house, ["build"]);
  same(await build.ended, 0, `vite build: ${build.log}`);
  await serve(house, "preview");
  return house;
}

async function serve(house, command) {
  house.server = vite(house, [command, "--port", String(house.port)]);
  await until("the app", async () => (await fetch(`${house.url}/soup.svg`)).ok);
}

/** Serves the app as it is while somebody works on it, in place of the build. */
export async function develop(house) {
  house.server.kill("SIGTERM");
  await house.server.ended;
  await serve(house, "dev");
}

export const closeTanStack = close;
