// Older CLIs and clients, on one house: each pushes over the one before, as an app does that is brought up to date.
import { anyApi as api } from "convex/server";
import { readFileSync, rmSync, symlinkSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import WebSocket from "ws";
import { contains, fails, holds, same } from "../lib/check.mjs";
import { Lentil, portFlags, removeFolder, root, scratchApp, until, write } from "../lib/lentil.mjs";

globalThis.WebSocket ??= WebSocket;

const app = join(root, "conformance", "apps", "older");
const versions = ["1.25", "1.31", "1.39"];

export async function setUp() {
  const dir = scratchApp(app, join(app, "nothing"));
  write(join(dir, "package.json"), JSON.stringify({ name: "older", type: "module", dependencies: { convex: "*" } }));
  return await new Lentil(dir, await portFlags()).start();
}

export async function tearDown(lentil) {
  await lentil?.stop();
  lentil && removeFolder(lentil.dir);
}

/** Makes the app depend on one version of the package. */
function use(lentil, version) {
  const link = join(lentil.dir, "node_modules", "convex");
  rmSync(link, { force: true });
  write(join(lentil.dir, "node_modules", ".keep"), "");
  symlinkSync(version === "1.48" ? join(root, "conformance", "node_modules", "convex") : join(app, "node_modules", `convex-${version}`), link);
}

/** The browser clients of a version, as its package exports them. */
const clients = (version) => createRequire(join(app, "package.json"))(`convex-${version}/browser`);

const push = (lentil, ...more) => lentil.cli(["dev", "--once", "--typecheck", "disable", ...more], { allowFailure: true });

const scenarios = {};

for (const version of versions) {
  scenarios[`${version}: the CLI pushes, runs, and says what is wrong`] = async (lentil) => {
    use(lentil, version);
    const pushed = await push(lentil);
    same(pushed.code, 0, pushed.stdout + pushed.stderr);
    contains(pushed.stdout + pushed.stderr, "Convex functions ready");
    contains(readFileSync(join(lentil.dir, "convex/_generated/api.d.ts"), "utf8"), "tasks");
    await lentil.cli(["run", "tasks:addLater", JSON.stringify({ list: version, title: "by the CLI" })]);
    contains((await lentil.cli(["data", "tasks"])).stdout, version);
    await lentil.cli(["env", "set", "AGE", version]);
    same((await lentil.cli(["env", "get", "AGE"])).stdout.trim(), version);
    const spec = JSON.parse((await lentil.cli(["function-spec"])).stdout);
    holds(spec.functions.some((f) => f.identifier === "tasks.js:add" && f.functionType === "Mutation"), "tasks:add in the function-spec");
    same(await (await fetch(`${lentil.info.siteUrl}/ping`)).text(), "pong");

    const path = join(lentil.dir, "convex/schema.ts");
    const before = readFileSync(path, "utf8");
    write(path, before.replace("title: v.string()", "title: v.number()"));
    const refused = await push(lentil);
    write(path, before.replace('.index("by_list", ["list", "done"])', '.index("by_list", ["list", "done"]).index("by_title", ["title"])'));
    holds(refused.code !== 0, "a schema that the data does not meet is refused");
    contains(refused.stdout + refused.stderr, "Schema validation failed");
    const indexed = await push(lentil);
    write(path, before);
    same(indexed.code, 0, indexed.stdout + indexed.stderr);
    contains(indexed.stdout + indexed.stderr, "tasks.by_title");
    same((await push(lentil)).code, 0);
    same((await lentil.cli(["deploy", "-y", "--typecheck", "disable"])).code, 0);
  };

  scenarios[`${version}: its clients query, mutate, subscribe and paginate`] = async (lentil) => {
    const { ConvexClient, ConvexHttpClient } = clients(version);
    const http = new ConvexHttpClient(lentil.info.url, { logger: false });
    const live = new ConvexClient(lentil.info.url, { webSocketConstructor: WebSocket, unsavedChangesWarning: false, logger: false });
    const list = `clients ${version}`;
    const seen = [];
    const stop = live.onUpdate(api.tasks.open, { list }, (titles) => seen.push(titles));
    const id = await live.mutation(api.tasks.add, { list, title: "first" });
    await http.mutation(api.tasks.add, { list, title: "second" });
    await until("both", () => seen.at(-1)?.length === 2);
    await live.mutation(api.tasks.finish, { id });
    await until("one", () => seen.at(-1).length === 1);
    same(await http.action(api.tasks.summary, { list }), "1 open");
    await until("what was scheduled", () => seen.at(-1).includes("read the summary"));
    const page = await http.query(api.tasks.page, { paginationOpts: { cursor: null, numItems: 2 } });
    same([page.page.length, page.isDone], [2, false]);
    same((await fails(() => live.mutation(api.tasks.add, { list, title: " " }), "an empty title")).data, { field: "title" });
    contains((await fails(() => http.mutation(api.tasks.add, { list }), "no title")).message, "ArgumentValidationError");
    stop();
    await live.close();
  };
}

scenarios["the newest CLI takes over, and the data is there"] = async (lentil) => {
  use(lentil, "1.48");
  const pushed = await push(lentil);
  same(pushed.code, 0, pushed.stdout + pushed.stderr);
  for (const version of versions) {
    same(JSON.parse((await lentil.cli(["run", "tasks:open", JSON.stringify({ list: version })])).stdout), ["by the CLI"]);
  }
};

export { scenarios };
