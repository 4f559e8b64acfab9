// A house that is backed up all the time is killed and its data directory deleted; restored to a second in the middle,
// the React app, its signed-in browser and the official clients go on as if nothing had happened since.
import { WorkOS } from "@workos-inc/node";
import { ConvexHttpClient } from "convex/browser";
import { anyApi as api } from "convex/server";
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { scratchReactApp, serveVite } from "../lib/app.mjs";
import { enterPassword, newPerson, openBrowser } from "../lib/browser.mjs";
import { contains, holds, same } from "../lib/check.mjs";
import { Lentil, binary, freePort, patience, portFlags, removeFolder, sleep, until, write } from "../lib/lentil.mjs";

const password = "correct horse battery staple";
const functions = `
import { mutation, query } from "./_generated/server";
import { v } from "convex/values";
export const add = mutation({ args: { n: v.number() }, handler: async (ctx: any, { n }) => { await ctx.db.insert("numbers", { n }); } });
export const all = query({ args: {}, handler: async (ctx: any) => (await ctx.db.query("numbers").collect()).map((row: any) => row.n) });
export const uploadUrl = mutation({ args: {}, handler: async (ctx: any) => await ctx.storage.generateUploadUrl() });
export const keep = mutation({ args: { file: v.id("_storage") }, handler: async (ctx: any, { file }) => { await ctx.db.insert("kept", { file }); } });
export const drop = mutation({ args: { file: v.id("_storage") }, handler: async (ctx: any, { file }) => { await ctx.storage.delete(file); } });
export const urls = query({ args: {}, handler: async (ctx: any) => {
  const rows = await ctx.db.query("kept").collect();
  return await Promise.all(rows.map((row: any) => ctx.storage.getUrl(row.file)));
} });
`;

/** Runs one of the backup commands. */
function run(house, args, { allowFailure = false } = {}) {
  const done = spawnSync(binary, args, { encoding: "utf8", timeout: 2 * patience, env: { ...process.env, NO_COLOR: "1", ...house.env } });
  holds(allowFailure || done.status === 0, `lentil ${args.join(" ")}: ${done.status}\n${done.stdout}${done.stderr}`);
  return done;
}

const json = (house, args) => JSON.parse(run(house, [...args, "--json"]).stdout);

/** A whole second that begins after now; returns when it has. */
async function nextSecond() {
  const at = Math.ceil(Date.now() / 1000 + 0.2) * 1000;
  await sleep(at - Date.now() + 20);
  return at;
}

async function upload(client, text) {
  const url = await client.mutation(api.moments.uploadUrl, {});
  const { storageId } = await (await fetch(url, { method: "POST", headers: { "Content-Type": "text/plain" }, body: text })).json();
  await client.mutation(api.moments.keep, { file: storageId });
  return storageId;
}

const texts = async (client) =>
  await Promise.all((await client.query(api.moments.urls, {})).map(async (url) => url && (await (await fetch(url)).text())));

export async function setUp() {
  const house = { place: mkdtempSync(join(tmpdir(), "lentil-backup-")) };
  house.env = { LENTIL_BACKUP_KEY_FILE: join(house.place, "backup.key") };
  writeFileSync(house.env.LENTIL_BACKUP_KEY_FILE, "a key of the test that has more than 32 characters\n");
  process.env.LENTIL_BACKUP_KEY_FILE = house.env.LENTIL_BACKUP_KEY_FILE;
  house.backup = join(house.place, "backup");
  house.dir = scratchReactApp();
  const port = await freePort();
  const config = join(house.dir, "convex.json");
  write(config, readFileSync(config, "utf8").replaceAll("localhost:5173", `localhost:${port}`));
  write(join(house.dir, "convex", "moments.ts"), functions);
  house.lentil = await new Lentil(house.dir, [...(await portFlags()), "--backup", house.backup, "--backup-every", "1s"]).start();
  await house.lentil.cli(["dev", "--once", "--typecheck", "disable"]);
  house.vite = await serveVite(house.dir, port);
  house.browser = await openBrowser();
  return house;
}

export async function tearDown(house) {
  delete process.env.LENTIL_BACKUP_KEY_FILE;
  await house?.browser?.close();
  await house?.vite?.stop();
  await house?.lentil?.stop();
  if (house) {
    removeFolder(house.dir);
    removeFolder(house.place);
  }
}

