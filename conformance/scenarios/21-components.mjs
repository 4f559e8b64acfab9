// Components of an app's own: namespaces, transactions, handles, environment, HTTP mounts, mounting and unmounting.
import { ConvexClient, ConvexHttpClient } from "convex/browser";
import { anyApi as api } from "convex/server";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import WebSocket from "ws";
import { contains, fails, holds, lacks, same } from "../lib/check.mjs";
import { Lentil, portFlags, removeFolder, root, scratchApp, until, write } from "../lib/lentil.mjs";

const config = "convex/convex.config.ts";

export async function setUp() {
  const dir = scratchApp(join(root, "conformance", "apps", "components"), join(root, "conformance", "node_modules"));
  const lentil = await new Lentil(dir, await portFlags()).start();
  lentil.refused = await push(lentil, { allowFailure: true });
  await lentil.cli(["env", "set", "GREETING", "hi"]);
  await lentil.cli(["env", "set", "SECRET", "of the app"]);
  lentil.pushed = await push(lentil);
  return lentil;
}

export async function tearDown(lentil) {
  await lentil?.stop();
  lentil && removeFolder(lentil.dir);
}

const push = (lentil, options) => lentil.cli(["dev", "--once", "--typecheck", "disable"], options);
const http = (lentil) => new ConvexHttpClient(lentil.info.url, { logger: false });
const said = async (work, what) => (await fails(work, what)).message;

