// Runs the scenarios against bin/lentil: `node run.mjs [name…]`. One line a scenario; exit code 1 if one fails.
// Files run in processes of their own, two at a time (LANES): most of their time they wait.
import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { takeBreaches } from "./lib/judge.mjs";

const dir = join(dirname(fileURLToPath(import.meta.url)), "scenarios");
const inner = process.argv[2] === "--file" ? process.argv[3] : null;
const wanted = process.argv.slice(inner ? 4 : 2);

/** Runs one file's scenarios in this process. */
async function runFile(file) {
  let passed = 0;
  const failed = [];
  const name = file.replace(/\.mjs$/, "");
  const { scenarios, setUp, tearDown } = await import(join(dir, file));
  let house;
  try {
    house = await setUp?.();
  } catch (error) {
    console.log(`FAIL  ${name}: set-up\n      ${String(error.stack).replaceAll("\n", "\n      ")}`);
    return { passed, failed: [`${name}: set-up`] };
  }
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
      console.log(`ok    ${name}: ${title} (${((performance.now() - began) / 1000).toFixed(1)} s)`);
    } catch (error) {
      failed.push(`${name}: ${title}`);
      console.log(`FAIL  ${name}: ${title}\n      ${String(error.stack).replaceAll("\n", "\n      ")}`);
      if (house?.log || house?.lentil?.log) {
        console.log(`      server's log, last lines:\n      ${(house.log ?? house.lentil.log).split("\n").slice(-15).join("\n      ")}`);
      }
    }
  }
  await tearDown?.(house);
  return { passed, failed };
}

/** Runs one file in a process of its own, passes on its lines and gives what it counted. */
function spawnFile(file) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [fileURLToPath(import.meta.url), "--file", file, ...wanted], { stdio: ["ignore", "pipe", "inherit", "ipc"] });
    let counted = { passed: 0, failed: [`${file.replace(/\.mjs$/, "")}: the file's process ended by itself`] };
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
    child.on("close", () => {
      if (rest) {
        console.log(rest);
      }
      resolve(counted);
    });
  });
}

if (inner) {
  const counted = await runFile(inner);
  process.send(counted, () => process.exit(0));
} else {
  const files = readdirSync(dir)
    .filter((f) => f.endsWith(".mjs") && (wanted.length === 0 || wanted.some((w) => f.replace(/\.mjs$/, "").includes(w.split(":")[0]))))
    .sort();
  let passed = 0;
  const failed = [];
  const lane = async () => {
    for (let file = files.shift(); file; file = files.shift()) {
      const counted = await spawnFile(file);
      passed += counted.passed;
      failed.push(...counted.failed);
    }
  };
  await Promise.all(Array.from({ length: Number(process.env.LANES ?? 2) }, lane));
  for (const line of failed) {
    console.log(`failed: ${line}`);
  }
  console.log(`${passed} passed, ${failed.length} failed`);
  process.exitCode = failed.length === 0 && passed > 0 ? 0 : 1;
}
