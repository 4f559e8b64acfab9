// Loaded by Node.js processes that run below "lentil exec" (NODE_OPTIONS). Newer versions of Node.js go through the
// proxy of HTTPS_PROXY by themselves when NODE_USE_ENV_PROXY is set; here older ones learn it for the vendors' hosts
// alone, with fetch and with node:https. Everything else stays as it was.
"use strict";
(() => {
  const hosts = ["api.workos.com", "dashboard.workos.com", "api.convex.dev", "version.convex.dev", "auth.convex.dev"];
  const [major, minor] = process.versions.node.split(".").map(Number);
  // https://nodejs.org/api/cli.html#node_use_env_proxy1: fetch and node:https since 22.21 and 24.5.
  const byItself = major > 24 || (major === 24 && minor >= 5) || (major === 22 && minor >= 21);
  const proxy = process.env.HTTPS_PROXY ?? process.env.https_proxy;
  if (!proxy) {
    return;
  }
  if (byItself && process.env.NODE_USE_ENV_PROXY === "1") {
    // It says in each process that this is an experiment of its own, which is no news to anybody here.
    for (const listener of process.listeners("warning")) {
      process.off("warning", listener);
      process.on("warning", (warning) => warning?.code === "UNDICI-EHPA" || listener.call(process, warning));
    }
    return;
  }
  const ours = (host, port) => hosts.includes(String(host).toLowerCase()) && (port === undefined || port === null || port === "" || Number(port) === 443);

  /** Opens a connection to a host through the proxy, with TLS in it. */
  const open = (host, options, done) => {
    const at = new URL(proxy);
    const request = require("node:http").request({
      host: at.hostname,
      port: at.port,
      method: "CONNECT",
      path: `${host}:443`,
      agent: false,
      headers: {
        Host: `${host}:443`,
        "Proxy-Authorization": `Basic ${Buffer.from(`${decodeURIComponent(at.username)}:${decodeURIComponent(at.password)}`).toString("base64")}`,
      },
    });
    request.once("connect", (answer, socket) => {
      if (answer.statusCode !== 200) {
        socket.destroy();
        done(new Error(`lentil exec: the proxy answered ${answer.statusCode} for ${host}`));
        return;
      }
      const secure = require("node:tls").connect({ ALPNProtocols: ["http/1.1"], ...options, socket, host: undefined, port: undefined, servername: options.servername || host });
      done(null, secure);
    });
    request.once("error", (error) => done(error));
    request.end();
  };

  // node:https, whichever agent a program uses.
  const { Agent } = require("node:https");
  const direct = Agent.prototype.createConnection;
  Agent.prototype.createConnection = function (options, done) {
    if (typeof done !== "function" || !ours(options?.host, options?.port)) {
      return direct.apply(this, arguments);
    }
    open(options.host, options, done);
  };

  // fetch, unless a program has chosen how it connects.
  if (typeof globalThis.fetch === "function") {
    const plain = globalThis.fetch;
    let agent;
    const dispatcher = () => {
      void globalThis.Headers; // the first use loads what makes the agent below
      const usual = globalThis[Symbol.for("undici.globalDispatcher.1")];
      if (usual?.constructor?.name !== "Agent") {
        return undefined;
      }
      agent ??= new usual.constructor({
        connect: (options, done) =>
          open(options.hostname, { servername: options.servername }, (error, socket) => {
            if (error) {
              return done(error, null);
            }
            socket.once("secureConnect", () => done(null, socket));
            socket.once("error", (failure) => done(failure, null));
          }),
      });
      return agent;
    };
    const wrapped = function fetch(input, init) {
      let url;
      try {
        url = new URL(typeof input === "object" && input !== null && "url" in input ? input.url : input);
      } catch {
        return plain.apply(this, arguments); // it says what is wrong
      }
      if (url.protocol !== "https:" || !ours(url.hostname, url.port) || init?.dispatcher) {
        return plain.apply(this, arguments);
      }
      const through = dispatcher();
      return through ? plain.call(this, input, { ...init, dispatcher: through }) : plain.apply(this, arguments);
    };
    globalThis.fetch = wrapped;
  }
})();
