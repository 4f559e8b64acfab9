// Random programs, run against Lentil and against the vendor's convex-test: results and data must be the same.
// More of them: DIFFERENTIAL_SEEDS=500 node run.mjs 41-differential; one again: DIFFERENTIAL_SEED=<schema>.<program>.
import { ConvexHttpClient } from "convex/browser";
import { anyApi as api } from "convex/server";
import { convexTest } from "convex-test";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { difference, Side } from "../differential/compare.mjs";
import { makeProgram } from "../differential/program.mjs";
import { makeSchema, schemaFiles } from "../differential/schema.mjs";
import { Lentil, portFlags, removeFolder, root, until, write } from "../lib/lentil.mjs";

const here = join(root, "conformance", "differential");
const modules = join(root, "conformance", "node_modules");

/** The app of a schema in a folder of its own, and its files as modules of this process. */
async function makeApp(seed) {
  const schema = makeSchema(seed);
  const dir = mkdtempSync(join(tmpdir(), "lentil-conformance-"));
  write(join(dir, "package.json"), `{"name":"differential","type":"module","dependencies":{"convex":"1.48.0"}}`);
  symlinkSync(modules, join(dir, "node_modules"));
  mkdirSync(join(dir, "convex"));
  copyFileSync(join(here, "interpreter.js"), join(dir, "convex", "interpreter.js"));
  const files = { "interpreter.js": true, ...schemaFiles(schema) };
  const loaded = {};
  for (const [name, text] of Object.entries(files)) {
    const path = join(dir, "convex", name);
    if (text !== true) {
      write(path, text);
    }
    const module = await import(pathToFileURL(path).href);
    loaded[`/convex/${name}`] = async () => module;
  }
  loaded["/convex/_generated/api.js"] = async () => ({});
  return { dir, schema, loaded, definition: (await loaded["/convex/schema.js"]()).default };
}

export async function setUp() {
  const app = await makeApp(1);
  const lentil = await new Lentil(app.dir, await portFlags()).start();
  return { lentil, first: app, log: "" };
}

export async function tearDown(house) {
  await house?.lentil.stop();
  house && removeFolder(house.first.dir);
}

/** Pushes the app of a schema and gives a function that runs a program against both sides. */
async function both(house, seed) {
  const app = seed === 1 ? house.first : await makeApp(seed);
  const push = new Lentil(app.dir);
  const cli = await push.cli(["deploy", "--typecheck", "disable", "--yes", "--url", house.lentil.info.url, "--admin-key", house.lentil.info.adminKey], { allowFailure: true });
  if (cli.code !== 0) {
    throw new Error(`schema ${seed} was not pushed: ${cli.stderr}\n${readFileSync(join(app.dir, "convex", "schema.js"))}`);
  }
  app !== house.first && removeFolder(app.dir);
  const tables = app.schema.tables.map((t) => t.name);
  const client = new ConvexHttpClient(house.lentil.info.url, { logger: false });
  return async (program) => {
    const t = convexTest({ schema: app.definition, modules: app.loaded });
    const fake = new Side("convex-test", (kind, path, args) => t[kind](path, args), () => t.finishAllScheduledFunctions(() => {}));
    const real = new Side("lentil", (kind, path, args) => client[kind](path, args), () => until("scheduled functions", async () => (await client.query(api.interpreter.waiting)) === 0));
    const found = await difference(makeProgram(program, app.schema), tables, fake, real);
    await client.mutation(api.interpreter.clear, { tables }); // for the next program, and the next schema
    return found;
  };
}

/** Runs programs until the time is over, and says how to see a difference again. */
async function compare(house, list) {
  const error = console.error;
  console.error = () => {}; // convex-test tells of every scheduled function that fails
  try {
    for (const [schema, programs] of list) {
      const run = await both(house, schema);
      for (const program of programs) {
        const found = await run(program);
        if (found) {
          throw new Error(`DIFFERENTIAL_SEED=${schema}.${program} differs\n${JSON.stringify(found, null, 1)}`);
        }
      }
    }
  } finally {
    console.error = error;
  }
}

const range = (from, n) => Array.from({ length: n }, (_, i) => from + i);
const one = process.env.DIFFERENTIAL_SEED?.split(".").map(Number);
const many = Number(process.env.DIFFERENTIAL_SEEDS ?? 60);

export const scenarios = one
  ? { [`the program ${one.join(".")}`]: (house) => compare(house, [[one[0], [one[1]]]]) }
  : {
      "programs that once differed": (house) => compare(house, Object.entries(JSON.parse(readFileSync(join(here, "regressions.json"), "utf8"))).map(([schema, programs]) => [Number(schema), programs])),
      [`${many} programs over ${Math.ceil(many / 30)} schemas`]: (house) => compare(house, range(0, Math.ceil(many / 30)).map((i) => [1 + i, range(30 * i, Math.min(30, many - 30 * i))])),
    };
