// A command at a terminal, as people use it: `script` (util-linux) gives it a pseudo-terminal, so that it asks questions.
import { spawn } from "node:child_process";
import { ended, patience, until } from "./lentil.mjs";

const quote = (text) => `'${String(text).replaceAll("'", `'\\''`)}'`;

export const keys = { enter: "\r", down: "\x1b[B", up: "\x1b[A" };

export class Terminal {
  #place = 0;

  constructor(command, { cwd, env }) {
    this.out = "";
    // stty: prompts redraw themselves, and a narrow terminal would break the lines that are waited for.
    this.child = spawn("script", ["-qefc", `stty cols 240 rows 50 -echo; exec ${command.map(quote).join(" ")}`, "/dev/null"], {
      cwd, env: { ...env, TERM: "xterm", SHELL: "/bin/sh" }, stdio: ["pipe", "pipe", "pipe"],
    });
    let rest = ""; // the beginning of a sequence whose end comes with the next piece
    const add = (chunk) => {
      const text = (rest + chunk).replaceAll(/\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]|\r/g, "");
      rest = /\x1b(?:\[[0-9;?]*|[()])?$/.exec(text)?.[0] ?? "";
      this.out += text.slice(0, text.length - rest.length);
    };
    this.child.stdout.setEncoding("utf8");
    this.child.stderr.setEncoding("utf8");
    this.child.stdout.on("data", add);
    this.child.stderr.on("data", add);
    this.exited = ended(this.child);
  }

  /** Waits until the command has printed a text, after what was waited for before. */
  async says(text, timeoutMs = patience) {
    try {
      await until(text, () => {
        const found = text instanceof RegExp ? text.exec(this.out.slice(this.#place)) : null;
        const at = text instanceof RegExp ? (found ? this.#place + found.index : -1) : this.out.indexOf(text, this.#place);
        if (at >= 0) {
          this.#place = at + (found ? found[0].length : text.length);
        }
        return at >= 0;
      }, timeoutMs);
    } catch (error) {
      throw new Error(`${error.message}\nthe terminal shows:\n${this.out}`);
    }
    return this;
  }

  type(text) {
    this.child.stdin.write(text);
    return this;
  }

  /** Waits for a question and answers it. */
  async answer(question, text = keys.enter) {
    await this.says(question);
    return this.type(text);
  }

  /** Waits until the command ends, and gives its exit code. */
  async ends(timeoutMs = 2 * patience) {
    const timer = setTimeout(() => this.child.kill("SIGKILL"), timeoutMs);
    const code = await this.exited;
    clearTimeout(timer);
    return code;
  }

  async stop() {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      this.child.kill("SIGTERM");
    }
    return await this.exited;
  }
}
