// A TCP proxy that can lose a connection at the worst moment.
import { connect, createServer } from "node:net";
import { freePort } from "./lentil.mjs";

export class Proxy {
  constructor(target) {
    this.target = new URL(target);
    this.connections = new Set();
    this.deaf = false;
    this.opened = 0;
    this.heard = 0; // bytes of clients
  }

  async start() {
    this.port = await freePort();
    this.server = createServer((client) => this.#serve(client));
    await new Promise((done) => this.server.listen(this.port, "127.0.0.1", done));
    this.url = `http://127.0.0.1:${this.port}`;
    return this;
  }

  #serve(client) {
    this.opened++;
    const server = connect(Number(this.target.port), this.target.hostname);
    const pair = { client, server };
    this.connections.add(pair);
    const end = () => {
      client.destroy();
      server.destroy();
      this.connections.delete(pair);
    };
    client.on("data", (chunk) => {
      this.heard += chunk.length;
      server.write(chunk);
    });
    // While deaf, what the server answers is lost; what the client asks still arrives.
    server.on("data", (chunk) => this.deaf || client.write(chunk));
    for (const socket of [client, server]) {
      socket.on("error", end);
      socket.on("close", end);
    }
  }

  /** Cuts every open connection; new ones work. */
  cut() {
    for (const { client, server } of [...this.connections]) {
      client.destroy();
      server.destroy();
    }
  }

  stop() {
    this.cut();
    return new Promise((done) => this.server.close(done));
  }
}
