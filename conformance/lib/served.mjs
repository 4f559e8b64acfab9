// A house for the world, `lentil serve --config`, and clients that know its host names as the DNS would.
import { ConvexClient } from "convex/browser";
import { spawn } from "node:child_process";
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { createServer } from "node:net";
import { join } from "node:path";
import WebSocket from "ws";
import { holds } from "./check.mjs";
import { binary, root, until } from "./lentil.mjs";

// A shell that keeps a listening socket, its descriptor 3, and starts a program for each line it reads, to which it
// hands the socket over as systemd does. It tells of beginnings and ends on descriptor 4.
const keeper = `while read -r _; do
  LISTEN_FDS=1 sh -c 'LISTEN_PID=$$ exec "$0" "$@"' "$@" 4>&- & echo "pid $!" >&4
  wait $!; echo "exit $?" >&4
done`;

/** A house from the file lentil.yaml of a folder. */
export class Served {
  constructor(dir) {
    this.dir = dir;
    this.log = "";
  }

  /** Binds a port that stays open while no house is there, as lentil.socket does; gives its number. */
  async hold() {
    const server = createServer();
    await new Promise((done) => server.listen(0, "127.0.0.1", done));
    const { port } = server.address();
    this.shell = spawn("sh", ["-c", keeper, "sh", ...this.#command()], { stdio: ["pipe", "pipe", "pipe", server._handle, "pipe"], env: this.#env() });
    this.shell.stdio[4].on("data", (text) => {
      for (const [, what, number] of String(text).matchAll(/(pid|exit) (\d+)/g)) {
        what === "pid" ? (this.pid = Number(number)) : this.ended(Number(number));
      }
    });
    this.#listen(this.shell);
    await new Promise((done) => server.close(done)); // the shell has it
    return port;
  }

  #command() {
    return [binary, "serve", "--config", join(this.dir, "lentil.yaml"), "--json"];
  }

  #env() {
    return { ...process.env, NO_COLOR: "1", LENTIL_WHERE: this.dir };
  }

  #listen(child) {
    child.stderr.on("data", (chunk) => (this.log += chunk));
    child.stdout.on("data", (chunk) => (this.out += chunk));
  }

  async start() {
    this.out = "";
    this.pid = undefined;
    this.running = true;
    this.exited = new Promise((done) => (this.ended = (code) => ((this.running = false), done(code))));
    if (this.shell) {
      this.shell.stdin.write("start\n");
    } else {
      const [program, ...args] = this.#command();
      const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], env: this.#env() });
      this.pid = child.pid;
      child.once("exit", (code, signal) => this.ended(code ?? signal));
      this.#listen(child);
    }
    await until("the house", () => {
      holds(this.running, `lentil ended:\n${this.log}`);
      return this.pid !== undefined && this.out.includes("\n");
    });
    this.info = JSON.parse(this.out);
    return this;
  }

  kill(signal) {
    this.running && process.kill(this.pid, signal);
  }

  async stop(signal = "SIGTERM") {
    this.kill(signal);
    return await this.exited;
  }

  /** Stops it, and gives up what it held. */
  async close() {
    await this.stop();
    this.shell?.stdin.end();
  }
}

/** Asks for a page of a host of the house; the certificate is checked. `address` is where the name points to. */
export function ask(house, url, { method = "GET", headers = {}, body, name, address = "127.0.0.1", from, onChunk } = {}) {
  const u = new URL(url);
  const secure = u.protocol === "https:";
  return new Promise((done, fail) => {
    const q = (secure ? httpsRequest : httpRequest)(
      {
        host: address, localAddress: from, port: u.port, path: u.pathname + u.search, method, agent: false,
        ca: house.tls.certificate, servername: name ?? u.hostname, headers: { Host: name ?? u.host, ...headers },
      },
      (answer) => {
        let text = "";
        answer.on("data", (chunk) => ((text += chunk), onChunk?.(String(chunk))));
        answer.on("error", fail);
        answer.on("end", () => done({ status: answer.statusCode, headers: answer.headers, text }));
      },
    );
    q.on("error", fail);
    q.end(body);
  });
}

/** The official CLI in an app's folder, with the names of a domain known as by /etc/hosts. */
export async function cli(house, domain, dir, args, address = "127.0.0.1") {
  const child = spawn(process.execPath, ["--require", join(root, "conformance/lib/names.cjs"), join(root, "conformance/node_modules/convex/bin/main.js"), ...args], {
    cwd: dir,
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      ...process.env, CI: "1", NO_COLOR: "1", FORCE_COLOR: "0", NAMES_OF_THIS_MACHINE: domain, ADDRESS_OF_THIS_MACHINE: address, NODE_EXTRA_CA_CERTS: join(house.dir, "house.pem"),
      CONVEX_SELF_HOSTED_URL: house.info.url, CONVEX_SELF_HOSTED_ADMIN_KEY: house.info.adminKey,
    },
  });
  let text = "";
  child.stdout.on("data", (chunk) => (text += chunk));
  child.stderr.on("data", (chunk) => (text += chunk));
  const code = await new Promise((done) => child.once("exit", done));
  holds(code === 0, `convex ${args.join(" ")} ended with ${code}:\n${text}`);
}

/** The official client over a WebSocket to the house's name. */
export function client(house, address = "127.0.0.1", { from, headers } = {}) {
  class Socket extends WebSocket {
    constructor(url, protocols) {
      super(url, protocols, { ca: house.tls.certificate, localAddress: from, headers, lookup: (_, options, callback) => (options.all ? callback(null, [{ address, family: 4 }]) : callback(null, address, 4)) });
    }
  }
  return new ConvexClient(house.info.url, { webSocketConstructor: Socket, unsavedChangesWarning: false, logger: false });
}
