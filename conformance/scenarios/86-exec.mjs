// lentil exec: the official tools and the guide's own app, none of them changed, find the house at the vendors' names.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { scratchReactApp } from "../lib/app.mjs";
import { complaints, enterCode, enterPassword, listen, newPerson, openBrowser as openPlainBrowser } from "../lib/browser.mjs";
import { contains, holds, same } from "../lib/check.mjs";
import { Exec, exec, houseOf, ownPorts, vacant } from "../lib/exec.mjs";
import { freePort, readEnv, removeFolder, root, until, write } from "../lib/lentil.mjs";
import { copyWithPackages, example as nextExample, movePort, once, suggest } from "../lib/nextjs.mjs";

const password = "correct horse battery staple";
const node22 = join(root, "conformance", "apps", "next", "node_modules", "node", "bin", "node");
const convex = (dir) => join(dir, "node_modules", "convex", "bin", "main.js");

/** The guide's app as a template would lay it out: its main.tsx and auth.config.ts as printed, nothing of Lentil. */
async function project() {
  const dir = scratchReactApp();
  const port = await freePort();
  const config = join(dir, "convex.json");
  write(config, readFileSync(config, "utf8").replaceAll("localhost:5173", `localhost:${port}`));
  const printed = readFileSync(join(root, "conformance", "apps", "main.document.tsx"), "utf8");
  // What the guide leaves to the reader are the imports of what it does not explain.
  write(join(dir, "src", "main.tsx"), `import ReactDOM from "react-dom/client";\nimport { App } from "./App";\nimport "./style.css";\n\n${printed}`);
  return { dir, port, ports: await ownPorts(), url: `http://localhost:${port}` };
}

/** The browser of lentil exec --browser. */
async function openBrowser(app) {
  const run = new Exec(app, ["--headless=new", "--disable-gpu", "--disable-background-networking", "--remote-debugging-port=0"], { flags: ["-q", "--browser", app.url] });
  const from = await run.says("DevTools listening on ");
  const end = await run.says("\n", from);
  const browser = await chromium.connectOverCDP(run.out.slice(from, end).trim());
  const context = listen(browser.contexts()[0]);
  return { context, close: async () => (await browser.close(), await run.stop()) };
}

export async function setUp() {
  return await project();
}

export async function tearDown(app) {
  if (app) {
    await vacant(app.dir);
    removeFolder(app.dir);
  }
}

