// The official CLI, unmodified: push, codegen, run, env, logs, data, function-spec, and what it says when something is wrong.
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { contains, fails, holds, lacks, same } from "../lib/check.mjs";
import { Lentil, portFlags, readEnv, removeFolder, root, scratchApp, until, write } from "../lib/lentil.mjs";

const modules = join(root, "conformance", "node_modules");

export async function setUp() {
  const dir = scratchApp(join(root, "conformance", "apps", "contract"), modules);
  return await new Lentil(dir, await portFlags()).start();
}

export async function tearDown(lentil) {
  await lentil?.stop();
  lentil && removeFolder(lentil.dir);
}

export const scenarios = {
  "lentil dev answers with every address and writes .env.local": async (lentil) => {
    const env = readEnv(lentil.dir);
    same(env.CONVEX_SELF_HOSTED_URL, lentil.info.url);
    same(env.CONVEX_SELF_HOSTED_ADMIN_KEY, lentil.info.adminKey);
    for (const key of ["url", "siteUrl", "authkitUrl", "deployment", "adminKey", "environmentId", "clientId", "apiKey"]) {
      holds(lentil.info[key], `${key} is missing from the JSON line`);
    }
  },

  "dev --once pushes, generates code and type-checks": async (lentil) => {
    const { stdout, stderr } = await lentil.cli(["dev", "--once"]);
    contains(stdout + stderr, "Convex functions ready");
    contains(readFileSync(join(lentil.dir, "convex/_generated/api.d.ts"), "utf8"), "messages");
  },

  "a second push sends only what changed and keeps the data": async (lentil) => {
    await lentil.cli(["run", "messages:send", JSON.stringify({ channel: "kept", body: "one" })]);
    const path = join(lentil.dir, "convex/messages.ts");
    write(path, `${readFileSync(path, "utf8")}\nexport const added = query({ args: {}, handler: async () => "new" });\n`);
    await lentil.cli(["dev", "--once"]);
    contains((await lentil.cli(["run", "messages:added"])).stdout, "new");
    contains((await lentil.cli(["run", "messages:list", '{"channel":"kept"}'])).stdout, "one");
  },

  "run calls internal functions and acts as a user": async (lentil) => {
    contains((await lentil.cli(["run", "messages:secretCount"])).stdout, "1");
    const { stdout } = await lentil.cli(["run", "actions:whoami", "--identity", '{"name":"Bob"}']);
    contains(stdout, '"name": "Bob"');
    contains(stdout, "tokenIdentifier");
  },

  "run says which function is missing": async (lentil) => {
    const { code, stderr, stdout } = await lentil.cli(["run", "messages:nothing"], { allowFailure: true });
    holds(code !== 0, "exit code");
    contains(stdout + stderr, "Could not find");
  },

  "run shows a thrown error with the place in the source": async (lentil) => {
    const { code, stdout, stderr } = await lentil.cli(["run", "errors:plain"], { allowFailure: true });
    holds(code !== 0, "exit code");
    contains(stdout + stderr, "Uncaught Error: the plain one");
    contains(stdout + stderr, "convex/errors.ts:8");
  },

  "env set, get, list, remove": async (lentil) => {
    await lentil.cli(["env", "set", "PLANET", "Mars"]);
    same((await lentil.cli(["env", "get", "PLANET"])).stdout.trim(), "Mars");
    contains((await lentil.cli(["env", "list"])).stdout, "PLANET=Mars");
    await lentil.cli(["env", "remove", "PLANET"]);
    lacks((await lentil.cli(["env", "list"])).stdout, "PLANET");
    const { code, stdout, stderr } = await lentil.cli(["env", "set", "1BAD", "x"], { allowFailure: true });
    holds(code !== 0, "a bad name is refused");
    contains(stdout + stderr, "1BAD");
  },

  "data lists tables and rows": async (lentil) => {
    contains((await lentil.cli(["data"])).stdout, "messages");
    contains((await lentil.cli(["data", "messages", "--limit", "5"])).stdout, "one");
  },

  "function-spec lists functions with their validators": async (lentil) => {
    const spec = JSON.parse((await lentil.cli(["function-spec"])).stdout);
    same(spec.url, lentil.info.url);
    const send = spec.functions.find((f) => f.identifier === "messages.js:send");
    same(send.functionType, "Mutation");
    same(send.visibility.kind, "public");
    same(send.args.value.channel.fieldType.type, "string");
    same(send.returns.tableName, "messages");
  },

  "logs shows what functions print": async (lentil) => {
    const logs = lentil.cli(["logs", "--history", "50", "--success"], { allowFailure: true, stopWhen: "'hello' 'there'" });
    await lentil.cli(["run", "actions:chatty", '{"word":"there"}']);
    contains((await logs).stdout, "'hello' 'there'");
  },

  "codegen changes nothing on the server": async (lentil) => {
    const path = join(lentil.dir, "convex/messages.ts");
    const before = readFileSync(path, "utf8");
    write(path, before.replace('"new"', '"newer"'));
    await lentil.cli(["codegen"]);
    contains((await lentil.cli(["run", "messages:added"])).stdout, '"new"');
    write(path, before);
  },

  "deploy pushes, and --dry-run does not": async (lentil) => {
    const path = join(lentil.dir, "convex/messages.ts");
    const before = readFileSync(path, "utf8");
    write(path, before.replace('"new"', '"deployed"'));
    await lentil.cli(["deploy", "--dry-run", "-y"]);
    contains((await lentil.cli(["run", "messages:added"])).stdout, '"new"');
    await lentil.cli(["deploy", "-y"]);
    contains((await lentil.cli(["run", "messages:added"])).stdout, '"deployed"');
  },

  "a schema that the data does not meet is refused, and nothing changes": async (lentil) => {
    const path = join(lentil.dir, "convex/schema.ts");
    const before = readFileSync(path, "utf8");
    write(path, before.replace("body: v.string()", "body: v.number()"));
    const { code, stdout, stderr } = await lentil.cli(["dev", "--once", "--typecheck", "disable"], { allowFailure: true });
    holds(code !== 0, "exit code");
    contains(stdout + stderr, "Schema validation failed");
    write(path, before);
    contains((await lentil.cli(["run", "messages:list", '{"channel":"kept"}'])).stdout, "one");
    await lentil.cli(["dev", "--once"]);
  },

  "a new index is built over the rows that are there": async (lentil) => {
    await lentil.cli(["run", "messages:sendMany", '{"channel":"bulk","count":1500}']);
    const schema = join(lentil.dir, "convex/schema.ts");
    const before = readFileSync(schema, "utf8");
    write(schema, before.replace('.index("by_channel", ["channel"])', '.index("by_channel", ["channel"])\n    .index("by_body", ["body"])'));
    write(
      join(lentil.dir, "convex/bybody.ts"),
      `import { query } from "./_generated/server";
export const find = query({ args: {}, handler: async (ctx) =>
  (await ctx.db.query("messages").withIndex("by_body", (q) => q.eq("body", "message 1234")).collect()).length });\n`,
    );
    const { stdout, stderr } = await lentil.cli(["dev", "--once"]);
    contains(stdout + stderr, "messages.by_body");
    same((await lentil.cli(["run", "bybody:find"])).stdout.trim(), "1");
  },

  "auth.config.ts with an unset variable names it and the command": async (lentil) => {
    const path = join(lentil.dir, "convex/auth.config.ts");
    write(path, "export default { providers: [{ domain: process.env.NOT_SET_YET!, applicationID: 'x' }] };\n");
    const { code, stdout, stderr } = await lentil.cli(["dev", "--once", "--typecheck", "disable"], { allowFailure: true });
    holds(code !== 0, "exit code");
    contains(stdout + stderr, "NOT_SET_YET");
    write(path, "export default { providers: [{ type: 'customJwt', issuer: 'https://api.workos.com/', jwks: 'https://api.workos.com/x', algorithm: 'RS256' }] };\n");
    const insecure = await lentil.cli(["dev", "--once", "--typecheck", "disable"], { allowFailure: true });
    holds(insecure.code !== 0, "exit code");
    contains(insecure.stdout + insecure.stderr, "applicationID");
    rmSync(path);
  },

  "a syntax error or a throwing module is reported, and the old code stays": async (lentil) => {
    const path = join(lentil.dir, "convex/broken.ts");
    write(path, 'throw new Error("at import");\nexport const nothing = 1;\n');
    const { code, stdout, stderr } = await lentil.cli(["dev", "--once", "--typecheck", "disable"], { allowFailure: true });
    rmSync(path);
    holds(code !== 0, "exit code");
    contains(stdout + stderr, "at import");
    contains((await lentil.cli(["run", "messages:added"])).stdout, '"deployed"');
    await lentil.cli(["dev", "--once"]);
  },

  "a wrong admin key is refused at once": async (lentil) => {
    const { code, stdout, stderr } = await lentil.cli(["env", "list"], {
      allowFailure: true,
      env: { CONVEX_SELF_HOSTED_URL: lentil.info.url, CONVEX_SELF_HOSTED_ADMIN_KEY: `${lentil.info.deployment}|00ff` },
    });
    holds(code !== 0, "exit code");
    contains(stdout + stderr, "dmin key");
    lacks(stderr, "Retrying request"); // as it says from its third attempt on
  },

  "the CLI's push comes back after a crash of the server": async (lentil) => {
    await lentil.crashAndRestart();
    contains((await lentil.cli(["run", "messages:added"])).stdout, '"deployed"');
    contains((await lentil.cli(["run", "messages:list", '{"channel":"kept"}'])).stdout, "one");
  },

  "a second server on the same folder says so and ends": async (lentil) => {
    const second = new Lentil(lentil.dir, await portFlags());
    const error = await fails(() => second.start(), "the second server");
    contains(error.message, "already");
    contains(error.message, "ended with 1");
    await until("the first to answer still", async () => (await fetch(`${lentil.info.url}/version`)).ok);
  },
};
