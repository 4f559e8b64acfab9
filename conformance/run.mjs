// Runs the scenarios against bin/lentil: `node run.mjs [name…]`. One line a scenario; exit code 1 if one fails.
import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const dir = join(dirname(fileURLToPath(import.meta.url)), "scenarios");
const wanted = process.argv.slice(2);
const files = readdirSync(dir).filter((f) => f.endsWith(".mjs")).sort();
let passed = 0;
const failed = [];

for (const file of files) {
  const name = file.replace(/\.mjs$/, "");
  if (wanted.length > 0 && !wanted.some((w) => name.includes(w.split(":")[0]))) {
    continue;
  }
  const { scenarios, setUp, tearDown } = await import(join(dir, file));
  let house;
  try {
    house = await setUp?.();
  } catch (error) {
    failed.push(`${name}: set-up`);
    console.log(`FAIL  ${name}: set-up\n      ${String(error.stack).replaceAll("\n", "\n      ")}`);
    continue;
  }
  for (const [title, work] of Object.entries(scenarios)) {
    if (wanted.length > 0 && !wanted.some((w) => !w.includes(":") || title.includes(w.split(":")[1]))) {
      continue;
    }
    const began = performance.now();
    try {
      await work(house);
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
}

for (const line of failed) {
  console.log(`failed: ${line}`);
}
console.log(`${passed} passed, ${failed.length} failed`);
process.exit(failed.length === 0 && passed > 0 ? 0 : 1);
