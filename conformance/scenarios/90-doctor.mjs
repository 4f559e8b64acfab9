// lentil doctor: the guide's project is broken in each way of its troubleshooting table. The browser, or the official CLI, is
// seen to fail; the doctor says why, its fix is applied, and it is seen to work.
import { spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { scratchReactApp, serveVite } from "../lib/app.mjs";
import { enterCode, enterPassword, newPerson, openBrowser } from "../lib/browser.mjs";
import { contains, holds, lacks, same } from "../lib/check.mjs";
import { Exec, exec, ownPorts, vacant } from "../lib/exec.mjs";
import { Lentil, binary, freePort, portFlags, readEnv, removeFolder, root, scratchApp, until, write } from "../lib/lentil.mjs";

const password = "correct horse battery staple";

/** The guide's app on a port of its own; `origin` is what convex.json has for CORS. */
async function project(origin = (url) => url) {
  const dir = scratchReactApp();
  const port = await freePort();
  const url = `http://localhost:${port}`;
  const path = join(dir, "convex.json");
  const config = JSON.parse(readFileSync(path, "utf8").replaceAll("http://localhost:5173", url));
  config.authKit.dev.configure.corsOrigins = [origin(url)];
  write(path, JSON.stringify(config, null, 2));
  return { dir, port, url };
}

/** Runs the doctor; gives the exit code and what it printed. */
async function doctor(args, { input = "" } = {}) {
  const child = spawn(binary, ["doctor", ...args], { stdio: ["pipe", "pipe", "pipe"], env: { ...process.env, NO_COLOR: "1" } });
  let out = "", talk = "";
  child.stdout.on("data", (chunk) => (out += chunk));
  child.stderr.on("data", (chunk) => (talk += chunk));
  child.stdin.end(input);
  const code = await new Promise((done) => child.once("close", done));
  return { code, out, talk };
}

/** What the doctor finds: the checks that are not fine, by id. */
async function findings(dir, ...args) {
  const { code, out, talk } = await doctor([dir, "--json", ...args]);
  holds(out !== "", `the doctor says only: ${talk}`);
  const found = JSON.parse(out).findings.filter((f) => f.status === "problem" || f.status === "warning");
  same(code, found.some((f) => f.status === "problem") ? 1 : 0, "the exit code");
  return Object.fromEntries(found.map((f) => [f.id, f]));
}

export async function setUp() {
  const app = await project((url) => url.replace("localhost", "127.0.0.1")); // the right port at the wrong name
  const lentil = await new Lentil(app.dir, await portFlags()).start();
  await lentil.cli(["dev", "--once"]);
  const vite = await serveVite(app.dir, app.port);
  const browser = await openBrowser();
  return { ...app, lentil, vite, browser };
}

export async function tearDown(house) {
  await house?.browser.close();
  await house?.vite.stop();
  await house?.lentil.stop();
  house && removeFolder(house.dir);
}

/** A person whose page keeps the newest access token. */
async function visitor(house) {
  const person = await newPerson(house.browser);
  const page = await person.newPage();
  person.page = page;
  page.on("response", async (response) => {
    if (response.url().endsWith("/user_management/authenticate") && response.ok()) {
      person.token = (await response.json().catch(() => ({}))).access_token ?? person.token;
    }
  });
  return person;
}

/** The newest access token of a page, which its answer brings a moment after the house has written of it. */
const tokenOf = (person) => until("the page's token", () => person.token);

/** From the welcome page to the app's address, with a new account or one that exists. */
async function enter(house, page, email, button = "Sign in") {
  await page.goto(house.url);
  await page.getByRole("button", { name: button }).click();
  await enterPassword(page, email, password);
  if (button === "Sign up") {
    await page.getByLabel("Code").waitFor();
    await enterCode(page, await house.lentil.code(email));
  }
}

const inside = (page) => page.getByPlaceholder("Suggest a soup").waitFor();

export const scenarios = {
  "CORS error: the browser says no more than that, the doctor which origin, and --fix registers it": async (house) => {
    const person = await visitor(house);
    await enter(house, person.page, "ada@example.com", "Sign up");
    await until("the browser's complaint", () => person.problems.some((text) => text.includes("CORS policy")));
    const found = await findings(house.dir);
    same(Object.keys(found), ["cors-origin"]);
    contains(found["cors-origin"].detail[0], `The origin ${house.url} is not registered`);
    contains(found["cors-origin"].detail[0], `the host differs: localhost here, 127.0.0.1 there`);
    contains(found["cors-origin"].detail[0], "It was refused");
    contains(house.lentil.log, `The origin ${house.url} is not registered, so its pages may not call the sign-in service.`, "the server's log");
    const fixed = await doctor([house.dir, "--fix", "--yes"]);
    same(fixed.code, 0, fixed.out + fixed.talk);
    contains(fixed.talk, `{"origin": "${house.url}"}`);
    contains(fixed.out, "Nothing is wrong");
    await person.page.goto(house.url);
    await person.page.getByRole("button", { name: "Sign in" }).click(); // the sign-in service knows the browser by now
    await inside(person.page);
    await person.close();
  },

  "wrong issuer: without the second provider Convex knows nobody; the token says why, and --fix adds the entry": async (house) => {
    const path = join(house.dir, "convex", "auth.config.ts");
    const guide = readFileSync(path, "utf8");
    const second = guide.lastIndexOf(",\n    {");
    write(path, guide.slice(0, second) + guide.slice(guide.lastIndexOf("\n  ]")));
    await house.lentil.cli(["dev", "--once"]);
    const person = await visitor(house);
    await enter(house, person.page, "ada@example.com");
    await until("a refusal in the log", () => house.lentil.log.includes("the second provider is missing"));
    same(await person.page.getByPlaceholder("Suggest a soup").count(), 0, "the app lets nobody in");

    const token = await doctor(["token", "--dir", house.dir], { input: await tokenOf(person) });
    same(token.code, 1);
    contains(token.out, `trusts https://api.workos.com/ only: the second provider is missing.`);
    contains(token.out, "is good for another", "the warning about a living token");
    lacks(token.out + token.talk, person.token.split(".")[2].slice(0, 30), "the doctor's words");

    const found = await findings(house.dir);
    same(Object.keys(found).sort(), ["refused-tokens", "second-provider", "token-issuer"]);
    const fixed = await doctor([house.dir, "--fix", "--yes", "--only", "second-provider"]);
    same(fixed.code, 0, fixed.out + fixed.talk);
    contains(fixed.talk, "+      issuer: `https://api.workos.com/user_management/${clientId}`,");
    // Written, and not pushed yet: the doctor knows the difference.
    same(Object.keys(await findings(house.dir, "--only", "second-provider,config-pushed")), ["config-pushed"]);
    await house.lentil.cli(["dev", "--once"]);
    await person.page.reload();
    await inside(person.page);
    const left = await findings(house.dir);
    same(Object.values(left).map((f) => f.status), ["warning"], JSON.stringify(left)); // what was refused is told for a while
    same((await doctor(["token", "--dir", house.dir, "-"], { input: await tokenOf(person) })).code, 0, "the same token now");
    await person.close();
  },

  "missing aud: tokens of the shared issuer are refused until the fix is pasted, which makes an audience": async (house) => {
    const settings = (body) => fetch(`${house.lentil.info.authkitUrl}/_lentil/v1/settings`, {
      method: "PATCH", headers: { Authorization: `Bearer ${house.lentil.info.apiKey}`, "Content-Type": "application/json" }, body: JSON.stringify(body),
    });
    holds((await settings({ issuer: "https://api.workos.com", audience: "never" })).ok, "settings");
    try {
      const person = await visitor(house);
      await enter(house, person.page, "ada@example.com");
      await until("a refusal in the log", () => house.lentil.log.includes("The token has no claim `aud`"));
      const token = await doctor(["token", "--dir", house.dir, "--json"], { input: await tokenOf(person) });
      same(JSON.parse(token.out).refusal.cause, "missing-aud");
      const found = await findings(house.dir, "--only", "token-audience");
      contains(found["token-audience"].detail[0], `expects ${house.lentil.info.clientId}`);
      contains(found["token-audience"].fix, "/user_management/jwt_template");
      const [, ...lines] = found["token-audience"].fix.split("\n");
      const pasted = spawnSync("sh", ["-c", lines.join("\n")], { encoding: "utf8", env: { ...process.env, WORKOS_API_KEY: house.lentil.info.apiKey } });
      contains(pasted.stdout, '"object":"jwt_template"', `what the fix does: ${pasted.stdout} ${pasted.stderr}`);
      same(await findings(house.dir, "--only", "token-audience"), {});
      await person.page.reload();
      await inside(person.page);
      await person.close();
    } finally {
      await settings({ issuer: null, audience: null });
    }
  },

  "a redirect URI that is not registered is a page, and the doctor says in what it differs": async (house) => {
    const page = await (await newPerson(house.browser)).newPage();
    const query = new URLSearchParams({ client_id: house.lentil.info.clientId, redirect_uri: "https://soups.example/callback/", response_type: "code", provider: "authkit" });
    await page.goto(`${house.lentil.info.authkitUrl}/user_management/authorize?${query}`);
    await page.getByRole("heading", { name: "This redirect URI is not registered" }).waitFor();
    const found = await findings(house.dir, "--only", "redirect-uri");
    contains(found["redirect-uri"].detail[0], "https://soups.example/callback/ is not registered");
    same(found["redirect-uri"].fixable, false, "a stranger's address is never registered by --fix");
  },

  "the guide's app for Next.js: nothing is wrong with it, and what is taken away is put back": async () => {
    const dir = scratchApp(join(root, "examples", "nextjs-authkit"), "");
    const lentil = await new Lentil(dir, await portFlags()).start();
    try {
      const unpushed = ["config-pushed", "functions-pushed"];
      same(Object.keys(await findings(dir)).sort(), unpushed);
      removeFolder(join(dir, "app", "callback"));
      removeFolder(join(dir, "proxy.ts"));
      const env = readFileSync(join(dir, ".env.local"), "utf8");
      write(join(dir, ".env.local"), env.replace(/^WORKOS_COOKIE_PASSWORD=.*$/m, "WORKOS_COOKIE_PASSWORD=short").replace("WORKOS_API_KEY=", "NEXT_PUBLIC_WORKOS_API_KEY="));
      same(Object.keys(await findings(dir)).sort(), ["callback-route", "config-pushed", "cookie-password", "env-local", "functions-pushed", "middleware", "secret-exposed"]);
      const fixed = await doctor([dir, "--fix", "--yes"]);
      lacks(fixed.talk + fixed.out, lentil.info.apiKey, "what --fix shows");
      same(Object.keys(await findings(dir)).sort(), unpushed);
      same(readEnv(dir).WORKOS_API_KEY, lentil.info.apiKey);
      same(readFileSync(join(dir, "app", "callback", "route.ts"), "utf8"), "import { handleAuth } from '@workos-inc/authkit-nextjs';\nexport const GET = handleAuth();\n");
    } finally {
      await lentil.stop();
      removeFolder(dir);
    }
  },

  "a stopped house: the files alone, and what could not be asked": async () => {
    const app = await project();
    try {
      const { code, out } = await doctor([app.dir]);
      same(code, 1);
      contains(out, "missing for Vite: VITE_WORKOS_CLIENT_ID");
      contains(out, "no deployment is known");
      contains((await doctor(["--list"])).out, "second-provider");
      contains((await doctor(["explain", "cors-origin"])).out, "CORS");
      same((await doctor(["--only", "nothing"])).code, 2);
    } finally {
      removeFolder(app.dir);
    }
  },

  "\"Platform not authorized\": disconnect-team, then provision-team, by the official CLI": async () => {
    const app = { ...(await project()), ports: await ownPorts() };
    const convex = (...args) => [process.execPath, join(app.dir, "node_modules", "convex", "bin", "main.js"), ...args];
    const quiet = { flags: ["-q"] };
    const keep = new Exec(app, [process.execPath, "-e", "console.log('kept'); setTimeout(() => {}, 600_000)"], quiet); // the house
    try {
      await keep.says("kept");
      const dev = convex("dev", "--once", "--typecheck", "disable");
      await exec(app, dev, quiet);
      const home = readEnv(app.dir).CONVEX_DEPLOYMENT.replace("dev:", "");
      const withdraw = `
        const ask = async (path, init) => (await fetch("https://api.convex.dev" + path, { ...init, headers: { Authorization: "Bearer " + process.env.CONVEX_OVERRIDE_ACCESS_TOKEN, "Content-Type": "application/json" } })).json();
        const { teamId } = await ask("/api/deployment/${home}/team_and_project");
        console.log(JSON.stringify(await ask("/api/workos/authorize_platform", { method: "POST", body: JSON.stringify({ teamId, authorized: false }) })));`;
      contains(await exec(app, [process.execPath, "--input-type=module", "-e", withdraw], quiet), '"authorized":false');
      const another = [...dev, "--configure", "new", "--project", "stews", "--dev-deployment", "cloud"];
      contains(await exec(app, another, { ...quiet, code: 1 }), "Platform not authorized");
      const found = await findings(app.dir, "--only", "workspace");
      contains(found.workspace.detail[0], "Platform not authorized");
      contains(found.workspace.fix, "lentil exec -- npx convex integration workos disconnect-team\nlentil exec -- npx convex integration workos provision-team");

      const disconnect = new Exec(app, convex("integration", "workos", "disconnect-team"), { ...quiet, terminal: true });
      await disconnect.says("Are you sure");
      disconnect.type("y\r");
      contains(await disconnect.done(), "Successfully disconnected");
      contains((await findings(app.dir, "--only", "workspace")).workspace.detail[0], "no WorkOS workspace");
      const provision = new Exec(app, convex("integration", "workos", "provision-team"), { ...quiet, terminal: true });
      await provision.says("Create a WorkOS team and enable");
      provision.type("y\r");
      await provision.says("Create a new WorkOS team with");
      provision.type("\r");
      await provision.done();
      same(await findings(app.dir, "--only", "workspace"), {});
      contains(await exec(app, dev, quiet), "Convex functions ready!");
    } finally {
      await keep.stop();
      await vacant(app.dir);
      removeFolder(app.dir);
    }
  },
};
