// Somebody who works with the official CLI against a house's control plane, logged in or below `lentil exec`, with a
// home directory of their own.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { binary, ended, Lentil, patience, portFlags, readEnv, removeFolder, root, scratchApp, write } from "./lentil.mjs";
import { Terminal } from "./terminal.mjs";

const modules = join(root, "conformance", "node_modules");
const official = join(modules, "convex", "bin", "main.js");

export class Operator {
  #folders = [];

  /** Starts a house without a project and gives its owner. */
  static async open(flags = []) {
    const o = new Operator();
    o.house = o.folder("lentil-house-");
    write(join(o.house, "package.json"), "{}");
    o.home = o.folder("lentil-home-");
    o.lentil = await new Lentil(o.house, [...(await portFlags()), ...flags]).start();
    o.url = o.lentil.info.controlUrl;
    return o;
  }

  get log() {
    return this.lentil.log;
  }

  folder(prefix) {
    const dir = mkdtempSync(join(tmpdir(), prefix));
    this.#folders.push(dir);
    return dir;
  }

  /** A fresh copy of the app that is pushed. */
  app(name = "provision") {
    const dir = scratchApp(join(root, "conformance", "apps", name), modules);
    this.#folders.push(dir);
    return dir;
  }

  /** Takes what needs api.workos.com out of an app's convex.json. */
  bare(dir) {
    const path = join(dir, "convex.json");
    const config = JSON.parse(readFileSync(path, "utf8"));
    for (const kind of Object.values(config.authKit)) {
      kind.configure = false;
    }
    write(path, JSON.stringify(config));
  }

  async close() {
    await this.lentil.stop();
    this.#folders.forEach(removeFolder);
  }

  /** The environment of a person's terminal: nothing of ours, nothing of a build machine. */
  env(more = {}) {
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(CONVEX_|WORKOS_|VITE_|VERCEL|LENTIL_|CI$)/.test(name)));
    return { ...env, HOME: this.home, NO_COLOR: "1", FORCE_COLOR: "0", ...more };
  }

  /** What points the CLI at the control plane. */
  get addresses() {
    return { CONVEX_PROVISION_HOST: this.url, CONVEX_VERSION_API_ORIGIN: this.url };
  }

  #line(args, { direct = false, cli = official }) {
    return [...(direct ? [] : [binary, "exec", "--quiet", "--dir", this.house, "--"]), process.execPath, cli, ...args];
  }

  /** Runs the CLI without a terminal; gives what it printed. */
  async cli(dir, args, { code = 0, env = {}, timeoutMs = 2 * patience, seen = () => {}, ...how } = {}) {
    const [program, ...rest] = this.#line(args, how);
    const child = spawn(program, rest, { cwd: dir, stdio: ["ignore", "pipe", "pipe"], env: this.env(how.direct ? { ...this.addresses, ...env } : env) });
    let text = "";
    const add = (chunk) => seen((text += chunk));
    child.stdout.setEncoding("utf8");
    child.stderr.setEncoding("utf8");
    child.stdout.on("data", add);
    child.stderr.on("data", add);
    const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
    const end = await ended(child);
    clearTimeout(timer);
    if (end !== code) {
      throw new Error(`convex ${args.join(" ")} ended with ${end}, not ${code}:\n${text}`);
    }
    return text;
  }

  /** Runs the CLI at a terminal. */
  terminal(dir, args, { env = {}, ...how } = {}) {
    return new Terminal(this.#line(args, how), { cwd: dir, env: this.env(how.direct ? { ...this.addresses, ...env } : env) });
  }

  /** Goes through a login without the CLI; gives an access token of the owner. */
  async token() {
    if (!this.access) {
      const form = async (path, fields) => await fetch(this.url + path, { method: "POST", body: new URLSearchParams(fields) });
      const device = await (await form("/oauth/device_authorization", { client_id: "conformance" })).json();
      await form("/activate", { user_code: device.user_code, answer: "yes" });
      const grant = { client_id: "conformance", grant_type: "urn:ietf:params:oauth:grant-type:device_code", device_code: device.device_code };
      this.access = (await (await form("/oauth/token", grant)).json()).access_token;
    }
    return this.access;
  }

  /** Says yes or no to a login on the page, as a person at this machine would. */
  async confirm(code, answer) {
    const page = await fetch(`${this.url}/activate`, { method: "POST", body: new URLSearchParams({ user_code: code, answer }) });
    if (page.status !== 200) {
      throw new Error(`the page answered ${page.status}: ${await page.text()}`);
    }
  }

  /** Asks the management API as the owner; gives the status and the answer. */
  async ask(method, path, body, token) {
    const answer = await fetch(this.url + path, {
      method, body: body && JSON.stringify(body), headers: { Authorization: `Bearer ${token ?? (await this.token())}`, "Content-Type": "application/json" },
    });
    return { status: answer.status, body: await answer.json() };
  }

  /** Asks and wants an answer. */
  async get(path, body) {
    const { status, body: answer } = await this.ask(body === undefined ? "GET" : "POST", path, body);
    if (status !== 200) {
      throw new Error(`${path}: ${status} ${JSON.stringify(answer)}`);
    }
    return answer;
  }

  /** What the CLI wrote down in a folder. */
  written(dir) {
    return { ...readEnv(dir), text: readFileSync(join(dir, ".env.local"), "utf8") };
  }
}

/** The variables of a deployment, by the CLI. */
export async function variables(o, dir, ...args) {
  const text = await o.cli(dir, ["env", "list", ...args]);
  return Object.fromEntries(text.split("\n").filter((line) => /^[A-Z_]+=/.test(line)).map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]));
}