export const scenarios = {
  "deleted and restored to a second in the middle, the app and the people in it go on": async (house) => {
    const state = join(house.dir, ".lentil");
    const { clientId, apiKey, authkitUrl, url } = house.lentil.info;
    const at = new URL(authkitUrl);
    const workos = new WorkOS(apiKey, { clientId, apiHostname: at.hostname, port: Number(at.port), https: false });
    const client = new ConvexHttpClient(url);

    // A person in a browser, and one with tokens alone.
    const person = await newPerson(house.browser);
    const page = await person.newPage();
    await page.goto(house.vite.url);
    await workos.userManagement.createUser({ email: "ada@example.com", password, emailVerified: true });
    await page.getByRole("button", { name: "Sign in" }).first().click();
    await enterPassword(page, "ada@example.com", password);
    const suggest = async (text) => {
      await page.getByPlaceholder("Suggest a soup").fill(text);
      await page.getByPlaceholder("Suggest a soup").press("Enter");
      await page.getByText(text).waitFor();
    };
    await suggest("Lentil soup");
    await workos.userManagement.createUser({ email: "grace@example.com", password, emailVerified: true });
    const grant = await workos.userManagement.authenticateWithPassword({ clientId, email: "grace@example.com", password });

    // The app writes all the time; files come, and one goes again.
    const writes = [];
    let writing = true;
    const writer = (async () => {
      for (let n = 0; writing; n++) {
        const before = Date.now();
        await client.mutation(api.moments.add, { n });
        writes.push({ n, before, after: Date.now() });
        await sleep(15);
      }
    })();
    const early = await upload(client, "a file of before");
    await until("some writes", () => writes.length > 40);
    const moment = await nextSecond();
    await client.mutation(api.moments.drop, { file: early });
    await upload(client, "a file of after");
    await suggest("Soup of later");
    await workos.userManagement.createUser({ email: "late@example.com", password, emailVerified: true });
    const enough = writes.length + 40;
    await until("some more writes", () => writes.length > enough);
    writing = false;
    await writer;

    // What a running house is asked for is done at once.
    const done = json(house, ["backup", house.dir, "--to", house.backup]);
    holds(new Date(done.through) > new Date(writes.at(-1).after), `backed up until ${done.through}`);
    const status = json(house, ["status", house.dir]);
    same([status.status.backup.depot, status.status.problems], [house.backup, []]);
    same(json(house, ["backup", "verify", "--from", house.backup]).damaged, []);

    // The house is killed, and all it had is gone but what was kept apart.
    await house.lentil.stop("SIGKILL");
    copyFileSync(join(state, "secret.key"), join(house.place, "secret.key"));
    rmSync(state, { recursive: true });
    const without = run(house, ["restore", "--from", house.backup, "--to", state], { allowFailure: true });
    same(without.status, 1);
    contains(without.stderr, "--secret-key");
    const restored = json(house, ["restore", "--from", house.backup, "--to", state, "--secret-key", join(house.place, "secret.key"), "--at", new Date(moment).toISOString()]);
    same(new Date(restored.at).getTime(), moment);
    await house.lentil.start();

    // Exactly what had been committed by then, in every store.
    const numbers = (await client.query(api.moments.all, {})).sort((a, b) => a - b);
    same(numbers, numbers.map((_, i) => i), "a prefix of the writes");
    const sure = writes.filter((w) => w.after < moment).length;
    const never = writes.filter((w) => w.before < moment).length;
    holds(sure > 20 && numbers.length >= sure && numbers.length <= never, `${numbers.length} writes, between ${sure} and ${never}`);
    same(await texts(client), ["a file of before"]);
    same((await workos.userManagement.listUsers()).data.map((u) => u.email).sort(), ["ada@example.com", "grace@example.com"]);
    same([restored.users, restored.deployments.length], [2, 1]);
    const [deployment] = restored.deployments;
    same([deployment.name, deployment.files, deployment.filesMissing], [house.lentil.info.deployment, 1, 0]);
    const { stdout } = await house.lentil.cli(["data"]);
    let documents = 0;
    for (const table of stdout.trim().split(/\s+/)) {
      documents += (await house.lentil.cli(["data", table, "--format", "jsonLines", "--limit", "8000"])).stdout.trim().split("\n").filter(Boolean).length;
    }
    same(deployment.documents, documents, "documents");

    // Nobody was signed out, and everything goes on.
    await page.getByText("Soup of later").waitFor({ state: "detached" });
    await page.getByText("Lentil soup").waitFor();
    await suggest("Soup of tomorrow");
    await page.reload();
    await page.getByText("Soup of tomorrow").waitFor();
    const next = await workos.userManagement.authenticateWithRefreshToken({ clientId, refreshToken: grant.refreshToken });
    same(next.user.email, "grace@example.com");
    await upload(client, "a file of today");
    same(await texts(client), ["a file of before", "a file of today"]);
    await person.close();

    // The restored house is backed up too; its history is another one, and the old one stays.
    json(house, ["backup", house.dir, "--to", house.backup]);
    const { windows } = json(house, ["backup", "list", "--from", house.backup]);
    same(windows.length, 2, "histories");
    holds(new Date(windows[0].through) < new Date(windows[1].from), "one after the other");
    same(json(house, ["backup", "verify", "--from", house.backup]).damaged, []);
    const again = join(house.place, "again");
    const later = json(house, ["restore", "--from", house.backup, "--to", again, "--secret-key", join(house.place, "secret.key"), "--at", new Date(writes.at(-1).after + 1).toISOString()]);
    same([later.users, later.deployments[0].files, later.deployments[0].documents > deployment.documents], [3, 1, true]);
    holds(!readdirSync(again).includes("restore-unfinished"), "finished");
  },
};
