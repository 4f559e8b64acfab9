// The ground of every context: what the engine asks of us (hooks), the Convex
// object, process.env, randomness, and what is taken away. Each shim is a
// function of lx, which they share and no program sees.
(function (lx) {
  "use strict";
  const { native, hooks } = lx;
  const global = globalThis;
  const setup = JSON.parse(lx.env);
  // Programs may change the globals; the shims keep what they were born with.
  const {
    Object: { defineProperty, getOwnPropertyDescriptor, keys, create, freeze },
    JSON: { stringify },
    Reflect: { apply, get: reflectGet },
    Error, TypeError, RangeError, String, Symbol, Promise, Proxy, WeakMap, Map,
  } = global;

  // Contexts from which a snapshot is made lack it; without it errors have no
  // frames.
  Error.stackTraceLimit = 10;

  lx.IMPORT = 0;
  lx.QUERY = 1;
  lx.MUTATION = 2;
  lx.ACTION = 3;

  // Defines a global as the platform has them: writable, not enumerable.
  lx.define = (name, value) => {
    defineProperty(globalThis, name, { value, writable: true, enumerable: false, configurable: true });
  };
  lx.tag = (cls, name = cls.name) => {
    defineProperty(cls.prototype, Symbol.toStringTag, { value: name, configurable: true });
  };

  // Wire codes of errors that a push reports, and the first of them, which
  // counts even when the program catches it.
  const codes = new WeakMap();
  lx.refuse = (code, message) => {
    const e = new Error(message);
    codes.set(e, code);
    lx.violation ??= e;
    throw e;
  };

  const text = (v) => {
    try {
      return String(v);
    } catch {
      return "";
    }
  };

  const maxMessage = 1 << 17; // an error is for people to read

  // describe(thrown): what Go makes an Exception of.
  hooks.describe = (e) => {
    const out = { name: "", message: "", stack: "", code: "" };
    if ((typeof e === "object" && e !== null) || typeof e === "function") {
      const error = e instanceof Error || typeof e.stack === "string" || typeof e.message === "string";
      if (error) {
        out.name = text(e.name ?? "Error") || "Error";
        out.message = text(e.message ?? "");
        const s = e.stack;
        if (typeof s === "string") {
          // Frames only: the message may be many lines long.
          const at = s.indexOf("\n    at ", s.startsWith(out.name) ? out.name.length + out.message.length : 0);
          out.stack = at < 0 ? "" : s.slice(at + 1);
        }
      } else {
        out.message = lx.inspect ? lx.inspect(e) : text(e);
      }
      const mark = e.ConvexErrorSymbol;
      if (typeof mark === "symbol" && e[mark] === true) {
        out.data = typeof e.data === "string" ? e.data : stringify(e.data ?? null);
      }
      out.code = codes.get(e) ?? "";
    } else {
      out.message = text(e);
    }
    if (out.message.length > maxMessage) out.message = out.message.slice(0, maxMessage) + "…";
    return stringify(out);
  };

  // Ends the run beyond what a program can catch.
  lx.developerError = (message) => {
    native.stop(hooks.describe(new Error(message)));
  };
  lx.notImplemented = (op, cls) => {
    lx.developerError(
      `Not implemented: ${op} for ${cls}. Consider calling an action defined in Node.js instead ` +
        `(https://docs.convex.dev/functions/actions).`,
    );
  };
  // Throws unless an action is running.
  lx.actionOnly = (name) => {
    const kind = native.kind();
    if (kind === lx.ACTION) return;
    if (kind === lx.IMPORT) {
      throw new Error(`Can't use ${name} while modules are being imported. Call it inside a function.`);
    }
    throw new Error(
      `Can't use ${name} in queries and mutations. Please consider using an action. ` +
        `See https://docs.convex.dev/functions/actions for more details.`,
    );
  };

  global.Convex = {
    syscall: native.syscall,
    asyncSyscall: native.asyncSyscall,
    jsSyscall(op) {
      return native.syscall(op, "{}"); // the host knows what to say of each
    },
  };
  // A snapshot's contexts get a global object of their own: no value, a getter.
  defineProperty(global, "self", {
    get: () => globalThis,
    set: (value) => lx.define("self", value),
    configurable: true,
    enumerable: false,
  });

  // process.env: the deployment's variables, constant for this program.
  const AUTH = 1, SCHEMA = 2, DEFINITION = 3;
  const subject = setup.rules.subject ?? 0;
  const env = Object.assign(create(null), setup.env);
  const read = (target, name) => {
    if (typeof name !== "string") return undefined;
    if (subject === SCHEMA) {
      lx.refuse("NoEnvironmentVariablesInSchema", "Environment variables are not available in schema.ts.");
    }
    const value = target[name];
    if (value === undefined && subject === AUTH) {
      lx.refuse(
        "AuthConfigMissingEnvironmentVariable",
        `Environment variable ${name} is used in auth config file but its value was not set. ` +
          `Please set it in the dashboard or with \`npx convex env set ${name} <value>\`.`,
      );
    }
    return value;
  };
  lx.define("process", { env: new Proxy(env, { get: read }) });

  // Randomness comes from the invocation's seed.
  const { Math } = global;
  const method = (target, name, value) =>
    defineProperty(target, name, { value, writable: true, enumerable: false, configurable: true });
  method(Math, "random", function random() {
    return native.random();
  });

  // While auth.config.js and convex.config.js are evaluated nothing may vary.
  if (subject === AUTH || subject === DEFINITION) {
    const what = subject === AUTH ? "auth config" : "component definition";
    const no = (name, api) => () => lx.refuse(`No${name}DuringDefinitionEvaluation`, `${api} is not available during ${what} evaluation.`);
    method(Math, "random", no("Random", "Math.random()"));
    const Date = global.Date;
    const refuse = no("Date", "Date");
    lx.define("Date", new Proxy(Date, {
      construct: (t, args, n) => (args.length ? Reflect.construct(t, args, n) : refuse()),
      apply: refuse,
      get: (t, k) => (k === "now" ? refuse : reflectGet(t, k)),
    }));
    lx.restricted = no;
  }

  // Nothing may depend on when garbage is collected, or on another thread.
  lx.define("WeakRef", class WeakRef {
    #target;
    constructor(target) {
      if ((typeof target !== "object" || target === null) && typeof target !== "function" && typeof target !== "symbol") {
        throw new TypeError("WeakRef: invalid target");
      }
      this.#target = target;
    }
    deref() {
      return this.#target;
    }
  });
  lx.tag(global.WeakRef);
  lx.define("FinalizationRegistry", class FinalizationRegistry {
    constructor(cleanup) {
      if (typeof cleanup !== "function") throw new TypeError("FinalizationRegistry: cleanup must be callable");
    }
    register() {}
    unregister() {
      return false;
    }
  });
  lx.tag(global.FinalizationRegistry);

  // The pages of a resizable buffer are outside of what the engine counts:
  // bound what all of them together may grow to.
  const { ArrayBuffer, Reflect: { construct } } = global;
  let growable = 64 << 20;
  const bounded = new Proxy(ArrayBuffer, {
    construct(target, args, cls) {
      const max = args[1]?.maxByteLength;
      if (max === undefined) return construct(target, [args[0]], cls);
      growable -= max;
      if (!(growable >= 0)) throw new RangeError("Array buffer allocation failed");
      return construct(target, [args[0], { maxByteLength: max }], cls);
    },
  });
  method(ArrayBuffer.prototype, "constructor", bounded);
  lx.define("ArrayBuffer", bounded);
  delete global.Atomics.wait;
  delete global.Atomics.waitAsync;
})