export const scenarios = {
  "programs that know nothing of Lentil reach it where they look for the vendor": async (app) => {
    const script = join(app.dir, "ask.mjs");
    // Node's own fetch and https, a client that names its vendor's host, and others' hosts.
    write(script, `
      import { request } from "node:https";
      import { WorkOS } from "${import.meta.resolve("@workos-inc/node")}";
      const words = async (r) => r.status + " " + new URL(r.url).host + " " + (await r.json()).code;
      console.log("fetch", await words(await fetch("https://api.workos.com/user_management/users/user_x")));
      console.log("fetch of a Request", await words(await fetch(new Request(new URL("https://api.workos.com:443/nothing"), { method: "POST", body: "{}" }))));
      console.log("https", await new Promise((done, fail) => request("https://api.workos.com/user_management/users/user_x", (r) => (r.resume(), done(r.statusCode))).on("error", fail).end()));
      const workos = new WorkOS("sk_test_nobody");
      console.log("client", await workos.userManagement.listUsers().catch((e) => e.status));
      console.log("loopback", (await fetch(process.env.LENTIL_HOUSE_URL + "/version")).status);
      console.log("elsewhere", await fetch("https://127.0.0.1:${await freePort()}/").catch((e) => e.cause.code));
      for (const host of ["api.convex.dev", "version.convex.dev", "auth.convex.dev"]) {
        console.log(host, (await fetch("https://" + host + "/version")).ok);
      }
    `);
    // Before Node.js 22.21 with our help, since then by what it does itself.
    for (const node of new Set([process.execPath, node22])) {
      const out = await exec(app, [node, script], { flags: ["-q"] });
      same(out.trim().split("\n"), [
        "fetch 401 api.workos.com unauthorized", "fetch of a Request 404 api.workos.com not_found", "https 401", "client 401", "loopback 200", "elsewhere ECONNREFUSED",
        "api.convex.dev true", "version.convex.dev true", "auth.convex.dev true",
      ], node);
    }
  },

  "npx convex dev alone, and the guide's main.tsx as it is printed, in Chromium: sign up, live data, reload, sign out": async (app) => {
    // One command, at a terminal, in a folder that knows nothing of any deployment.
    const vite = `node node_modules/vite/bin/vite.js --port ${app.port} --strictPort --clearScreen false`;
    const dev = new Exec(app, [process.execPath, convex(app.dir), "dev", "--start", vite], { terminal: true });
    let browser;
    try {
      await answer(dev, "soups");
      for (const said of [
        "New AuthKit environment provisioned", "Updated .env.local with VITE_WORKOS_CLIENT_ID, VITE_WORKOS_REDIRECT_URI", `AuthKit redirect URI added: ${app.url}/callback`,
        `AuthKit app homepage URL updated: ${app.url}`, `AuthKit CORS origin added: ${app.url}`, "Convex functions ready!", "ready in", // Vite
      ]) {
        await dev.says(said);
      }
      const env = readEnv(app.dir);
      same(Object.keys(env).sort(), ["CONVEX_DEPLOYMENT", "VITE_CONVEX_SITE_URL", "VITE_CONVEX_URL", "VITE_WORKOS_CLIENT_ID", "VITE_WORKOS_REDIRECT_URI"], ".env.local");
      contains(readFileSync(join(app.dir, ".env.local"), "utf8"), "# See this environment at https://dashboard.workos.com/environment_");
      await configured(app, env);

      browser = await openBrowser(app);
      const page = browser.context.pages()[0] ?? (await browser.context.waitForEvent("page"));
      await page.waitForURL(`${app.url}/`); // by itself
      const asked = new Set();
      page.on("request", (request) => asked.add(new URL(request.url()).origin));
      await page.goto(app.url);
      await page.getByRole("button", { name: "Sign up" }).click();
      await enterPassword(page, "ada@example.com", password);
      await page.getByLabel("Code").waitFor();
      await enterCode(page, await mailedCode(app, "ada@example.com"));
      await page.getByPlaceholder("Suggest a soup").fill("Red lentil soup");
      await page.getByRole("button", { name: "Suggest" }).click();
      await page.getByText("Red lentil soup", { exact: true }).waitFor();
      holds(asked.has("https://api.workos.com"), `the page asked ${[...asked]}`);
      const other = await browser.context.newPage();
      await other.goto(app.url);
      await other.getByPlaceholder("Suggest a soup").fill("Leek and potato");
      await other.getByRole("button", { name: "Suggest" }).click();
      await page.getByText("Leek and potato", { exact: true }).waitFor();
      await page.reload();
      await page.getByText("Red lentil soup", { exact: true }).waitFor();
      await page.getByRole("button", { name: "Sign out" }).click();
      await page.getByRole("button", { name: "Sign in" }).waitFor();
      same(new URL(page.url()).origin, app.url, "where signing out ends");
      // The session at the house ended, too: signing in asks for the password again.
      await page.getByRole("button", { name: "Sign in" }).click();
      await page.getByLabel("Email").waitFor();
      same(complaints(browser.context), []);
    } finally {
      await browser?.close();
      dev.type("\x03");
      await dev.done({ code: 130 });
    }
  },

  "without a terminal the CLI takes the house's own deployment, or makes a project that it is told": async () => {
    const app = await project();
    try {
      const dev = [process.execPath, convex(app.dir), "dev", "--once", "--typecheck", "disable"];
      const alone = await exec(app, dev);
      contains(alone, "a house was started for this command");
      contains(alone, "Convex functions ready!");
      const { deployment, url } = houseOf(app.dir);
      same([readEnv(app.dir).CONVEX_DEPLOYMENT, readEnv(app.dir).VITE_CONVEX_URL], [`dev:${deployment}`, url]);
      const told = await exec(app, [...dev, "--configure", "new", "--project", "stews", "--dev-deployment", "cloud"], { flags: ["-q"] });
      contains(told, `AuthKit redirect URI added: ${app.url}/callback`);
      const env = readEnv(app.dir);
      holds(env.CONVEX_DEPLOYMENT !== `dev:${deployment}` && env.VITE_WORKOS_CLIENT_ID.startsWith("client_"), `.env.local: ${JSON.stringify(env)}`);
      await configured(app, env);
      // And a command that fails is a failure of ours.
      contains(await exec(app, [process.execPath, convex(app.dir), "env", "get"], { flags: ["-q"], code: 1 }), "missing required argument");
    } finally {
      await tearDown(app);
    }
  },

  "the guide's app for Next.js: next dev asks the house, in the server and in the browser": async () => {
    const dir = copyWithPackages(nextExample);
    const port = await freePort();
    movePort(dir, port);
    const app = { dir, port, ports: await ownPorts(), url: `http://localhost:${port}` };
    const dev = new Exec(app, [node22, convex(dir), "dev", "--start", `${node22} node_modules/next/dist/bin/next dev --port ${port}`], { terminal: true, env: { NEXT_TELEMETRY_DISABLED: "1" } });
    let browser;
    try {
      await answer(dev, "bisques");
      await dev.says("Ready in");
      const env = readEnv(dir);
      same(Object.keys(env).filter((name) => name.includes("WORKOS")).sort(), ["NEXT_PUBLIC_WORKOS_REDIRECT_URI", "WORKOS_API_KEY", "WORKOS_CLIENT_ID", "WORKOS_COOKIE_PASSWORD"]);
      browser = await openPlainBrowser();
      const person = await newPerson(browser);
      const page = await person.newPage();
      await page.goto(app.url);
      await page.getByRole("link", { name: "Sign up" }).first().click();
      await enterPassword(page, "ada@example.com", password);
      await page.getByLabel("Code").waitFor();
      await enterCode(page, await mailedCode(app, "ada@example.com"));
      await page.getByPlaceholder("Suggest a soup").waitFor();
      await suggest(page, "Red lentil soup");
      // The server, too, knows who it is, in the first answer.
      const html = await (await page.request.get(`${app.url}/board`)).text();
      contains(html, "ada@example.com", "the first answer");
      contains(html, "Red lentil soup", "the first answer");
      await page.reload();
      await once(page, "Red lentil soup");
      await person.close();
    } finally {
      await browser?.close();
      dev.type("\x03");
      await dev.stop("SIGTERM");
      await until("Next.js to let go of its cache", () => tearDown(app).then(() => true));
    }
  },
};

