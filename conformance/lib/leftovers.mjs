// What a scenario file starts ends with it, however it ends: a file's processes carry a mark in their environment, and what
// still has it afterwards is ended by its process id. Browsers, houses of `lentil exec` and commands at a terminal have
// sessions of their own, so that a process group would not hold them.
import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** None of the names that scenarios take out of an environment: CONVEX_, WORKOS_, LENTIL_. */
const name = "CONFORMANCE_MARK";

/** A mark, a folder for everything temporary, and the environment that says so. */
export function mark() {
  const value = randomBytes(8).toString("hex");
  const dir = mkdtempSync(join(tmpdir(), "lc-")); // short: paths of Unix sockets end at 107 bytes
  return { value, dir, env: { [name]: value, TMPDIR: dir } };
}

/** The processes that carry a mark, this one apart. Without /proc (other systems than Linux) there are none to be seen. */
export function marked(value = process.env[name]) {
  const found = [];
  let all = [];
  try {
    all = readdirSync("/proc").filter((entry) => /^\d+$/.test(entry) && Number(entry) !== process.pid);
  } catch {
    return found;
  }
  for (const pid of all) {
    try {
      if (readFileSync(`/proc/${pid}/environ`, "latin1").split("\0").includes(`${name}=${value}`)) {
        found.push({ pid: Number(pid), command: readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim() });
      }
    } catch {
      // It ended meanwhile, or is somebody else's.
    }
  }
  return found;
}

function signal(processes, with_) {
  for (const { pid } of processes) {
    try {
      process.kill(pid, with_);
    } catch {
      // It ended meanwhile.
    }
  }
}

/** Ends what carries a mark, at once, and what those have started meanwhile. */
export function kill(value) {
  for (let round = 0, left = marked(value); left.length > 0 && round < 100; round++, left = marked(value)) {
    signal(left, "SIGKILL");
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
  }
}

/** Ends what carries a mark: asked first, and those that do not hear are killed. Removes the folder, too. */
export async function sweep({ value, dir }, graceMs = 5000) {
  const end = performance.now() + graceMs;
  signal(marked(value), "SIGTERM");
  while (marked(value).length > 0 && performance.now() < end) {
    await new Promise((done) => setTimeout(done, 50));
  }
  kill(value);
  try {
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  } catch (error) {
    console.log(`      ${dir} could not be removed: ${error.message}`); // no file's failure
  }
}
