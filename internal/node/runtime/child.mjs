// The inside of a Node.js process of the house. It is told on file descriptor 3
// what to do, answers on 4, and waits on 5 for the answers to synchronous calls.
// Frames: length of the head, length of the body (32 bits each, little endian),
// the head as JSON, the body. What goes out is written at once, so that a process
// that crashes, spins or leaves has told everything up to then.
import { AsyncLocalStorage } from "node:async_hooks";
import { readSync, writeSync } from "node:fs";
import { Session } from "node:inspector";
import { createRequire } from "node:module";
import { Socket } from "node:net";
import process from "node:process";
import { inspect } from "node:util";
import { Worker } from "node:worker_threads";

const IN = 3, OUT = 4, SYNC = 5;
const self = import.meta.url;
const exit = process.exit.bind(process);
const nothing = Buffer.alloc(0);

function writeAll(bytes) {
  for (let at = 0; at < bytes.length; ) {
    at += writeSync(OUT, bytes, at, bytes.length - at);
  }
}

function send(head, body = nothing) {
  const text = Buffer.from(JSON.stringify(head));
  const lengths = Buffer.alloc(8);
  lengths.writeUInt32LE(text.length, 0);
  lengths.writeUInt32LE(body.length, 4);
  if (body.length < 1 << 16) {
    writeAll(Buffer.concat([lengths, text, body]));
    return;
  }
  writeAll(Buffer.concat([lengths, text]));
  writeAll(body);
}

// Programs stay where they are for the life of the process: "program" comes once.
let root = ""; // URL of the folder of modules, with its slash
let folder = ""; // the same as a path
let call = null; // the action under way
let lastID = 0;
const calls = new AsyncLocalStorage(); // which action a piece of work belongs to

// The action that asks for something, or null when its time is over: what an
// earlier action left running must not act, or print, for a later one.
function mine() {
  const own = calls.getStore() ?? call;
  return own !== null && own === call ? own : null;
}

