// Every other command of the official CLI that can address a deployment, with the forms its help names.
import { ConvexHttpClient } from "convex/browser";
import { anyApi as api } from "convex/server";
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { contains, holds, lacks, same } from "../lib/check.mjs";
import { Command, Mcp } from "../lib/command.mjs";
import { Lentil, patience, portFlags, removeFolder, root, scratchApp, write } from "../lib/lentil.mjs";

export async function setUp() {
  const dir = scratchApp(join(root, "conformance", "apps", "contract"), join(root, "conformance", "node_modules"));
  const lentil = await new Lentil(dir, await portFlags()).start();
  await lentil.cli(["dev", "--once", "--typecheck", "disable"]);
  return lentil;
}

export async function tearDown(lentil) {
  await lentil?.stop();
  lentil && removeFolder(lentil.dir);
}

/** Output and errors together, with the exit code. */
async function cli(lentil, args, options = {}) {
  const { code, stdout, stderr } = await lentil.cli(args, { allowFailure: true, ...options });
  return { code, stdout, text: stdout + stderr };
}

async function works(lentil, args, options) {
  const done = await cli(lentil, args, options);
  same(done.code, 0, `${args.join(" ")}: ${done.text}`);
  return done;
}

async function refused(lentil, args, why, options) {
  const done = await cli(lentil, args, options);
  holds(done.code !== 0, `${args.join(" ")} ended well: ${done.text}`);
  contains(done.text, why);
  lacks(done.text, "Retrying request"); // as it says from its third attempt on
}

const file = (lentil, name) => join(lentil.dir, name);
const send = (lentil, channel, body) => lentil.cli(["run", "messages:send", JSON.stringify({ channel, body })]);

