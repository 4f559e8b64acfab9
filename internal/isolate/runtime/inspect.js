// What a push asks of its modules: their registered functions, routes, crons,
// and the definitions that are evaluated by themselves.
(function (lx) {
  "use strict";
  const { native, hooks, registry } = lx;
  const { Object: { keys }, JSON: { stringify }, Array: { isArray }, Error } = globalThis;
  const kinds = ["isQuery", "isMutation", "isAction"];

  const position = (f) => (typeof f === "function" ? native.position(f) ?? null : null);

  const inspectFunction = (name, f) => {
    const marks = kinds.filter((k) => f[k] === true);
    const http = f.isHttp === true;
    if (marks.length + (http ? 1 : 0) === 0) return null;
    if (marks.length + (http ? 1 : 0) > 1) {
      throw new Error(`Export ${name} is registered as more than one kind of function.`);
    }
    const text = (method) => {
      if (typeof f[method] !== "function") return "";
      const s = f[method]();
      if (typeof s !== "string") throw new Error(`${method}() of ${name} did not return a string.`);
      return s;
    };
    return {
      name,
      kind: http ? 0 : kinds.indexOf(marks[0]) + 1,
      http,
      public: f.isPublic === true,
      internal: f.isInternal === true,
      args: text("exportArgs"),
      returns: text("exportReturns"),
      pos: position(f._handler),
    };
  };

  const inspectModule = (path, ns) => {
    const out = { path, functions: [], router: false, routes: [], crons: "", error: null };
    try {
      for (const name of keys(ns)) {
        const v = ns[name];
        if ((typeof v !== "object" && typeof v !== "function") || v === null) continue;
        const f = inspectFunction(name, v);
        if (f !== null) out.functions.push(f);
      }
      const main = keys(ns).includes("default") ? ns.default : undefined;
      if (typeof main === "object" && main !== null) {
        if (main.isRouter === true) {
          out.router = true;
          for (const [path, method, handler] of main.getRoutes()) {
            out.routes.push({ path, method, pos: position(handler?._handler) });
          }
        }
        if (main.isCrons === true) out.crons = main.export();
      }
    } catch (e) {
      out.error = hooks.describe(e);
    }
    return out;
  };

  hooks.inspect = () => stringify(keys(registry).filter((p) => !p.startsWith("_deps/")).map((p) => inspectModule(p, registry[p])));

  const missing = (code, message) => {
    lx.violation = undefined;
    lx.refuse(code, message);
  };
  const subjects = {
    1(ns) {
      if (!keys(ns).includes("default") || ns.default === undefined) {
        missing("AuthConfigMissingExportError", "auth.config.js must have a default export with the auth configuration.");
      }
      const s = stringify(ns.default);
      if (typeof s !== "string") missing("InvalidAuthConfig", "The default export of auth.config.js must be an object.");
      return s;
    },
    2(ns) {
      const s = ns.default;
      if (typeof s?.export !== "function") {
        missing("InvalidSchema", "The default export of schema.ts must be the result of `defineSchema`.");
      }
      return s.export();
    },
    3(ns) {
      const d = ns.default;
      if (keys(ns).length !== 1 || typeof d?.export !== "function") {
        missing("InvalidDefinition",
          "convex.config.ts must have exactly one export, the default one, made with `defineApp()` or `defineComponent()`.");
      }
      const s = d.export();
      return typeof s === "string" ? s : stringify(s);
    },
  };
  hooks.evaluate = (subject, path) => {
    const out = subjects[subject](registry[path]);
    if (lx.violation !== undefined) throw lx.violation;
    return out;
  };
})
