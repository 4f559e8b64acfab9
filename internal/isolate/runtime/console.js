// console: lines for the log, values shown as object-inspect shows them.
(function (lx) {
  "use strict";
  const { native } = lx;
  const {
    Object: { getPrototypeOf, keys, getOwnPropertyDescriptor, getOwnPropertySymbols },
    Array: { isArray },
    ArrayBuffer,
    Error, Map, Set, WeakMap, WeakSet, Promise, RegExp, Date, Number, String, Boolean, BigInt, Symbol,
  } = globalThis;
  const DEBUG = 0, ERROR = 1, WARN = 2, INFO = 3, LOG = 4;
  const maxDepth = 5;
  const maxItems = 200;
  const maxText = 40000; // the log cuts at 32 KiB
  const width = 72; // a longer object is broken into lines

  const escapes = { "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r" };
  const quote = (s) => {
    if (s.length > maxText) s = s.slice(0, maxText);
    return (
      "'" +
      s.replace(/['\\]/g, "\\$&").replace(/[\x00-\x1f]/g, (c) =>
        escapes[c] ?? "\\x" + c.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")) +
      "'"
    );
  };
  const identifier = /^[A-Za-z_$][A-Za-z0-9_$]*$/;
  const keyText = (k) => (typeof k === "symbol" ? `[${String(k)}]` : identifier.test(k) ? k : quote(k));

  const join = (open, items, close, indent, spaced) => {
    if (items.length === 0) return open + close;
    const line = items.join(", ");
    if (line.length <= width && !line.includes("\n")) return spaced ? `${open} ${line} ${close}` : open + line + close;
    const pad = "\n" + indent + "  ";
    return open + pad + items.join("," + pad) + "\n" + indent + close;
  };

  const constructorName = (o) => {
    const p = getPrototypeOf(o);
    if (p === null) return null;
    const d = getOwnPropertyDescriptor(p, "constructor");
    return typeof d?.value === "function" ? d.value.name : "";
  };

  const inspect = (v, depth, indent, seen, budget) => {
    switch (typeof v) {
      case "string":
        return quote(v);
      case "number":
        return v === 0 && 1 / v < 0 ? "-0" : String(v);
      case "bigint":
        return String(v) + "n";
      case "undefined":
      case "boolean":
      case "symbol":
        return String(v);
    }
    if (v === null) return "null";
    const target = native.proxyTarget(v);
    if (target !== undefined && target !== null) v = target;
    if (seen.includes(v)) return "[Circular]";
    if ((budget.left -= 1) < 0) return "…";
    if (depth >= maxDepth && typeof v === "object") return isArray(v) ? "[Array]" : "[Object]";
    seen = [...seen, v];
    const inner = indent + "  ";
    const show = (x) => {
      const s = inspect(x, depth + 1, inner, seen, budget);
      budget.left -= s.length / 200;
      return s;
    };
    const members = () => {
      const out = [];
      const ks = [...keys(v), ...getOwnPropertySymbols(v).filter((s) => getOwnPropertyDescriptor(v, s)?.enumerable)];
      for (const k of ks) {
        if (isArray(v) && typeof k === "string" && String(k >>> 0) === k) continue;
        if (out.length >= maxItems) {
          out.push(`… ${ks.length - maxItems} more`);
          break;
        }
        let s;
        try {
          s = show(v[k]);
        } catch (e) {
          s = "[Thrown]";
        }
        out.push(`${keyText(k)}: ${s}`);
      }
      return out;
    };
    const list = (n, at) => {
      const out = [];
      for (let i = 0; i < n && i < maxItems; i++) out.push(at(i));
      if (n > maxItems) out.push(`… ${n - maxItems} more`);
      return out;
    };
    if (typeof v === "function") {
      const m = members();
      return `[Function${v.name ? ": " + v.name : " (anonymous)"}]` + (m.length ? " " + join("{", m, "}", indent, true) : "");
    }
    if (isArray(v)) {
      const items = list(v.length, (i) => (i in v ? show(v[i]) : ""));
      return join("[", [...items, ...members()], "]", indent, true);
    }
    if (v instanceof Error) {
      const m = members();
      let s = typeof v.stack === "string" && v.stack ? v.stack : String(v);
      if (getOwnPropertyDescriptor(v, "cause")) s += `\n${inner}[cause]: ${show(v.cause)}`;
      return s + (m.length ? " " + join("{", m, "}", indent, true) : "");
    }
    if (v instanceof Map) {
      const it = v.entries();
      return `Map (${v.size}) ` + join("{", list(v.size, () => {
        const [k, x] = it.next().value;
        return `${show(k)} => ${show(x)}`;
      }), "}", indent, false);
    }
    if (v instanceof Set) {
      const it = v.values();
      return `Set (${v.size}) ` + join("{", list(v.size, () => show(it.next().value)), "}", indent, false);
    }
    if (v instanceof Date || v instanceof RegExp) return String(v);
    if (v instanceof WeakMap) return "WeakMap { ? }";
    if (v instanceof WeakSet) return "WeakSet { ? }";
    if (v instanceof Number || v instanceof String || v instanceof Boolean || v instanceof BigInt || v instanceof Symbol) {
      return `Object(${show(v.valueOf())})`;
    }
    const name = constructorName(v);
    if (v instanceof ArrayBuffer) return `ArrayBuffer { byteLength: ${v.byteLength} }`;
    if (ArrayBuffer.isView(v) && "length" in v) {
      return `${name}(${v.length}) ` + join("[", list(v.length, (i) => show(v[i])), "]", indent, true);
    }
    if (v instanceof Promise) return "Promise {}";
    const custom = v[lx.shown];
    if (typeof custom === "function") return custom.call(v, show);
    let tag = name === null ? "[Object: null prototype] " : name && name !== "Object" ? name + " " : "";
    const own = v[Symbol.toStringTag];
    if (typeof own === "string" && own && own !== name) tag += `[${own}] `;
    return tag + join("{", members(), "}", indent, true);
  };
  lx.shown = Symbol("shown");
  lx.inspect = (v) => {
    try {
      return inspect(v, 0, "", [], { left: 5000 });
    } catch (e) {
      return "[Thrown]";
    }
  };

  const print = (level, args) => {
    let line = "";
    for (let i = 0; i < args.length && line.length < maxText; i++) line += (i ? " " : "") + lx.inspect(args[i]);
    native.print(level, line);
  };
  lx.print = (level, line) => native.print(level, line);

  const timers = new Map();
  const label = (l) => (l === undefined ? "default" : String(l));
  const elapsed = (l, rest) => {
    const began = timers.get(l);
    if (began === undefined) {
      native.print(WARN, `Timer '${l}' does not exist`);
      return false;
    }
    let line = `${l}: ${native.now() - began}ms`;
    for (const v of rest) line += " " + lx.inspect(v);
    native.print(INFO, line);
    return true;
  };
  lx.define("console", {
    debug: (...args) => print(DEBUG, args),
    error: (...args) => print(ERROR, args),
    info: (...args) => print(INFO, args),
    log: (...args) => print(LOG, args),
    warn: (...args) => print(WARN, args),
    trace: (...args) => {
      const stack = new Error().stack.split("\n").slice(2).join("\n");
      native.print(LOG, [...args.map(lx.inspect), stack].join(args.length ? " \n" : "\n"));
    },
    time: (l) => {
      l = label(l);
      if (timers.has(l)) native.print(WARN, `Timer '${l}' already exists`);
      else timers.set(l, native.now());
    },
    timeLog: (l, ...rest) => void elapsed(label(l), rest),
    timeEnd: (l) => {
      l = label(l);
      if (elapsed(l, [])) timers.delete(l);
    },
  });
})
