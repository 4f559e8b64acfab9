// Login of the official CLI by device flow, with the house's control plane as its issuer.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { newPerson, openBrowser } from "../lib/browser.mjs";
import { contains, holds, lacks, same } from "../lib/check.mjs";
import { binary, until } from "../lib/lentil.mjs";
import { Operator } from "../lib/operator.mjs";
import { keys } from "../lib/terminal.mjs";

const direct = { direct: true };
const issuer = (o) => ["--override-auth-url", o.url, "--override-auth-client", "convex-cli"];

export async function setUp() {
  const o = await Operator.open();
  o.browser = await openBrowser();
  return o;
}

export async function tearDown(o) {
  await o?.browser?.close();
  await o?.close();
}

/** Begins `login` at a terminal; gives it with the page's address and the code that it shows. */
async function begin(o, dir) {
  const t = o.terminal(dir, ["login", ...issuer(o)], direct);
  await t.answer("Device name:", `Ada's laptop${keys.enter}`);
  await t.says("10 minutes: ");
  await t.answer("Open the browser?", `n${keys.enter}`);
  const [, url, code] = /Visit (\S+) to finish[^]*10 minutes: ([A-Z]{4}-[A-Z]{4})/.exec(t.out);
  return { t, url, code };
}

const config = (o) => join(o.home, `.convex-test-${new URL(o.url).port}`, "config.json");

export const scenarios = {
  "one click on a page logs in whoever sits at the machine": async (o) => {
    const dir = o.folder("lentil-nowhere-");
    const { t, url, code } = await begin(o, dir);
    const context = await newPerson(o.browser);
    const page = await context.newPage();
    await page.goto(url);
    same(await page.getByLabel("code").textContent(), code);
    same(await page.getByRole("link", { name: "Lentil: all projects" }).count(), 1, "the dashboard's frame");
    process.env.LENTIL_SHOTS && (await page.screenshot({ path: `${process.env.LENTIL_SHOTS}/activate.png` }));
    contains(await page.textContent("main"), "owner@lentil.localhost");
    await page.getByRole("button", { name: "Confirm" }).click();
    await page.getByRole("heading", { name: "You are logged in" }).waitFor();
    same(context.problems, []);
    await t.says("Saved credentials");
    same(await t.ends(), 0, t.out);
    const { accessToken } = JSON.parse(readFileSync(config(o), "utf8"));
    const { items } = await o.get("/v1/list_personal_access_tokens");
    holds(items.some((token) => token.name === "Ada's laptop"), JSON.stringify(items));
    same((await o.ask("GET", "/api/teams", undefined, accessToken)).status, 200);
    contains(await o.cli(dir, ["login", "status"], direct), "Status: Logged in");
    contains(await o.cli(dir, ["login", "status"], direct), "My team (my-team)");

    await page.goto(url);
    contains(await page.textContent("main"), "not waiting for anybody", "a code is good for once");
    await context.close();
  },

  "logged in, the CLI works without `lentil exec`, but for what it asks of api.workos.com": async (o) => {
    const dir = o.app();
    const text = await o.cli(dir, ["dev", "--once", "--configure", "existing", "--team", "my-team", "--project", "my-project"], { ...direct, code: 1 });
    contains(text, "Error configuring redirect URI: fetch failed"); // the address is literal in the CLI
    o.bare(dir); // convex.json with configure: false
    contains(await o.cli(dir, ["dev", "--once"], direct), "Convex functions ready!");
    contains(await o.cli(dir, ["run", "notes:environment"], direct), o.lentil.info.clientId);
  },

  "logout forgets the token": async (o) => {
    const dir = o.folder("lentil-nowhere-");
    await o.cli(dir, ["logout"], direct);
    holds(!existsSync(config(o)) || !readFileSync(config(o), "utf8").includes("lentil_"), "the token is still there");
    contains(await o.cli(dir, ["login", "status"], direct), "Not logged in");
  },

  "without a terminal, with its name on the command line": async (o) => {
    const dir = o.folder("lentil-nowhere-");
    let code;
    const seen = (text) => (code ??= /10 minutes: ([A-Z]{4}-[A-Z]{4})/.exec(text)?.[1]);
    const run = o.cli(dir, ["login", ...issuer(o), "--device-name", "CI", "--no-open"], { ...direct, seen });
    await until("the code", () => code);
    await o.confirm(code, "yes");
    contains(await run, "Saved credentials");
  },

  "`npx convex dev` logs in by itself, and a refusal ends it": async (o) => {
    const dir = o.app();
    o.home = o.folder("lentil-home-");
    const t = o.terminal(dir, ["dev", "--once", "--configure", "new", ...issuer(o)], { ...direct, env: { CONVEX_ALLOW_ANONYMOUS: "false" } });
    await t.answer("Device name:");
    await t.says("10 minutes: ");
    await t.answer("Open the browser?", `n${keys.enter}`);
    await t.says("in your browser to log in");
    await o.confirm(/10 minutes: ([A-Z]{4}-[A-Z]{4})/.exec(t.out)[1], "no");
    await t.says("Access denied.");
    same(await t.ends(), 1, t.out);
  },

  "where others reach the page, an operator signs in first": async (o) => {
    const far = await Operator.open(["--host", "0.0.0.0"]);
    try {
      const device = await (await fetch(`${far.url}/oauth/device_authorization`, { method: "POST", body: new URLSearchParams({ client_id: "cli" }) })).json();
      const visit = async (cookie) => await fetch(`${far.url}/activate?user_code=${device.user_code}`, { redirect: "manual", headers: cookie ? { cookie } : {} });
      const away = await visit();
      same([away.status, away.headers.get("location")], [303, `/sign-in?next=${encodeURIComponent(`/activate?user_code=${device.user_code}`)}`]);
      const link = execFileSync(binary, ["dashboard", far.house], { encoding: "utf8" }).match(/https?:\S+/)[0];
      const arrived = await fetch(far.url + new URL(link).pathname, { redirect: "manual" });
      const cookie = arrived.headers.getSetCookie().map((c) => c.split(";")[0]).join("; ");
      const page = await (await visit(cookie)).text();
      contains(page, 'data-state="ask"');
      lacks(page, "Only this computer");
    } finally {
      await far.close();
    }
  },
};