export const scenarios = {
  "a push installs components, once the variables that they need are set": async (lentil) => {
    contains(lentil.refused.stderr + lentil.refused.stdout, "GREETING");
    for (const path of ["notes", "notes/inner", "more", "more/inner"]) {
      contains(lentil.pushed.stderr, `Installed component ${path}.`);
    }
    const generated = readFileSync(join(lentil.dir, "convex/_generated/api.d.ts"), "utf8");
    contains(generated, 'import("../notes/_generated/component.js").ComponentApi<"notes">');
    const component = readFileSync(join(lentil.dir, "convex/notes/_generated/component.ts"), "utf8");
    contains(component, "addAndFail");
    lacks(component, "secret");
  },

  "tables, ids and documents are those of one instance": async (lentil) => {
    const client = http(lentil);
    const { mine, theirs, others } = await client.mutation(api.main.addAll, { text: "a" });
    same(await client.query(api.main.listAll, {}), { mine: ["app a"], theirs: ["a"], others: ["more a"] });
    same(mine.slice(0, 3), theirs.slice(0, 3), "the first table of each namespace has the same number");
    same(await client.query(api.main.look, { id: mine }), { mine: "app a", theirs: null });
    same(await client.query(api.main.look, { id: theirs }), { mine: null, theirs: "a" });
    same(await client.query(api.main.look, { id: others }), { mine: null, theirs: null });
  },

  "a live query sees what is written in a component": async (lentil) => {
    const client = new ConvexClient(lentil.info.url, { webSocketConstructor: WebSocket, logger: false });
    try {
      let lists = [];
      client.onUpdate(api.main.listAll, {}, (all) => lists.push(all.others));
      await until("the first result", () => lists.length > 0);
      await client.mutation(api.main.addAll, { text: "live" });
      await until("the change", () => lists.at(-1).includes("more live"));
    } finally {
      await client.close();
    }
  },

  "a called mutation that fails takes back its own writes and those below, and nothing else": async (lentil) => {
    const client = http(lentil);
    contains(await client.mutation(api.main.forgive, { text: "x" }), "Uncaught Error: no x");
    const { theirs } = await client.query(api.main.listAll, {});
    holds(theirs.includes("x before") && theirs.includes("x after") && !theirs.includes("x"), JSON.stringify(theirs));
    same(await client.query(api.main.where, {}), {
      componentPath: "notes", name: "lib:where", below: { componentPath: "notes/inner", things: 0 }, shared: null,
    });
  },

  "variables: those bound, and none of the app's": async (lentil) => {
    same(await http(lentil).query(api.main.environments, {}), [
      { name: "hi", mode: "loud", absent: null, secret: null, greeting: null, site: `${lentil.info.siteUrl}/notes` },
      { name: "fixed", mode: "quiet", absent: null, secret: null, greeting: null, site: lentil.info.siteUrl },
    ]);
    await lentil.cli(["env", "set", "GREETING", "hello"]);
    same((await http(lentil).query(api.main.environments, {}))[0].name, "hello");
  },

  "references to what is not exported, not there, or of another kind": async (lentil) => {
    const client = http(lentil);
    const call = (component, ...path) => said(() => client.query(api.main.call, { component, path }), `${component}.${path.join(".")}`);
    contains(await call("notes", "lib", "secret"), 'Child component "notes" does not export ["lib","secret"]');
    contains(await call("notes", "lib", "nothing"), 'does not export ["lib","nothing"]');
    contains(await call("notes", "lib"), 'does not export ["lib"]');
    contains(await call("inner", "things", "where"), 'Child component "inner" not found');
    contains(await call("notes", "lib", "add"), "Trying to execute lib.js:add as Query, but it is defined as Mutation.");
    contains(await call("notes", "lib", "page"), "paginate() is only supported in the app");
    contains(await said(() => client.action(api.main.callFromAction, { component: "notes", path: ["lib", "secret"] }), "an action"), "does not export");
    holds((await client.action(api.main.callFromAction, { component: "notes", path: ["lib", "own"] })) > 0, "an action of a component");
    contains(await said(() => client.mutation(api.main.deep, { n: 12 }), "twelve levels"), "Cross component call depth limit exceeded");
    same(await client.mutation(api.main.deep, { n: 7 }), 7);
  },

  "nobody but admins calls a component from outside": async (lentil) => {
    const call = (headers) =>
      fetch(`${lentil.info.url}/api/query`, {
        method: "POST", headers: { "Content-Type": "application/json", ...headers },
        body: JSON.stringify({ path: "lib:list", format: "json", args: {}, componentPath: "notes" }),
      }).then((response) => response.json());
    contains((await call({})).errorMessage, "Could not find public function for 'lib:list' in component 'notes'.");
    same((await call({ Authorization: `Convex ${lentil.info.adminKey}` })).status, "success");
  },

  "who calls: known in the transaction, nobody beyond an action's component": async (lentil) => {
    const client = http(lentil);
    const token = await client.mutation(api.main.token, { sub: "ada" });
    client.setAuth(token);
    same(await client.query(api.main.who, {}), ["ada", "ada"]);
    same(await client.action(api.main.whoFromAction, {}), ["ada", null, null]);
    same(await client.mutation(api.main.issuers, {}), [lentil.info.url, `${lentil.info.url}/components/notes`]);
  },

  "function handles: of any function, in any component, stable over pushes": async (lentil) => {
    const client = http(lentil);
    const before = await client.query(api.main.handles, {});
    same(await client.query(api.main.callHandle, { handle: before[2] }), "secret");
    same(await client.mutation(api.main.callBack, { text: "handle", later: false }), "seen");
    await client.mutation(api.main.callBack, { text: "handle", later: true });
    await until("the scheduled handle", async () => (await client.query(api.main.seen, { what: "handle" })).length === 2);
    same(await client.query(api.main.seen, { what: "handle" }), ['now in ""', 'later in ""']);
    for (const [handle, part] of [["function://nonsense", "is not one of this deployment"], [before[0].replace(/[a-z0-9]{4}#/, "0000#"), "is not one of this deployment"], ["nonsense", "Could not find"]]) {
      contains(await said(() => client.mutation(api.main.callBack, { text: "bad", later: false, handle }), handle), part);
    }
    write(join(lentil.dir, "convex/extra.ts"), "export const nothing = 1;\n");
    await push(lentil);
    same(await client.query(api.main.handles, {}), before);
  },

  "scheduling: the row is the scheduler's, the function the component's": async (lentil) => {
    const client = http(lentil);
    const { mine, theirs } = await client.mutation(api.main.schedule, { text: "later" });
    await until("both jobs", async () => {
      const list = (await client.query(api.main.listAll, {})).theirs;
      return list.includes("later by the app") && list.includes("later by itself");
    });
    const fields = ["_creationTime", "_id", "args", "completedTime", "name", "scheduledTime", "state"];
    const row = { name: "lib.js:add", state: "success", fields };
    same(await client.query(api.main.jobs, { id: mine }), [row, null]);
    same(await client.query(api.main.jobs, { id: theirs }), [null, row]);
    await until("the component's own cron job", async () => (await client.query(api.main.ticks, {})) >= 2);
  },

  "files are those of one instance, and served all the same": async (lentil) => {
    const client = http(lentil);
    const { url, mine, files } = await client.action(api.main.keepFile, { text: "kept by the component" });
    same([mine, files], [null, 1]);
    same(await (await fetch(url)).text(), "kept by the component");
    const upload = await fetch(await client.mutation(api.main.uploadUrl, {}), { method: "POST", body: "uploaded" });
    same(upload.status, 200);
    same(await client.query(api.main.files, {}), [0, 2]);
  },

  "HTTP: mounted below the app, whose own routes go first when they say more": async (lentil) => {
    const get = async (path, init) => {
      const response = await fetch(lentil.info.siteUrl + path, init);
      return [response.status, await response.text()];
    };
    const [status, body] = await get("/notes/count?x=1");
    same([status, JSON.parse(body).url], [200, `${lentil.info.siteUrl}/notes/count?x=1`]);
    same(await get("/notes/files/x"), [200, "files of /notes/files/x"]);
    same(await get("/notes/files/deep/x"), [200, "the app's longer prefix"]);
    same(await get("/notes/mine"), [200, "the app's own"]);
    same(await get("/notes/inner/hello", { method: "POST", body: "you" }), [201, "hello you"]);
    same(await get("/notes/nothing"), [404, "No matching routes found"]);
    same(await get("/elsewhere"), [200, "the app's shortest prefix"]);
  },

  "the CLI's --component: run, data, inline queries, logs": async (lentil) => {
    contains((await lentil.cli(["run", "--component", "notes", "lib:secret"])).stdout, "secret");
    same((await lentil.cli(["data", "--component", "notes/inner"])).stdout.trim(), "things");
    contains((await lentil.cli(["data", "notes", "--component", "more"])).stdout, "more a");
    lacks((await lentil.cli(["data", "notes"])).stdout, "more a");
    contains((await lentil.cli(["run", "--component", "more", "--inline-query", 'await ctx.db.query("notes").first()'])).stdout, "more a");
    const wrong = await lentil.cli(["run", "--component", "nowhere", "lib:secret"], { allowFailure: true });
    contains(wrong.stderr, "ComponentNotFound");
    const unknown = await lentil.cli(["run", "--component", "nowhere", "--inline-query", "1"], { allowFailure: true });
    contains(unknown.stderr, "notes/inner");
    contains((await lentil.cli(["function-spec"])).stdout, "main.js:addAll");
  },

  "pushes that are wrong are refused, and change nothing": async (lentil) => {
    const good = readFileSync(join(lentil.dir, config), "utf8");
    const refuses = async (text, part) => {
      write(join(lentil.dir, config), text);
      const { code, stdout, stderr } = await push(lentil, { allowFailure: true });
      same(code !== 0, true, part);
      contains(stdout + stderr, part);
    };
    await refuses(good.replace('name: "more"', 'name: "notes"'), '"notes" is used twice');
    await refuses(good.replace('MODE: "quiet"', 'MODE: "shrill"'), 'the value of "MODE" does not match its validator');
    await refuses(good.replace(', MODE: "quiet"', ""), 'needs the variable "MODE"');
    await refuses(good.replace('NAME: "fixed"', 'NAME: "fixed", OTHER: "x"'), 'declares no variable "OTHER"');
    await refuses(good.replace('name: "more"', 'name: "no name"'), "no name");
    write(join(lentil.dir, config), good);
    same((await http(lentil).query(api.main.listAll, {})).others.includes("more a"), true);
  },

  "an instance that is not mounted keeps its data, and has it when it is mounted again": async (lentil) => {
    const client = http(lentil);
    const good = readFileSync(join(lentil.dir, config), "utf8");
    const { theirs } = await client.query(api.main.listAll, {});
    const handle = (await client.query(api.main.handles, {}))[1];
    const without = good.replace("app.use(notes, { httpPrefix", "if (false) app.use(notes, { httpPrefix");
    holds(without !== good, "the configuration is another");
    write(join(lentil.dir, config), without);
    contains((await push(lentil)).stderr, "Unmounted component notes.");
    contains(await said(() => client.query(api.main.call, { component: "notes", path: ["lib", "list"] }), "an unmounted component"), 'The component "notes" is not mounted');
    contains(await said(() => client.query(api.main.callHandle, { handle }), "a handle into it"), 'The component "notes" is not mounted');
    same((await fetch(`${lentil.info.siteUrl}/notes/count`).then((response) => response.text())), "the app's shortest prefix");
    contains((await lentil.cli(["run", "--component", "notes", "lib:secret"], { allowFailure: true })).stderr, "is not mounted");
    contains((await lentil.cli(["data", "notes", "--component", "notes"])).stdout, "x before");
    const before = await client.query(api.main.call, { component: "more", path: ["lib", "list"] });
    write(join(lentil.dir, config), good);
    contains((await push(lentil)).stderr, "Remounted component notes.");
    same((await client.query(api.main.listAll, {})).theirs, theirs);
    same((await client.query(api.main.listAll, {})).others, before);
    await client.mutation(api.main.addAll, { text: "again" });
    const ticks = await client.query(api.main.ticks, {});
    await until("the cron job goes on", async () => (await client.query(api.main.ticks, {})) > ticks);
  },
};