// Takes our own frames, and the folder's place on this machine, out of a text.
function tidy(text) {
  if (!text.includes("file:") && !text.includes("node:") && !text.includes(folder)) return text;
  return text
    .split("\n")
    .filter((line) => !/^\s+at /.test(line) || !(line.includes(self) || line.includes("node:internal/")))
    .join("\n")
    .replaceAll(root, "")
    .replaceAll(folder, "")
    .replace(/(?:file:\/\/)?\/[^\s()]*?\/node_modules\//g, "node_modules/");
}

const text = (v) => {
  try {
    return String(v);
  } catch {
    return "";
  }
};

const maxMessage = 1 << 17;

// What the house makes of a thrown value; the counterpart of the other runtime's
// hooks.describe.
function describe(e) {
  const out = { name: "", message: "", stack: "", code: "" };
  if ((typeof e === "object" && e !== null) || typeof e === "function") {
    if (e instanceof Error || typeof e.stack === "string" || typeof e.message === "string") {
      out.name = text(e.name ?? "Error") || "Error";
      out.message = text(e.message ?? "");
      const s = e.stack;
      if (typeof s === "string") {
        const at = s.indexOf("\n    at ", s.includes(out.message) ? s.indexOf(out.message) + out.message.length : 0);
        out.stack = at < 0 ? "" : tidy(s.slice(at + 1));
      }
    } else {
      out.message = lx.inspect ? lx.inspect(e) : text(e);
    }
    const mark = e.ConvexErrorSymbol;
    if (typeof mark === "symbol" && e[mark] === true) {
      out.data = typeof e.data === "string" ? e.data : JSON.stringify(e.data ?? null);
    }
  } else {
    out.message = text(e);
  }
  out.message = out.message.slice(0, maxMessage);
  return JSON.stringify(out);
}

// Where a function is written, for tools: only the inspector knows.
let session = null;
const scripts = new Map();
function position(f) {
  if (typeof f !== "function") return undefined;
  if (session === null) {
    session = new Session();
    session.connect();
    session.on("Debugger.scriptParsed", ({ params }) => scripts.set(params.scriptId, params.url));
    session.post("Debugger.enable");
  }
  let found;
  globalThis.__lentil = f;
  session.post("Runtime.evaluate", { expression: "__lentil" }, (_, { result }) => {
    session.post("Runtime.getProperties", { objectId: result.objectId }, (_, { internalProperties = [] }) => {
      const place = internalProperties.find((p) => p.name === "[[FunctionLocation]]")?.value?.value;
      const url = place && scripts.get(place.scriptId);
      if (url?.startsWith(root)) found = [url.slice(root.length), place.lineNumber, place.columnNumber];
    });
  });
  delete globalThis.__lentil;
  return found;
}

// The shims of the other runtime that render log lines and read modules.
const lx = {
  hooks: { describe },
  registry: {},
  native: {
    print(level, line) {
      if (mine() !== null) send({ t: "log", level }, Buffer.from(tidy(line)));
    },
    proxyTarget: () => undefined,
    now: () => Math.round(performance.now()),
    position,
  },
  define(name, value) {
    if (name !== "console") return;
    Object.assign(globalThis.console, value);
    // Values are shown as Node.js shows them, as on the vendor's platform.
    ["debug", "error", "warn", "info", "log"].forEach((method, level) => {
      globalThis.console[method] = (...args) => lx.native.print(level, args.map((v) => inspect(v)).join(" "));
    });
  },
};

// What is written to the standard streams past console, by loggers and by the
// rest of console, appears line by line.
for (const [stream, level] of [[process.stdout, 4], [process.stderr, 1]]) {
  let rest = "";
  stream.write = (chunk, encoding, done) => {
    rest += typeof chunk === "string" ? chunk : Buffer.from(chunk).toString();
    const lines = rest.split("\n");
    rest = lines.pop().slice(-65536);
    for (const line of lines) lx.native.print(level, line);
    const after = typeof encoding === "function" ? encoding : done;
    if (after) process.nextTick(after);
    return true;
  };
}

// ---- what the library asks of the house

const input = new Socket({ fd: IN, readable: true, writable: false });

const over = () => new Error("The action is over: it can ask for nothing any more. Await what it begins.");

function ask(head, body, pieces) {
  const own = mine();
  if (own === null) return Promise.reject(over());
  const id = ++lastID;
  return new Promise((resolve, reject) => {
    own.pending.set(id, { name: head.op, resolve, reject, pieces });
    input.ref();
    send({ ...head, id }, body);
  });
}

function answered(head, body) {
  const wish = call?.pending.get(head.id);
  if (wish === undefined) return; // of an action that is over
  call.pending.delete(head.id);
  if (call.pending.size === 0) input.unref();
  if (head.error !== undefined) {
    wish.reject(hostError(head));
  } else if (head.kind === "raw") {
    wish.resolve(body);
  } else {
    wish.resolve(head.kind === "none" ? undefined : body.toString());
  }
}

function piece(head, body) {
  call?.pending.get(head.id)?.pieces?.push(body);
}

// Files travel in pieces, as they are read: nobody holds all of one.
async function store({ blob, options }) {
  if (!(blob instanceof Blob)) {
    throw new Error("store() expects a Blob. If you are trying to store a Request, `await request.blob()` will give you the correct input.");
  }
  const stored = ask({ t: "store", op: "storage/storeBlob", args: JSON.stringify({ contentType: blob.type, sha256: options?.sha256 }) });
  const id = lastID;
  stored.catch(() => {}); // awaited below
  let last = "stored";
  try {
    for await (const bytes of blob.stream()) {
      for (let at = 0; at < bytes.length; at += 1 << 20) {
        const part = bytes.subarray(at, at + (1 << 20));
        send({ t: "part", id }, Buffer.from(part.buffer, part.byteOffset, part.byteLength));
      }
      if (!mine()?.pending.has(id)) break; // it was refused
    }
  } catch (e) {
    last = "broken";
  }
  if (mine() !== null) send({ t: last, id });
  return await stored;
}

function hostError({ error, data }) {
  const e = new Error(error);
  if (data !== undefined) e.data = data;
  return e;
}

function readSyncFully(n) {
  const b = Buffer.alloc(n);
  for (let at = 0; at < n; ) {
    const got = readSync(SYNC, b, at, n - at, null);
    if (got === 0) exit(0); // the house is gone
    at += got;
  }
  return b;
}

const js = (op, args, body = nothing) => ask({ t: "js", op, args: JSON.stringify(args) }, body);

globalThis.Convex = {
  syscall(op, args) {
    if (mine() === null) throw over();
    send({ t: "sync", op: String(op) }, Buffer.from(String(args)));
    const lengths = readSyncFully(8);
    const head = JSON.parse(readSyncFully(lengths.readUInt32LE(0)));
    const body = readSyncFully(lengths.readUInt32LE(4));
    if (head.error !== undefined) throw hostError(head);
    return body.toString();
  },
  asyncSyscall: (op, args) => ask({ t: "async", op: String(op) }, Buffer.from(String(args))),
  async jsSyscall(op, args) {
    switch (op) {
      case "storage/storeBlob":
        return JSON.parse(await store(args));
      case "storage/getBlob": {
        const { storageId } = args;
        const found = JSON.parse(await js(op, { storageId }));
        if (found === null) return null;
        const pieces = [];
        await ask({ t: "open", op, args: JSON.stringify({ storageId }) }, nothing, pieces);
        return new Blob(pieces, { type: found.contentType ?? "" });
      }
    }
    throw new Error(`Unknown operation ${op}`);
  },
};

// ---- what the house asks of us

function begin({ dir, env, console: consoleShim, inspect: inspectShim }) {
  root = dir.url;
  folder = dir.path;
  for (const name of Object.keys(process.env)) {
    if (name !== "TZ") delete process.env[name];
  }
  Object.assign(process.env, env);
  process.chdir(folder);
  const require = createRequire(root);
  globalThis.require = require; // what esbuild's bundles call for packages that are not ES modules
  for (const [name, source] of [["console.js", consoleShim], ["inspect.js", inspectShim]]) {
    (0, eval)(source + `\n//# sourceURL=${self}/${name}`)(lx);
  }
}

// What keeps a process busy that the next action could not have begun: it is not
// used again. Sockets may stay, for they are how connections are kept alive.
const leftovers = new Set(["Timeout", "ProcessWrap", "TCPServerWrap", "PipeServerWrap", "FSEVENTWRAP", "Worker", "MessagePort", "SignalWrap", "UDPWrap"]);
// What is over in a moment, such as a file that the loader of modules still reads.
const passing = new Set(["Immediate", "FSReqCallback", "FSReqPromise", "ZLIB", "GETADDRINFOREQWRAP", "RandomBytesRequest", "PBKDF2Request", "ScryptRequest"]);
const busyWith = (names) => process.getActiveResourcesInfo().some((r) => names.has(r));

function end(own, head, body) {
  if (call !== own) return;
  const unawaited = [...own.pending.values()].map((w) => w.name);
  const dirty = unawaited.length > 0 || busyWith(leftovers);
  const settling = !dirty && busyWith(passing);
  call = null;
  input.ref();
  send({ ...head, unawaited, dirty, settling }, body);
  if (settling) settle(25);
}

// Tells the house when what was left has come to its end, or that it does not.
function settle(turns) {
  setTimeout(() => {
    const dirty = busyWith(leftovers) || (turns === 0 && busyWith(passing));
    if (dirty || !busyWith(passing)) send({ t: "settled", dirty });
    else settle(turns - 1);
  }, 2).unref(); // and so not among the leftovers itself
}

async function run({ module, export: name, method, args }) {
  const own = (call = { pending: new Map() });
  input.unref(); // so that a promise that nothing can settle is noticed
  try {
    await calls.run(own, async () => {
      const ns = await import(root + module);
      const f = ns[name];
      if (f === undefined || f === null) return end(own, { t: "missing", what: "export" });
      if (typeof f[method] !== "function") return end(own, { t: "missing", what: "method" });
      const value = await f[method](...args);
      end(own, { t: "done" }, Buffer.from(String(value)));
    });
  } catch (e) {
    end(own, { t: "threw" }, Buffer.from(describe(e)));
  }
}

process.on("beforeExit", () => {
  if (call !== null) end(call, { t: "never" });
});

process.on("exit", (code) => {
  if (call !== null) send({ t: "left", code });
});

process.on("uncaughtException", (e) => {
  if (call !== null) end(call, { t: "threw", fatal: true }, Buffer.from(describe(e)));
  exit(1);
});

// Evaluates all modules and tells what they export.
async function inspectAll({ modules }) {
  call = { pending: new Map() };
  const failed = [];
  for (const path of modules) {
    try {
      lx.registry[path] = await import(root + path);
    } catch (e) {
      failed.push({ path, functions: [], router: false, routes: [], crons: "", error: describe(e) });
    }
  }
  const found = JSON.parse(lx.hooks.inspect());
  session?.disconnect();
  session = null;
  end(call, { t: "inspected" }, Buffer.from(JSON.stringify([...found, ...failed])));
}

const handlers = { program: begin, run, inspect: inspectAll, reply: answered, piece };

const waiting = []; // pieces of what has come in
let have = 0;
let need = 8;
input.on("data", (chunk) => {
  waiting.push(chunk);
  have += chunk.length;
  while (have >= need) {
    const all = waiting.length === 1 ? waiting[0] : Buffer.concat(waiting);
    const h = all.readUInt32LE(0), b = all.readUInt32LE(4);
    need = 8 + h + b;
    waiting.length = 0;
    if (have < need) {
      waiting.push(all);
      return;
    }
    have -= need;
    if (have > 0) waiting.push(all.subarray(need));
    const head = JSON.parse(all.subarray(8, 8 + h));
    const body = all.subarray(8 + h, need);
    need = 8;
    handlers[head.t](head, body);
  }
});
// The house has closed the pipe, or died.
input.on("end", () => exit(0));
input.on("error", () => exit(0));

// Linux ends us with the house whatever we do; elsewhere somebody must look.
if (process.platform !== "linux") {
  const watch = `const { ppid } = process; setInterval(() => process.ppid === ppid || process.kill(process.pid, "SIGKILL"), 500);`;
  new Worker(watch, { eval: true, env: {} }).unref();
}

send({ t: "ready" });