/** Answers what the CLI asks in a folder that knows no deployment: a new project of this name. */
async function answer(dev, name) {
  await dev.says("What would you like to configure?");
  dev.type("\r"); // create a new project
  await dev.says("Project name:");
  dev.type(`${name}\r`);
  await dev.says("Set up Convex AI files?");
  dev.type("n\r");
}

/** Asks the vendor's API, as a program below exec does, what the CLI has set up. */
async function configured(app, env) {
  const key = (await exec(app, [process.execPath, convex(app.dir), "env", "get", "WORKOS_API_KEY"], { flags: ["-q"] })).trim();
  holds(key.startsWith("sk_test_"), `the deployment's key is ${key}`);
  const list = async (what) => {
    const call = `fetch("https://api.workos.com/user_management/${what}", { headers: { Authorization: "Bearer ${key}" } }).then((r) => r.text()).then(console.log)`;
    return JSON.parse(await exec(app, [process.execPath, "-e", call], { flags: ["-q"] })).data;
  };
  same((await list("redirect_uris")).map((row) => row.uri), [env.VITE_WORKOS_REDIRECT_URI]);
  same((await list("cors_origins")).map((row) => row.origin), [app.url]);
}

/** The code that was mailed to somebody. */
async function mailedCode(app, to) {
  const { outboxUrl } = houseOf(app.dir);
  return await until(`mail for ${to}`, async () => (await (await fetch(`${outboxUrl}?to=${encodeURIComponent(to)}`)).json()).find((mail) => mail.code)?.code);
}
