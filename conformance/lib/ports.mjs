// Ports for what scenarios start. They lie below those that a system gives out by itself, to whoever connects anywhere: a port
// that was merely free a moment ago may be somebody's own end of a connection when a server wants it. They lie above those that
// houses give to their further deployments (17000 to 20999), which another file's house may take at any moment. A process holds
// a block of them by listening on the block's first, so that processes beside each other have different ones.
import { createServer } from "node:net";

const [from, to, size] = [21_000, 32_000, 200];

/** Listens on a port for a moment, or for good; gives the server, or nothing if the port is taken. */
function take(port, host) {
  return new Promise((done) => {
    const server = createServer();
    server.once("error", (error) => done(error.code === "EADDRNOTAVAIL" || error.code === "EAFNOSUPPORT" ? null : undefined));
    server.listen({ port, host, exclusive: true }, () => done(server));
  });
}

let block;

async function ownBlock() {
  const blocks = (to - from) / size;
  const start = Math.floor(Math.random() * blocks);
  for (let i = 0; i < blocks; i++) {
    const first = from + ((start + i) % blocks) * size;
    const held = await take(first, "127.0.0.1");
    if (held) {
      held.unref();
      return { first, next: 1, held };
    }
  }
  throw new Error(`every block of ports from ${from} to ${to} is held`);
}

/** A port that is free, and that nobody else gets. */
export async function freePort() {
  block ??= ownBlock();
  const own = await block;
  for (let tried = 1; tried < size; tried++) {
    const port = own.first + own.next;
    own.next = (own.next % (size - 1)) + 1;
    if ((await vacant(port, "127.0.0.1")) && (await vacant(port, "::1"))) {
      return port;
    }
  }
  throw new Error(`no port from ${own.first} to ${own.first + size} is free`);
}

async function vacant(port, host) {
  const server = await take(port, host);
  await new Promise((done) => (server ? server.close(done) : done()));
  return server !== undefined;
}

/** Free ports for the four listeners, as flags. */
export async function portFlags() {
  const flags = [];
  for (const name of ["--port", "--site-port", "--authkit-port", "--control-port"]) {
    flags.push(name, String(await freePort()));
  }
  return flags;
}
