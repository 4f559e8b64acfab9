// Every method of the official Node.js client, versions 10 and 11, called against a running house: it returns, or the house
// says by name that it does not offer the operation. SDK_TABLE=1 writes what happened to docs/SDK.md.
import { WorkOS as WorkOS10 } from "@workos-inc/node";
import { readFileSync, writeFileSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WorkOS as WorkOS11 } from "workos-node-11";
import { holds, same } from "../lib/check.mjs";
import { watch } from "../lib/judge.mjs";
import { Lentil, portFlags, removeFolder, root, write } from "../lib/lentil.mjs";
import { calls, internal } from "../lib/sdk-calls.mjs";
import { Unreachable, World, standIn } from "../lib/sdk-world.mjs";

const callback = "http://localhost:5173/callback"; // one that a new project has
const clients = { "10.14.0": WorkOS10, "11.0.0": WorkOS11 };

export async function setUp() {
  const dir = mkdtempSync(join(tmpdir(), "lentil-sdk-"));
  write(join(dir, "package.json"), "{}");
  const lentil = await new Lentil(dir, await portFlags()).start();
  const world = new World(lentil, callback);
  return { dir, lentil, world, table: {} };
}

export async function tearDown(house) {
  await house?.lentil.stop();
  house && removeFolder(house.dir);
}

/** The methods that a client's modules have, whatever their classes are called. */
function surface(client) {
  const methods = [];
  for (const [module, object] of Object.entries(client)) {
    if (object === null || typeof object !== "object" || object.constructor === Object || module === "client") {
      continue;
    }
    for (const name of Object.getOwnPropertyNames(Object.getPrototypeOf(object))) {
      if (name !== "constructor" && typeof object[name] === "function" && !internal.has(`${module}.${name}`)) {
        methods.push([module, name]);
      }
    }
  }
  return methods.sort(([a, b], [c, d]) => a.localeCompare(c) || b.localeCompare(d));
}

/** Calls one method; says what became of it. */
async function attempt(client, seen, world, method, call) {
  const from = seen.calls.length;
  let result, error, needs;
  const run = async (w) => {
    seen.calls.length = from;
    try {
      result = await call(client, w);
      if (result?.autoPagination && !Array.isArray(result.data)) {
        throw new TypeError("a list without data");
      }
      error = undefined;
    } catch (e) {
      error = e;
    }
  };
  await run(world);
  if (error instanceof Unreachable) {
    needs = error.message;
    await run(standIn(world));
  }
  const mine = seen.calls.slice(from).filter((c) => c.agent);
  const last = mine.at(-1);
  const route = last && `${last.method} ${last.path}`;
  const problems = mine.flatMap((c) => c.problems);
  const body = last?.text.startsWith("{") ? JSON.parse(last.text) : {};
  const outcome = (what, detail) => ({ what, operation: last?.operation, route, detail });
  if (problems.length > 0) {
    return outcome("wrong", problems.join("; "));
  }
  if (last?.status === 501) {
    const named = [`unsupported_operation.${last.operation}`, `unsupported_operation.${method}`].includes(body.code) || body.code?.startsWith("unsupported_parameter.");
    return named
      ? outcome("not offered", body.code)
      : outcome("wrong", `501 without the operation's name: ${last.text}`);
  }
  if (error === undefined) {
    return needs ? outcome("not reached", `needs ${needs}`) : outcome(last ? "ok" : "local");
  }
  const refusal = last !== undefined && last.status >= 400 && last.status < 500;
  if (needs && refusal) {
    return outcome("not reached", `needs ${needs}`);
  }
  if (call.refused && refusal) {
    return outcome("refused", `${last.status} ${body.code ?? body.error}: ${call.refused}`);
  }
  return outcome("wrong", `${error.stack?.split("\n").slice(0, 3).join(" ")} ${last ? `after ${route} ${last.status} ${last.text.slice(0, 300)}` : ""}`);
}

const only = process.env.SDK_ONLY;

async function tryAll(house, version) {
  const { info } = house.lentil;
  const url = new URL(info.authkitUrl);
  const seen = watch(info.authkitUrl);
  const plain = seen.fetch;
  const client = new clients[version](info.apiKey, {
    clientId: info.clientId, apiHostname: url.hostname, port: Number(url.port), https: false, maxRetries: 0,
    fetchFn: async (...args) => {
      const answer = await plain(...args);
      seen.calls.at(-1).agent = true;
      return answer;
    },
  });
  const wrong = [], missing = [];
  try {
    for (const [module, method] of surface(client)) {
      if (only && !`${module}.${method}`.includes(only)) {
        continue;
      }
      const call = calls[module]?.[method];
      if (!call) {
        missing.push(`${module}.${method}`);
        continue;
      }
      const outcome = await attempt(client, seen, house.world, `${module}.${method}`, call);
      (house.table[`${module}.${method}`] ??= {})[version] = outcome;
      if (outcome.what === "wrong") {
        wrong.push(`${module}.${method}: ${outcome.detail}`);
      }
    }
  } finally {
    seen.stop();
  }
  const count = {};
  for (const row of Object.values(house.table)) {
    row[version] && (count[row[version].what] = (count[row[version].what] ?? 0) + 1);
  }
  console.log(`      ${version}: ${Object.entries(count).map(([what, n]) => `${n} ${what}`).join(", ")}`);
  same(missing, [], "methods without a call in lib/sdk-calls.mjs");
  holds(wrong.length === 0, `${wrong.length} methods went wrong:\n${wrong.join("\n")}`);
}

/** The table as a page. */
function page(table) {
  const versions = Object.keys(clients);
  const mark = (o) => (o === undefined ? "–" : { ok: "✓", local: "✓ (local)", refused: "✓ (refuses)", "not offered": "501", "not reached": "501 before", wrong: "✗" }[o.what]);
  const lines = [
    "# The official Node.js client against Lentil",
    "",
    "Every public method of every module of `@workos-inc/node`, called against a running house by",
    "`conformance/scenarios/75-sdk.mjs` (`cd conformance && SDK_TABLE=1 node run.mjs 75-sdk` writes this page). ✓: returned without an",
    "error, and each answer was as the public description has it; *local*: asks nobody; *refuses*: a call about what does not exist got",
    "the right refusal; 501: not offered, refused by name; *501 before*: what it needs is not offered.",
    "",
    `| method | operation | ${versions.join(" | ")} |`,
    `|---|---|${versions.map(() => "---|").join("")}`,
  ];
  for (const [method, row] of Object.entries(table).sort(([a], [b]) => a.localeCompare(b))) {
    const o = row[versions.at(-1)] ?? row[versions[0]];
    lines.push(`| \`${method}\` | ${o.operation ? `\`${o.operation}\`` : ""} | ${versions.map((v) => mark(row[v])).join(" | ")} |`);
  }
  return lines.join("\n") + "\n";
}

export const scenarios = {
  "every method of version 10 returns or is refused by name": (house) => tryAll(house, "10.14.0"),
  "every method of version 11 returns or is refused by name": (house) => tryAll(house, "11.0.0"),
  "the table in docs/SDK.md has every method": (house) => {
    const path = join(root, "docs", "SDK.md");
    if (process.env.SDK_TABLE) {
      writeFileSync(path, page(house.table));
    }
    const text = readFileSync(path, "utf8");
    same(Object.keys(house.table).filter((m) => !text.includes(`| \`${m}\` |`)), [], "methods that docs/SDK.md lacks; SDK_TABLE=1 writes it");
  },
};