export const scenarios = {
  "run: the ways to name a function and to write arguments": async (lentil) => {
    await send(lentil, "forms", "one");
    const [byPath, byApi, byFile, loose] = await Promise.all([
      works(lentil, ["run", "messages:list", '{"channel":"forms"}']),
      works(lentil, ["run", "api.messages.list", '{"channel":"forms"}']),
      works(lentil, ["run", "convex/messages.ts:list", '{"channel":"forms"}']),
      works(lentil, ["run", "messages:list", "{channel: 'forms',}"]),
    ]);
    same(JSON.parse(byPath.stdout).map((m) => m.body), ["one"]);
    same([byApi.stdout, byFile.stdout, loose.stdout], [byPath.stdout, byPath.stdout, byPath.stdout]);
    await Promise.all([
      refused(lentil, ["run", "messages:list", "{channel"], "Failed to parse arguments as JSON"),
      refused(lentil, ["run", "messages:list", "{}"], "ArgumentValidationError"),
      refused(lentil, ["run", "messages:nothing"], "Available functions:\n• actions:chain"),
      refused(lentil, ["run", "messages:list", "--prod"], "cannot be used with a self-hosted deployment"),
      refused(lentil, ["run", "messages:list", "{}", "--component", "nowhere"], "nowhere"),
    ]);
  },

  "run --watch prints each new result, until it is ended": async (lentil) => {
    const watch = new Command(lentil.dir, ["run", "messages:list", '{"channel":"watched"}', "--watch"]);
    await watch.says("[]");
    await send(lentil, "watched", "seen by the watcher");
    await watch.says("seen by the watcher");
    await watch.stop();
  },

  "run --push pushes first; --identity acts as somebody": async (lentil) => {
    const path = file(lentil, "convex/messages.ts");
    const before = readFileSync(path, "utf8");
    write(path, `${before}\nexport const pushed = query({ args: {}, handler: async (ctx) => (await ctx.auth.getUserIdentity())?.email ?? "nobody" });\n`);
    await refused(lentil, ["run", "messages:pushed"], "Could not find function");
    same((await works(lentil, ["run", "messages:pushed", "--push", "--typecheck", "disable"])).stdout.trim(), '"nobody"');
    same((await works(lentil, ["run", "messages:pushed", "{}", "--identity", "{ email: 'ann@example.test' }"])).stdout.trim(), '"ann@example.test"');
    write(path, before);
    await refused(lentil, ["run", "messages:list", "--push", "--typecheck", "disable"], "ArgumentValidationError");
    await refused(lentil, ["run", "messages:pushed"], "Could not find function");
  },

  "run --inline-query: expressions, statements, modules": async (lentil) => {
    await send(lentil, "inline", "hello");
    const [expression, statements, module, none] = await Promise.all(
      [
        'await ctx.db.query("messages").filter((q) => q.eq(q.field("channel"), "inline")).collect()',
        'const m = await ctx.db.query("messages").withIndex("by_channel", (q) => q.eq("channel", "inline")).first(); console.log("body", m.body); return m.body;',
        'export default query({ handler: async (ctx) => (await ctx.runQuery("messages:list", { channel: "inline" })).length })',
        "undefined",
      ].map((source) => works(lentil, ["run", "--inline-query", source])),
    );
    same(JSON.parse(expression.stdout).map((m) => m.body), ["hello"]);
    same(statements.stdout.trim(), '"hello"');
    contains(statements.text, "[LOG] 'body' 'hello'");
    same(module.stdout.trim(), "1");
    same(none.stdout.trim(), "");
    await Promise.all([
      refused(lentil, ["run", "--inline-query", 'await ctx.db.insert("messages", {})'], "ctx.db.insert is not a function"),
      refused(lentil, ["run", "--inline-query", "await fetch('http://example.test')"], "Can't use fetch() in queries and mutations"),
      refused(lentil, ["run", "--inline-query", "nothing.at.all"], "nothing is not defined"),
      refused(lentil, ["run", "--inline-query", "1", "--component", "nowhere"], "Component path"),
    ]);
  },

  "data: limits, orders, formats, tables of the system": async (lentil) => {
    const client = new ConvexHttpClient(lentil.info.url);
    for (const body of ["a", "b", "c"]) {
      await client.mutation(api.messages.send, { channel: "data", body });
    }
    const rows = (done) => JSON.parse(done.stdout).map((m) => m.body);
    same(rows(await works(lentil, ["data", "messages", "--limit", "2", "--format", "json"])), ["c", "b"]);
    same(rows(await works(lentil, ["data", "messages", "--limit", "1", "--order", "asc", "--format", "jsonArray"])), ["one"]);
    same((await works(lentil, ["data", "messages", "--limit", "3", "--format", "jsonLines"])).stdout.trim().split("\n").map((line) => JSON.parse(line).body), ["c", "b", "a"]);
    const [pretty, ...empty] = await Promise.all(
      [["messages", "--format", "pretty"], ["nothing"], ["_scheduled_functions"], ["_storage"]].map((args) => works(lentil, ["data", ...args])),
    );
    contains(pretty.stdout, "| channel");
    for (const { text } of empty) {
      contains(text, "no documents");
    }
    await refused(lentil, ["data", "_modules"], "system table");
  },

  "function-spec --file, env from a file, network-test": async (lentil) => {
    await works(lentil, ["function-spec", "--file"]);
    const spec = readdirSync(lentil.dir).find((name) => name.startsWith("function_spec_"));
    same(JSON.parse(readFileSync(file(lentil, spec), "utf8")).url, lentil.info.url);
    write(file(lentil, "more.env"), 'ONE=1\nTWO="two words"\nLINES="a\nb"\n');
    await works(lentil, ["env", "set", "--from-file", "more.env"]);
    same((await works(lentil, ["env", "get", "LINES"])).stdout, "a\nb\n");
    const names = (await works(lentil, ["env", "list", "--names-only"])).stdout.split("\n");
    holds(["ONE", "TWO", "LINES"].every((name) => names.includes(name)), `names: ${names}`);
    await works(lentil, ["env", "set", "ONE", "2"]);
    await refused(lentil, ["env", "set", "--from-file", "more.env"], "already exists with different value");
    await works(lentil, ["env", "set", "--from-file", "more.env", "--force"]);
    same((await works(lentil, ["env", "get", "ONE"])).stdout.trim(), "1");
    await works(lentil, ["env", "rm", "ONE"]);
    contains((await cli(lentil, ["env", "get", "ONE"])).text, "not found"); // and ends well, as the CLI has it
    const [network] = await Promise.all([works(lentil, ["network-test"]), refused(lentil, ["env", "default", "list"], "only available for cloud projects")]);
    contains(network.text, "OK: WebSocket connection established");
    contains(network.text, "OK: echo 4 MiB");
  },

  "logs: history, successes, lines of JSON": async (lentil) => {
    await lentil.cli(["run", "actions:chatty", '{"word":"before"}']);
    const json = new Command(lentil.dir, ["logs", "--history", "2", "--success", "--jsonl"]);
    const plain = new Command(lentil.dir, ["logs"]);
    await json.says("chatty");
    await plain.says("Watching logs");
    await lentil.cli(["run", "actions:chatty", '{"word":"after"}']);
    await json.says("'after'");
    await plain.says("'hello' 'after'");
    const entries = json.out.split("\n").slice(0, -1).filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));
    const entry = entries.find((e) => JSON.stringify(e.logLines).includes("'before'"));
    same([entry.kind, entry.udfType, entry.identifier, entry.error, entry.cachedResult], ["Completion", "Query", "actions:chatty", null, false]);
    lacks(plain.out, "'before'", "logs without --history");
    await Promise.all([json.stop(), plain.stop()]);
  },

  "deploy: --cmd, --cmd-url-env-var-name, --message, previews": async (lentil) => {
    const quick = ["deploy", "-y", "--typecheck", "disable", "--codegen", "disable"];
    const built = await works(lentil, [...quick, "--cmd", "node -e \"console.log('built for', process.env.CONVEX_URL, process.env.CONVEX_SITE_URL)\""]);
    contains(built.text, `built for ${lentil.info.url} ${lentil.info.siteUrl}`);
    const named = await works(lentil, [...quick, "--message", "a message", "--preview-run", "messages:list", "--cmd", "node -e \"console.log('at', process.env.MY_URL)\"", "--cmd-url-env-var-name", "MY_URL"]);
    contains(named.text, `at ${lentil.info.url}`);
    contains(named.text, "Deployed Convex functions");
    const [dry] = await Promise.all([
      works(lentil, [...quick, "--dry-run", "-v"]),
      refused(lentil, [...quick, "--cmd", "exit 3"], "'exit 3' failed"),
      refused(lentil, [...quick, "--preview-create", "x"], "preview deploy key"),
    ]);
    contains(dry.text, "Would have deployed");
  },

  "dev: --run, --until-success, --env-file, --url with --admin-key": async (lentil) => {
    const quick = ["dev", "--typecheck", "disable", "--codegen", "disable"];
    const { url, adminKey } = lentil.info;
    contains((await works(lentil, [...quick, "--once", "--run", "messages:secretCount"])).text, 'Finished running function "messages:secretCount"');
    await refused(lentil, [...quick, "--once", "--run", "messages:nothing"], "Could not find function");
    write(file(lentil, "other.env"), `CONVEX_SELF_HOSTED_URL='${url}'\nCONVEX_SELF_HOSTED_ADMIN_KEY='${adminKey}'\n`);
    contains((await works(lentil, [...quick, "--once", "--env-file", "other.env"])).text, "functions ready");
    contains((await works(lentil, [...quick, "--once", "--url", url, "--admin-key", adminKey])).text, "functions ready");
    await refused(lentil, [...quick, "--once", "--url", url, "--admin-key", "nonsense|00"], "BadAdminKey");

    // Something is missing that comes from elsewhere: the CLI waits for it, and pushes by itself.
    const auth = file(lentil, "convex/auth.config.ts");
    write(auth, "export default { providers: [{ domain: process.env.ISSUER!, applicationID: 'x' }] };\n");
    const waiting = new Command(lentil.dir, [...quick, "--until-success"]);
    await waiting.says("ISSUER");
    await works(lentil, ["env", "set", "ISSUER", "https://issuer.example.test"]);
    await waiting.says("functions ready");
    same(await waiting.exited, 0);
    rmSync(auth);
  },

  "dev watches files, pushes what changed, says what is broken, and shows logs": async (lentil) => {
    const dev = new Command(lentil.dir, ["dev", "--typecheck", "disable", "--tail-logs", "always"]);
    let place = await dev.says("functions ready");
    write(file(lentil, "convex/watched.ts"), 'import { query } from "./_generated/server";\nexport const which = query({ args: {}, handler: async () => { console.log("I am", 1); return 1; } });\n');
    place = await dev.says("functions ready", place);
    same((await works(lentil, ["run", "watched:which"])).stdout.trim(), "1");
    place = await dev.says("'I am' 1");
    write(file(lentil, "convex/watched.ts"), 'throw new Error("not now");\nexport const which = 1;\n');
    place = await dev.says("not now", place);
    same((await works(lentil, ["run", "watched:which"])).stdout.trim(), "1");
    write(file(lentil, "convex/watched.ts"), 'import { query } from "./_generated/server";\nexport const which = query({ args: {}, handler: async () => 2 });\n');
    place = await dev.says("functions ready", place);
    same((await works(lentil, ["run", "watched:which"])).stdout.trim(), "2");
    await dev.stop();
    rmSync(file(lentil, "convex/watched.ts"));
  },

  "codegen: --init, static types, CommonJS; the server is not touched": async (lentil) => {
    const before = (await works(lentil, ["function-spec"])).stdout;
    rmSync(file(lentil, "convex/tsconfig.json"));
    await works(lentil, ["codegen", "--init", "--typecheck", "disable"]);
    holds(existsSync(file(lentil, "convex/tsconfig.json")), "--init writes tsconfig.json");
    write(file(lentil, "convex.json"), JSON.stringify({ codegen: { staticApi: true, staticDataModel: true } }));
    await works(lentil, ["codegen", "--typecheck", "disable"]);
    contains(readFileSync(file(lentil, "convex/_generated/api.d.ts"), "utf8"), 'FunctionReference<\n      "mutation",\n      "public"');
    contains(readFileSync(file(lentil, "convex/_generated/dataModel.d.ts"), "utf8"), "by_channel_and_rank");
    contains((await works(lentil, ["codegen", "--dry-run", "--typecheck", "disable"])).text, "Bundling");
    write(file(lentil, "convex.json"), JSON.stringify({ generateCommonJSApi: true }));
    await works(lentil, ["codegen", "--typecheck", "disable"]);
    holds(existsSync(file(lentil, "convex/_generated/api_cjs.cjs")), "api_cjs.cjs");
    rmSync(file(lentil, "convex.json"));
    same((await works(lentil, ["function-spec"])).stdout, before);
  },

  "mcp: every tool, over its standard input and output": async (lentil) => {
    const { url, adminKey } = lentil.info;
    const mcp = new Mcp(lentil.dir, ["mcp", "start", "--project-dir", lentil.dir], { env: { CONVEX_PROVISION_HOST: url, CONVEX_OVERRIDE_ACCESS_TOKEN: adminKey } });
    same((await mcp.open()).serverInfo.name, "Convex MCP Server");
    same((await mcp.ask("tools/list", {})).tools.length, 12);
    const { availableDeployments } = await mcp.call("status", { projectDir: lentil.dir });
    same(availableDeployments.map((d) => d.url), [url]);
    const { deploymentSelector } = availableDeployments[0];
    const call = (name, args = {}) => mcp.call(name, { deploymentSelector, ...args });
    const { tables } = await call("tables");
    same(tables.messages.schema.indexes.length > 0, true);
    const { page } = await call("data", { tableName: "messages", order: "asc", limit: 1 });
    same(page.map((m) => m.body), ["one"]);
    same((await call("run", { functionName: "messages:list", args: '{"channel":"forms"}' })).result.length, 1);
    contains((await call("run", { functionName: "messages:nothing", args: "{}" })).error, "Could not find function");
    const oneoff = await call("runOneoffQuery", {
      query: 'import { query } from "convex:/_system/repl/wrappers.js";\nexport default query({ handler: async (ctx) => { console.log("looked"); return (await ctx.db.query("messages").take(1)).length; } });',
    });
    same([oneoff.result, oneoff.logLines], [1, ["[LOG] 'looked'"]]);
    same((await call("envSet", { name: "BY_MCP", value: "yes" })).success, true);
    same((await call("envGet", { name: "BY_MCP" })).value, "yes");
    holds((await call("envList")).variables.some((v) => v.name === "BY_MCP"), "envList");
    same((await call("envRemove", { name: "BY_MCP" })).success, true);
    same((await call("envGet", { name: "BY_MCP" })).value, null);
    contains((await call("logs", { status: "failure" })).entries, "messages:nothing");
    contains((await call("insights")).error, "only available for cloud deployments");
    const spec = await mcp.ask("tools/call", { name: "functionSpec", arguments: { deploymentSelector } });
    contains(spec.content[0].text, "messages.js:list");
    await mcp.stop("SIGTERM");
  },

  "commands of the cloud say at once that they are none of ours": async (lentil) => {
    await Promise.all([
      refused(lentil, ["insights"], "only available for cloud deployments"),
      refused(lentil, ["deployment", "token", "create", "x"], "logged in"),
    ]);
    await Promise.all([
      refused(lentil, ["integration", "workos", "provision-environment"], "requires a configured deployment"),
      refused(lentil, ["project", "create", "x"], "logging in"),
    ]);
    const [dashboard, docs, deployments] = await Promise.all([cli(lentil, ["dashboard", "--no-open"]), works(lentil, ["docs", "--no-open"]), works(lentil, ["deployments"])]);
    contains(dashboard.text, "not supported for self-hosted deployments");
    contains(docs.text, "https://docs.convex.dev");
    contains(deployments.text, lentil.info.url);
  },

  "unknown routes answer at once, with a code": async (lentil) => {
    for (const [method, path] of [["GET", "/api/nothing"], ["POST", "/api/nothing"], ["PUT", "/api/v1/nothing"], ["DELETE", "/api/query"], ["GET", "/api/deploy2/start_push"]]) {
      const answer = await fetch(lentil.info.url + path, { method, signal: AbortSignal.timeout(patience) });
      const { code, message } = await answer.json();
      holds(answer.status >= 400 && answer.status !== 404 && code && message, `${method} ${path}: ${answer.status} ${code}`);
    }
  },
};
