// The long-running `npx convex dev`, started by `lentil dev --start` as the README says.
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { holds } from "../lib/check.mjs";
import { binary, portFlags, removeFolder, root, scratchApp, until, write } from "../lib/lentil.mjs";

export async function setUp() {
  const dir = scratchApp(join(root, "conformance", "apps", "contract"), join(root, "conformance", "node_modules"));
  const cli = join(dir, "node_modules", "convex", "bin", "main.js");
  const house = { dir, log: "" };
  const child = spawn(
    binary,
    ["dev", dir, ...(await portFlags()), "--start", `node ${cli} dev --typecheck disable --tail-logs disable`],
    { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, CI: "1", NO_COLOR: "1", FORCE_COLOR: "0" } },
  );
  child.stdout.on("data", (chunk) => (house.log += chunk));
  child.stderr.on("data", (chunk) => (house.log += chunk));
  house.exited = new Promise((done) => child.once("exit", (code, signal) => done(code ?? signal)));
  house.child = child;
  await until("the first push", () => house.log.includes("Convex functions ready"));
  return house;
}

export async function tearDown(house) {
  if (house) {
    house.child.kill("SIGINT");
    await house.exited;
    removeFolder(house.dir);
  }
}

const pushes = (house) => house.log.split("Convex functions ready").length - 1;

async function ask(house, path, args = {}) {
  const url = /CONVEX_SELF_HOSTED_URL=(\S+)/.exec(readFileSync(join(house.dir, ".env.local"), "utf8"))[1];
  const answer = await fetch(`${url}/api/query`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ path, args, format: "json" }),
  });
  return (await answer.json()).value;
}

export const scenarios = {
  "a saved file is live within a moment": async (house) => {
    const pushed = async (after, value) => await until(`the push of ${value}`, async () => pushes(house) > after && (await ask(house, "saved:it")) === value);
    const before = pushes(house);
    write(join(house.dir, "convex/saved.ts"), 'import { query } from "./_generated/server";\nexport const it = query({ args: {}, handler: async () => "first" });\n');
    await pushed(before, "first");
    const again = pushes(house);
    write(join(house.dir, "convex/saved.ts"), 'import { query } from "./_generated/server";\nexport const it = query({ args: {}, handler: async () => "second" });\n');
    await pushed(again, "second");
  },

  "a missing environment variable is waited for": async (house) => {
    write(
      join(house.dir, "convex/auth.config.ts"),
      "export default { providers: [{ type: 'customJwt', issuer: `https://${process.env.LATE_HOST}/`, jwks: 'https://example.com/jwks', algorithm: 'RS256', applicationID: 'x' }] };\n",
    );
    await until("the complaint", () => house.log.includes("LATE_HOST"));
    const before = pushes(house);
    const env = readFileSync(join(house.dir, ".env.local"), "utf8");
    const url = /CONVEX_SELF_HOSTED_URL=(\S+)/.exec(env)[1];
    const key = /CONVEX_SELF_HOSTED_ADMIN_KEY="?([^"\s]+)/.exec(env)[1];
    // The CLI complains first and looks at the variables a moment later, so one setting could come too early.
    let tries = 0;
    await until("the push", async () => {
      if (tries++ % 40 === 0) {
        const set = await fetch(`${url}/api/update_environment_variables`, {
          method: "POST",
          headers: { "content-type": "application/json", authorization: `Convex ${key}` },
          body: JSON.stringify({ changes: [{ name: "LATE_HOST", value: `${tries}.example.com` }] }),
        });
        holds(set.ok, `status ${set.status}`);
      }
      return pushes(house) > before;
    });
  },

  "Ctrl-C ends the command, too, and leaves nothing behind": async (house) => {
    house.child.kill("SIGINT");
    const code = await house.exited;
    holds(code === 0 || code === 130, `exit code ${code}`);
    holds(existsSync(join(house.dir, ".lentil")), "the state stays");
    await until("the port to be free", async () => {
      try {
        await ask(house, "saved:it");
        return false;
      } catch {
        return true;
      }
    }, 3000);
  },
};
