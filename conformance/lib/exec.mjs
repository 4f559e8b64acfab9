// Runs commands below the real "lentil exec", with or without a terminal, in a project's folder.
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { binary, ended, freePort, patience, until } from "./lentil.mjs";

/** Ports for the house that exec starts for a project: the same each time, whatever else runs on the machine. */
export async function ownPorts() {
  const ports = {};
  for (const name of ["LENTIL_PORT", "LENTIL_SITE_PORT", "LENTIL_AUTHKIT_PORT", "LENTIL_CONTROL_PORT"]) {
    ports[name] = String(await freePort());
  }
  return ports;
}

/** A command below exec in a project ({ dir, ports }); `out` grows with what it prints. */
export class Exec {
  constructor({ dir, ports }, args, { env = {}, flags = [], terminal = false } = {}) {
    this.out = "";
    const line = [binary, "exec", ...flags, "--", ...args];
    const [program, ...rest] = terminal ? ["script", "-qefc", line.map(quote).join(" "), "/dev/null"] : line;
    const inherited = { ...process.env };
    for (const name of Object.keys(inherited)) {
      if (/^(CONVEX_|WORKOS_|VITE_|LENTIL_|CI$)/.test(name)) {
        delete inherited[name]; // a person's terminal has none of these
      }
    }
    this.child = spawn(program, rest, { cwd: dir, stdio: ["pipe", "pipe", "pipe"], env: { ...inherited, NO_COLOR: "1", FORCE_COLOR: "0", ...ports, ...env } });
    this.child.stdout.setEncoding("utf8");
    this.child.stderr.setEncoding("utf8");
    this.child.stdout.on("data", (chunk) => (this.out += chunk));
    this.child.stderr.on("data", (chunk) => (this.out += chunk));
    this.exited = ended(this.child);
  }

  /** Waits until the command has printed a text after a place in its output; gives the place behind it. */
  async says(text, after = 0, timeoutMs = patience) {
    let at = -1;
    try {
      await until(text, () => {
        at = this.out.indexOf(text, after);
        if (at < 0 && this.child.exitCode !== null) {
          throw new Error(`the command ended with ${this.child.exitCode}`);
        }
        return at >= 0;
      }, timeoutMs);
    } catch (error) {
      throw new Error(`${error.message}\nthe command printed:\n${this.out}`);
    }
    return at + text.length;
  }

  /** Types keys at the command's terminal. */
  type(keys) {
    this.child.stdin.write(keys);
  }

  /** Waits for the end; gives what was printed. */
  async done({ code = 0, timeoutMs = 2 * patience } = {}) {
    let timer;
    const late = new Promise((done) => (timer = setTimeout(done, timeoutMs, "no end")));
    const end = await Promise.race([this.exited, late]);
    clearTimeout(timer);
    if (end !== code) {
      this.child.kill("SIGKILL");
      throw new Error(`the command ended with ${end}, not ${code}:\n${this.out}`);
    }
    return this.out;
  }

  /** Ends it as Ctrl-C would. */
  async stop(signal = "SIGINT") {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      this.child.kill(signal);
    }
    return await this.exited;
  }
}

/** Where the house of a project answers. */
export function houseOf(dir) {
  return JSON.parse(readFileSync(join(dir, ".lentil", "running.json"), "utf8"));
}

/** Waits until no house runs for a project any more. */
export async function vacant(dir) {
  if (existsSync(join(dir, ".lentil"))) {
    await until("the house to end", () => readFileSync(join(dir, ".lentil", "lock"), "utf8") === "");
  }
}

/** Runs a command below exec to its end; gives what it printed. */
export async function exec(app, args, options = {}) {
  return await new Exec(app, args, options).done(options);
}

const quote = (word) => `'${word.replaceAll("'", `'\\''`)}'`;
