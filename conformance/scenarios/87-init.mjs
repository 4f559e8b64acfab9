// New projects: "lentil init", and what "npm create convex" makes of the guide's template, both run as they are.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { enterCode, enterPassword, newPerson, openBrowser } from "../lib/browser.mjs";
import { contains, holds, same } from "../lib/check.mjs";
import { Exec, houseOf, ownPorts, vacant } from "../lib/exec.mjs";
import { binary, freePort, readEnv, removeFolder, root, until, write } from "../lib/lentil.mjs";
import { templateCache } from "../lib/template.mjs";

const password = "correct horse battery staple";

export async function setUp() {
  return { dir: mkdtempSync(join(tmpdir(), "lentil-init-")), browser: await openBrowser() };
}

export async function tearDown(t) {
  await t?.browser?.close();
  if (t) {
    removeFolder(t.dir);
  }
}

export const scenarios = {
  "lentil init, npm install, lentil exec -- npm run dev: a person signs up and posts": async ({ dir, browser }) => {
    const out = execFileSync(binary, ["init", "my-app", "--install", "--json"], { cwd: dir, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
    same(JSON.parse(out).template, "react-vite-authkit");
    const app = await placed(join(dir, "my-app"), "soups");
    await runs(app, browser, async (page) => {
      await page.goto(app.url);
      await page.getByRole("button", { name: "Sign up" }).click();
      await signUp(app, page);
      await page.getByPlaceholder("Suggest a soup").fill("Red lentil soup");
      await page.getByRole("button", { name: "Suggest" }).click();
      await page.getByText("Red lentil soup", { exact: true }).waitFor();
    });
  },

  "npm create convex -- -t react-vite-authkit: its output runs as it is": async ({ dir, browser }) => {
    const ports = await ownPorts();
    templateCache(join(dir, "cache"));
    const create = join(root, "conformance", "node_modules", "create-convex", "index.js");
    const made = new Exec({ dir, ports }, [process.execPath, create, "chat", "-t", "react-vite-authkit"], { env: { XDG_CACHE_HOME: join(dir, "cache"), npm_config_user_agent: "npm/11.0.0" }, flags: ["-q"] });
    await made.done();
    await vacant(dir);
    same(JSON.parse(readFileSync(join(dir, "chat", "package.json"), "utf8")).scripts.dev, "convex dev --start vite", "the template's script");
    const app = await placed(join(dir, "chat"), "chat");
    await runs(app, browser, async (page, context) => {
      // The template's page asks api.workos.com itself: a browser of lentil exec finds the house there; a script
      // of the page's server is enough to see what it asks.
      await page.goto(app.url);
      const asked = context.waitForEvent("request", (request) => new URL(request.url()).pathname === "/user_management/authorize");
      await page.getByRole("button", { name: "Sign in" }).click();
      const to = new URL((await asked).url());
      same([to.origin, to.searchParams.get("client_id"), to.searchParams.get("redirect_uri")],
        ["https://api.workos.com", readEnv(app.dir).VITE_WORKOS_CLIENT_ID, `${app.url}/callback`]);
    });
  },
};

/** A project on ports of its own, so that it runs beside others. */
async function placed(dir, project) {
  const port = await freePort();
  for (const name of ["convex.json", "package.json"]) {
    const path = join(dir, name);
    write(path, readFileSync(path, "utf8").replaceAll("localhost:5173", `localhost:${port}`).replaceAll('--start vite"', `--start 'vite --port ${port} --strictPort --clearScreen false'"`));
  }
  return { dir, project, url: `http://localhost:${port}`, ports: await ownPorts() };
}

/** Runs the project's own development command, answers the CLI's questions and uses the page. */
async function runs(app, browser, use) {
  const dev = new Exec(app, ["npm", "run", "dev"], { terminal: true });
  const context = await newPerson(browser);
  try {
    await dev.says("What would you like to configure?");
    dev.type("\r"); // create a new project
    await dev.says("Project name:");
    dev.type(`${app.project}\r`);
    await dev.says("Set up Convex AI files?");
    dev.type("n\r");
    for (const said of ["New AuthKit environment provisioned", `AuthKit redirect URI added: ${app.url}/callback`, `AuthKit CORS origin added: ${app.url}`, "Convex functions ready!", "ready in"]) {
      await dev.says(said, 0, 60_000);
    }
    const env = readEnv(app.dir);
    contains(env.CONVEX_DEPLOYMENT, "dev:");
    holds(env.VITE_WORKOS_CLIENT_ID.startsWith("client_") && env.VITE_WORKOS_REDIRECT_URI === `${app.url}/callback`, JSON.stringify(env));
    await use(await context.newPage(), context);
  } finally {
    await context.close();
    await dev.stop("SIGTERM");
    await vacant(app.dir);
  }
}

/** Signs up on the house's pages. */
async function signUp(app, page) {
  await enterPassword(page, "ada@example.com", password);
  await page.getByLabel("Code").waitFor();
  const { outboxUrl } = houseOf(app.dir);
  const code = await until("the code", async () => (await (await fetch(`${outboxUrl}?to=ada@example.com`)).json()).find((mail) => mail.code)?.code);
  await enterCode(page, code);
}
