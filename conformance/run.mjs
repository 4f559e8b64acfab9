// Runs the scenarios against bin/lentil: `node run.mjs [name…]`. One line a scenario; exit code 1 if one fails.
// Files run in processes of their own, two at a time (LANES): most of their time they wait. What a file started ends with
// it, and with this process.
import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { takeBreaches } from "./lib/judge.mjs";
import { kill, mark, marked, sweep } from "./lib/leftovers.mjs";

const dir = join(dirname(fileURLToPath(import.meta.url)), "scenarios");
const inner = process.argv[2] === "--file" ? process.argv[3] : null;
const wanted = process.argv.slice(inner ? 4 : 2);

/** No file needs as long, not even on a machine with other work to do: it hangs. */
const hangsAfterMinutes = 10;

/** Files that take longest, which begin first: the last of them to end is then not alone for long. */
const longest = ["88-nextjs-versions", "94-guide", "89-dashboard", "88-nextjs-example", "93-dashboard-workos", "85-provisioning"];

const seconds = (since) => `${((performance.now() - since) / 1000).toFixed(1)} s`;

/** Runs one file's scenarios in this process. */
async function runFile(file) {
  let passed = 0;
  const failed = [];
  const name = file.replace(/\.mjs$/, "");
  const fail = (title, error) => {
    failed.push(`${name}: ${title}`);
    console.log(`FAIL  ${name}: ${title}\n      ${String(error?.stack ?? error).replaceAll("\n", "\n      ")}`);
  };
  const { scenarios, setUp, tearDown } = await import(join(dir, file));
  const start = performance.now();
  let house;
  try {
    house = await setUp?.();
  } catch (error) {
    fail("set-up", error);
    return { passed, failed };
  }
  const ready = seconds(start);
  for (const [title, work] of Object.entries(scenarios)) {
    if (wanted.length > 0 && !wanted.some((w) => !w.includes(":") || title.includes(w.split(":")[1]))) {
      continue;
    }
    const began = performance.now();
    try {
      await work(house);
      const wrong = takeBreaches();
      if (wrong.length > 0) {
        throw new Error(`answers that pages got are not as described:\n${wrong.join("\n")}`);
      }
      passed++;
      console.log(`ok    ${name}: ${title} (${seconds(began)})`);
    } catch (error) {
      fail(title, error);
      if (house?.log || house?.lentil?.log) {
        console.log(`      server's log, last lines:\n      ${(house.log ?? house.lentil.log).split("\n").slice(-15).join("\n      ")}`);
      }
    }
  }
  try {
    await tearDown?.(house);
  } catch (error) {
    fail("tear-down", error);
  }
  console.log(`      ${name}: ${seconds(start)}, of which set-up ${ready}`);
  return { passed, failed };
}

/** Marks of the files that run at this moment, with their processes. */
const running = new Map();

/** Runs one file in a process of its own, passes on its lines and gives what it counted. */
async function spawnFile(file) {
  const name = file.replace(/\.mjs$/, "");
  const own = mark();
  // A group of its own: what Ctrl-C means for it is told below.
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), "--file", file, ...wanted], {
    stdio: ["ignore", "pipe", "inherit", "ipc"], detached: true, env: { ...process.env, ...own.env },
  });
  running.set(own, child);
  let counted = { passed: 0, failed: [`${name}: the file's process ended by itself`] };
  child.on("message", (m) => (counted = m));
  child.stdout.setEncoding("utf8");
  let rest = "";
  child.stdout.on("data", (text) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop();
    if (lines.length > 0) {
      console.log(lines.join("\n"));
    }
  });
  const hangs = setTimeout(() => {
    counted = { passed: 0, failed: [`${name}: had not ended after ${hangsAfterMinutes} minutes`] };
    child.kill("SIGKILL");
  }, hangsAfterMinutes * 60_000);
  const closed = new Promise((done) => child.once("close", done));
  await new Promise((done) => child.once("exit", done));
  clearTimeout(hangs);
  const left = counted.failed.length === 0 ? marked(own.value) : [];
  await sweep(own);
  running.delete(own);
  await closed; // its last lines
  if (rest) {
    console.log(rest);
  }
  for (const { pid, command } of left) {
    console.log(`      ${name}: left running, ended now: ${pid} ${command.slice(0, 150)}`);
  }
  return counted;
}

/** Ends everything on a signal; a second one does not wait for those who are slow to hear. */
async function end(signal) {
  process.exitCode = 128 + (constants.signals[signal] ?? 0);
  const again = ending;
  ending = true;
  for (const [own, child] of running) {
    child.kill("SIGKILL");
    again && kill(own.value);
  }
  await Promise.all([...running.keys()].map((own) => sweep(own)));
  process.exit();
}
let ending = false;

if (inner) {
  // Its starter is gone without a word: nobody else cleans up.
  process.once("disconnect", () => {
    kill();
    process.exit(1);
  });
  const counted = await runFile(inner);
  process.send?.(counted, () => process.exit(0)) ?? process.exit(counted.failed.length === 0 ? 0 : 1);
} else {
  // Node.js hears SIGHUP even below nohup.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.on(signal, () => end(signal));
  }
  process.stdout.on("error", () => end("SIGPIPE"));
  const rank = (file) => [...longest, file.replace(/\.mjs$/, "")].indexOf(file.replace(/\.mjs$/, ""));
  const files = readdirSync(dir)
    .filter((f) => f.endsWith(".mjs") && (wanted.length === 0 || wanted.some((w) => f.replace(/\.mjs$/, "").includes(w.split(":")[0]))))
    .sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
  let passed = 0;
  const failed = [];
  const lane = async () => {
    for (let file = files.shift(); file && !ending; file = files.shift()) {
      const counted = await spawnFile(file);
      passed += counted.passed;
      failed.push(...counted.failed);
    }
  };
  await Promise.all(Array.from({ length: Number(process.env.LANES ?? 2) }, lane));
  if (!ending) {
    failed.forEach((line) => console.log(`failed: ${line}`));
    console.log(`${passed} passed, ${failed.length} failed`);
    process.exitCode = failed.length === 0 && passed > 0 ? 0 : 1;
  }
}
