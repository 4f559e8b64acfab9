// Starts and stops the real binary on free ports, with its state in a folder of its own.
import { spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

export { freePort, portFlags } from "./ports.mjs";

const here = dirname(fileURLToPath(import.meta.url));
export const root = resolve(here, "../..");
export const binary = process.env.LENTIL ?? join(root, "bin", "lentil");

/** How long anything is waited for that has to come: what a busy machine needs, many times over. Waiting ends when it is there. */
export const patience = 60_000;

/** Copies an app into a scratch folder, with its packages linked rather than copied. */
export function scratchApp(source, modules = join(source, "node_modules")) {
  const dir = mkdtempSync(join(tmpdir(), "lentil-conformance-"));
  cpSync(source, dir, {
    recursive: true,
    filter: (path) => !/node_modules|\.lentil|\.env\.local|\/\.next$|\/dist$|_generated/.test(path.slice(source.length)),
  });
  if (existsSync(modules)) {
    symlinkSync(modules, join(dir, "node_modules"));
  }
  return dir;
}

export function removeFolder(dir) {
  rmSync(dir, { recursive: true, force: true, maxRetries: 10 });
}

/** One running server; `info` is the line that `--json` prints. */
export class Lentil {
  constructor(dir, flags = []) {
    this.dir = dir;
    this.flags = flags;
    this.log = "";
  }

  async start() {
    this.child = spawn(binary, ["dev", this.dir, "--json", ...this.flags], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, NO_COLOR: "1" },
    });
    this.exited = ended(this.child);
    this.child.stderr.on("data", (chunk) => (this.log += chunk));
    let out = "";
    this.info = await new Promise((done, fail) => {
      const timer = setTimeout(() => fail(new Error(`lentil was not ready in ${patience / 1000} s:\n${this.log}`)), patience);
      this.child.stdout.on("data", (chunk) => {
        out += chunk;
        const end = out.indexOf("\n");
        if (end >= 0) {
          clearTimeout(timer);
          try {
            done(JSON.parse(out.slice(0, end)));
          } catch (error) {
            fail(new Error(`lentil printed no JSON: ${out}`, { cause: error }));
          }
        }
      });
      this.exited.then((code) => fail(new Error(`lentil ended with ${code}:\n${this.log}`)));
    });
    return this;
  }

  /** Ends it as Ctrl-C would, and gives the exit code. */
  async stop(signal = "SIGINT") {
    if (this.child?.exitCode === null && this.child.signalCode === null) {
      this.child.kill(signal);
    }
    return await this.exited;
  }

  /** Ends it without warning and starts it again on the same ports. */
  async crashAndRestart() {
    await this.stop("SIGKILL");
    await this.start();
  }

  /** Newest mail first. */
  async outbox(to) {
    const answer = await fetch(`${this.info.authkitUrl}/_lentil/outbox?to=${encodeURIComponent(to)}`);
    const mails = await answer.json();
    return Array.isArray(mails) ? mails : mails.data;
  }

  /** The newest code that was mailed to this address; waits for it. */
  async code(to, { not } = {}) {
    return await until(`a code that is mailed to ${to}`, async () => (await this.outbox(to)).find((mail) => mail.code && mail.code !== not)?.code);
  }

  /** Runs the official CLI in the app's folder. */
  async cli(args, { allowFailure = false, env = {}, timeoutMs = 2 * patience, cwd = this.dir, stopWhen } = {}) {
    const child = spawn(process.execPath, [join(this.dir, "node_modules", "convex", "bin", "main.js"), ...args], {
      cwd,
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, CI: "1", NO_COLOR: "1", FORCE_COLOR: "0", ...env },
    });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8");
    child.stderr.setEncoding("utf8");
    child.stdout.on("data", (chunk) => {
      stdout += chunk;
      if (stopWhen && stdout.includes(stopWhen)) {
        child.kill("SIGTERM");
      }
    });
    child.stderr.on("data", (chunk) => (stderr += chunk));
    const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
    const code = await ended(child);
    clearTimeout(timer);
    if (code !== 0 && !allowFailure) {
      throw new Error(`convex ${args.join(" ")} ended with ${code}:\n${stdout}\n${stderr}`);
    }
    return { code, stdout, stderr };
  }
}

/** The exit code of a process, once all that it printed has been read; something it left running may keep that open, though. */
export function ended(child) {
  return new Promise((done) => {
    const give = (code, signal) => done(code ?? signal);
    child.once("close", give);
    child.once("exit", (code, signal) => setTimeout(give, 2000, code, signal).unref());
  });
}

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** Waits until `probe` gives something truthy. */
export async function until(what, probe, timeoutMs = patience) {
  const end = performance.now() + timeoutMs;
  let last;
  while (performance.now() < end) {
    try {
      last = await probe();
      if (last) {
        return last;
      }
    } catch (error) {
      last = error;
    }
    await sleep(25);
  }
  throw new Error(`waited ${timeoutMs} ms for ${what}; last seen: ${last instanceof Error ? last.message : JSON.stringify(last)}`);
}

export function readEnv(dir) {
  const path = join(dir, ".env.local");
  const env = {};
  for (const line of existsSync(path) ? readFileSync(path, "utf8").split(/\r?\n/) : []) {
    const match = /^([A-Z_0-9]+)=(.*?)(?:\s+#.*)?$/.exec(line);
    if (match) {
      env[match[1]] = match[2].replace(/^"(.*)"$/, "$1");
    }
  }
  return env;
}

export function write(path, text) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}
