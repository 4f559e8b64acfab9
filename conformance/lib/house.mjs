// One running server onto which several apps are pushed in turn. Each is a folder of apps/ with its own driver;
// what an app before it left in the database stays, as tables that the next one's schema does not name.
import { ConvexClient, ConvexHttpClient } from "convex/browser";
import { spawn } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import WebSocket from "ws";
import { ended, Lentil, patience, portFlags, removeFolder, root, scratchApp, write } from "./lentil.mjs";

const apps = join(root, "conformance", "apps");

export class House {
  #folders = [];
  #clients = [];

  /** Starts the server, for a project without functions. */
  static async open() {
    const house = new House();
    house.dir = mkdtempSync(join(tmpdir(), "lentil-house-"));
    house.#folders.push(house.dir);
    write(join(house.dir, "package.json"), "{}");
    house.lentil = await new Lentil(house.dir, await portFlags()).start();
    return house;
  }

  get url() {
    return this.lentil.info.url;
  }

  get siteUrl() {
    return this.lentil.info.siteUrl;
  }

  get log() {
    return this.lentil.log;
  }

  /** Pushes an app with the official CLI, types checked, in place of the one before; `at` is the package to push from. */
  async push(name, { env = {}, at = "." } = {}) {
    await this.end();
    const dir = scratchApp(join(apps, name), join(root, "conformance", "node_modules"));
    this.#folders.push(dir);
    this.app = join(dir, at);
    if (at !== ".") {
      symlinkSync(join(root, "conformance", "node_modules"), join(this.app, "node_modules")); // where the CLI looks for tsc
    }
    if (!existsSync(join(dir, "package.json"))) {
      write(join(dir, "package.json"), JSON.stringify({ name, type: "module", dependencies: { convex: "*" } }));
    }
    if (existsSync(join(dir, "convex")) && !existsSync(join(dir, "convex", "tsconfig.json"))) {
      cpSync(join(apps, "tsconfig.convex.json"), join(dir, "convex", "tsconfig.json"));
    }
    const changes = Object.entries(env).map(([name, value]) => ({ name, value }));
    if (changes.length > 0) {
      await this.admin("/api/update_environment_variables", { changes });
    }
    await this.cli(["dev", "--once", "--typecheck", "enable"]);
    return dir;
  }

  /** Asks the deployment as its admin. */
  async admin(path, body) {
    const answer = await fetch(this.url + path, {
      method: body === undefined ? "GET" : "POST",
      headers: { Authorization: `Convex ${this.lentil.info.adminKey}`, "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    if (!answer.ok) {
      throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    }
    return await answer.json();
  }

  /** Runs the official CLI in the app's folder; gives what it printed. */
  async cli(args, { allowFailure = false } = {}) {
    const child = spawn(process.execPath, [join(root, "conformance", "node_modules", "convex", "bin", "main.js"), ...args], {
      cwd: this.app,
      stdio: ["ignore", "pipe", "pipe"],
      env: {
        ...process.env, CI: "1", NO_COLOR: "1", FORCE_COLOR: "0",
        CONVEX_SELF_HOSTED_URL: this.url, CONVEX_SELF_HOSTED_ADMIN_KEY: this.lentil.info.adminKey,
      },
    });
    let stdout = "", text = "";
    child.stdout.setEncoding("utf8");
    child.stderr.setEncoding("utf8");
    child.stdout.on("data", (chunk) => ((stdout += chunk), (text += chunk)));
    child.stderr.on("data", (chunk) => (text += chunk));
    const timer = setTimeout(() => child.kill("SIGKILL"), 2 * patience);
    const code = await ended(child);
    clearTimeout(timer);
    if (code !== 0 && !allowFailure) {
      throw new Error(`convex ${args.join(" ")} ended with ${code}:\n${text}`);
    }
    return { code, stdout, text };
  }

  /** An internal function, run by the CLI's own route. */
  async run(path, args = {}) {
    const answer = await this.admin("/api/function", { path, args, format: "json" });
    if (answer.status !== "success") {
      throw new Error(answer.errorMessage);
    }
    return answer.value;
  }

  /** A client over HTTP. */
  http(token) {
    const client = new ConvexHttpClient(this.url, { logger: false });
    token && client.setAuth(token);
    return client;
  }

  /** A client over a WebSocket, closed with the app. */
  live(token, options = {}) {
    const client = new ConvexClient(this.url, { webSocketConstructor: WebSocket, unsavedChangesWarning: false, logger: false, ...options });
    token && client.setAuth(async () => token);
    this.#clients.push(client);
    return client;
  }

  /** A live query; `values` grows with each result. */
  watch(client, query, args) {
    const values = [];
    const errors = [];
    const stop = client.onUpdate(query, args, (value) => values.push(value), (error) => errors.push(error));
    return { values, errors, stop, last: () => values.at(-1) };
  }

  /** Closes the clients of an app. */
  async end() {
    await Promise.all(this.#clients.splice(0).map((client) => client.close()));
  }

  async close() {
    await this.end();
    await this.lentil.stop();
    this.#folders.forEach(removeFolder);
  }
}
