// lentil exec: the official tools and the guide's own app, none of them changed, find the house at the vendors' names.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { scratchReactApp } from "../lib/app.mjs";
import { enterCode, enterPassword } from "../lib/browser.mjs";
import { contains, holds, same } from "../lib/check.mjs";
import { Exec, exec, houseOf, ownPorts, vacant } from "../lib/exec.mjs";
import { freePort, readEnv, removeFolder, root, until, write } from "../lib/lentil.mjs";

const password = "correct horse battery staple";
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
  const context = browser.contexts()[0];
  context.setDefaultTimeout(15_000);
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
    const out = await exec(app, [process.execPath, script], { flags: ["-q"] });
    same(out.trim().split("\n"), [
      "fetch 401 api.workos.com unauthorized", "fetch of a Request 404 api.workos.com not_found", "https 401", "client 401", "loopback 200", "elsewhere ECONNREFUSED",
      "api.convex.dev true", "version.convex.dev true", "auth.convex.dev true",
    ]);
  },

  "the guide's main.tsx as it is printed, in Chromium: sign up, live data, reload, sign out": async (app) => {
    const dev = new Exec(app, [process.execPath, convex(app.dir), "dev", "--start", `node node_modules/vite/bin/vite.js --port ${app.port} --strictPort --clearScreen false`], { terminal: true });
    let browser;
    try {
      await dev.says("ready in"); // Vite
      browser = await openBrowser(app);
      const page = browser.context.pages()[0];
      const problems = [];
      page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
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
      same(problems.filter((text) => !text.includes("favicon")), []);
    } finally {
      await browser?.close();
      await dev.stop("SIGTERM");
    }
  },
};

/** The code that was mailed to somebody. */
async function mailedCode(app, to) {
  const { outboxUrl } = houseOf(app.dir);
  return await until(`mail for ${to}`, async () => (await (await fetch(`${outboxUrl}?to=${encodeURIComponent(to)}`)).json()).find((mail) => mail.code)?.code);
}
