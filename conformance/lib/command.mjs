// A command of the official CLI that goes on until it is ended: dev, run --watch, logs, mcp start.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { ended, patience, until } from "./lentil.mjs";

export class Command {
  constructor(dir, args, { env = {} } = {}) {
    this.out = "";
    this.child = spawn(process.execPath, [join(dir, "node_modules", "convex", "bin", "main.js"), ...args], {
      cwd: dir,
      stdio: ["pipe", "pipe", "pipe"],
      env: { ...process.env, CI: "1", NO_COLOR: "1", FORCE_COLOR: "0", ...env },
    });
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
      await until(text, () => (at = this.out.indexOf(text, after)) >= 0, timeoutMs);
    } catch (error) {
      throw new Error(`${error.message}\nthe command printed:\n${this.out}`);
    }
    return at + text.length;
  }

  /** Ends it as Ctrl-C would. */
  async stop(signal = "SIGINT") {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      this.child.kill(signal);
    }
    return await this.exited;
  }
}

/** The CLI's MCP server, asked over its standard input and output as agents do. */
export class Mcp extends Command {
  #last = 0;

  async ask(method, params) {
    const id = ++this.#last;
    this.#send({ id, method, params });
    let answer;
    await until(`the answer to ${method}`, () => {
      for (const line of this.out.split("\n")) {
        const message = line.startsWith("{") ? JSON.parse(line) : {};
        if (message.id === id) {
          answer = message;
        }
      }
      return answer;
    });
    return answer.result;
  }

  async open() {
    const hello = await this.ask("initialize", { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "conformance", version: "1" } });
    this.#send({ method: "notifications/initialized" });
    return hello;
  }

  /** Calls a tool; gives its answer as JSON. */
  async call(name, args) {
    const { content, isError = false } = await this.ask("tools/call", { name, arguments: args });
    return { isError, ...JSON.parse(content[0].text) };
  }

  #send(message) {
    this.child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
  }
}
