// Debian's nginx, Caddy and HAProxy before a house, with the files of deploy/proxy. Only what a machine decides is
// replaced in them: names, ports, addresses, certificates.
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { holds } from "./check.mjs";
import { root, until } from "./lentil.mjs";

const where = (program) => [`/usr/sbin/${program}`, `/usr/bin/${program}`].find(existsSync) ?? program;

/** Replaces each text, which must be there. */
function replaced(text, file, changes) {
  for (const [from, to] of changes) {
    const before = text;
    text = before.replaceAll(from, to);
    holds(text !== before, `${file} has ${from}`);
  }
  return text;
}

const kinds = {
  nginx: {
    file: "nginx.conf",
    write({ dir, text, address, port, plainPort, house, names, pem }) {
      const own = replaced(text, "nginx.conf", [
        [/^ *listen \[::\]:.*\n/gm, ""], ["listen 443 ", `listen ${address}:${port} `], ["listen 80;", `listen ${address}:${plainPort};`],
        ["api.example.com site.example.com auth.example.com", names.join(" ")], ["127.0.0.1:8080", house],
        ["/etc/ssl/example.com.pem", pem], ["/etc/ssl/example.com.key", pem],
      ]);
      writeFileSync(join(dir, "lentil.conf"), own);
      const kept = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((what) => `${what}_temp_path ${dir}/${what};`).join(" ");
      writeFileSync(join(dir, "nginx.conf"), `daemon off; pid ${dir}/nginx.pid; error_log stderr warn;\nevents {}\nhttp { access_log off; ${kept} include ${dir}/lentil.conf; }\n`);
      return [where("nginx"), "-p", dir, "-e", "stderr", "-c", join(dir, "nginx.conf")];
    },
    reload: ({ child }) => child.kill("SIGHUP"),
  },
  caddy: {
    file: "Caddyfile",
    write({ dir, text, address, port, plainPort, house, names, pem }) {
      const own = replaced(text, "Caddyfile", [
        ["api.example.com, site.example.com, auth.example.com {", `${names.join(", ")} {\n\ttls ${pem} ${pem}`], ["reverse_proxy 127.0.0.1:8080", `reverse_proxy ${house}`],
      ]);
      writeFileSync(join(dir, "Caddyfile"), `{\n\thttps_port ${port}\n\thttp_port ${plainPort}\n\tdefault_bind ${address}\n\tadmin unix/${dir}/admin.sock\n}\n${own}`);
      return [where("caddy"), "run", "--config", join(dir, "Caddyfile"), "--adapter", "caddyfile"];
    },
    reload: ({ dir, env }) => execFileSync(where("caddy"), ["reload", "--force", "--config", join(dir, "Caddyfile"), "--adapter", "caddyfile", "--address", `unix/${dir}/admin.sock`], { env, stdio: "ignore" }),
  },
  "haproxy-tls-through": {
    file: "haproxy-tls-through.cfg",
    write({ dir, text, address, port, plainPort, house, plainHouse }) {
      const own = replaced(text, "haproxy-tls-through.cfg", [
        [/^ *bind \[::\]:.*\n/gm, ""], ["bind :443\n", `bind ${address}:${port}\n`], ["bind :80\n", `bind ${address}:${plainPort}\n`],
        ["127.0.0.1:8443", house], ["127.0.0.1:8080", plainHouse],
      ]);
      writeFileSync(join(dir, "haproxy.cfg"), own);
      return [where("haproxy"), "-W", "-f", join(dir, "haproxy.cfg")];
    },
    reload: ({ child }) => child.kill("SIGUSR2"),
  },
  haproxy: {
    file: "haproxy.cfg",
    write({ dir, text, address, port, plainPort, house, pem }) {
      const own = replaced(text, "haproxy.cfg", [
        [/^ *bind \[::\]:.*\n/gm, ""], ["bind :443 ", `bind ${address}:${port} `], ["bind :80\n", `bind ${address}:${plainPort}\n`],
        ["/etc/haproxy/example.com.pem", pem], ["127.0.0.1:8080", house],
      ]);
      writeFileSync(join(dir, "haproxy.cfg"), own);
      return [where("haproxy"), "-W", "-f", join(dir, "haproxy.cfg")];
    },
    reload: ({ child }) => child.kill("SIGUSR2"),
  },
};

/** Those that speak TLS themselves. */
export const speakers = ["nginx", "caddy", "haproxy"];

/** One proxy: `new Front("nginx", { dir, address, port, plainPort, house: "127.0.0.1:8080", names, pem })`. */
export class Front {
  constructor(kind, given) {
    Object.assign(this, given, { kind, dir: join(given.dir, kind), log: "" });
    mkdirSync(this.dir, { recursive: true });
    this.env = { ...process.env, HOME: this.dir, XDG_DATA_HOME: this.dir, XDG_CONFIG_HOME: this.dir };
  }

  async start() {
    const text = this.change?.(this.text()) ?? this.text();
    const [program, ...args] = kinds[this.kind].write({ ...this, text });
    this.child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], env: this.env });
    this.child.on("error", (error) => (this.log += `${error.message}. hint: run .ci/proxies`));
    this.exited = new Promise((done) => this.child.once("close", done));
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream.on("data", (chunk) => (this.log += chunk));
    }
    await until(this.kind, () => {
      holds(this.child.exitCode === null && this.child.pid !== undefined, `${this.kind} ended:\n${this.log}`);
      return this.#answers();
    });
    return this;
  }

  text() {
    return readFileSync(join(root, "deploy", "proxy", kinds[this.kind].file), "utf8");
  }

  #answers() {
    return new Promise((done) => {
      const socket = connect(this.port, this.address, () => done(true));
      socket.on("error", () => done(false));
      socket.on("connect", () => socket.destroy());
    });
  }

  reload() {
    kinds[this.kind].reload(this);
  }

  async stop() {
    if (this.child?.exitCode === null && this.child.signalCode === null) {
      this.child.kill("SIGTERM");
    }
    await this.exited;
  }
}
