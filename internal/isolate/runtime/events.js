// DOMException, events, abort signals, timers, structuredClone, performance,
// AsyncLocalStorage.
(function (lx) {
  "use strict";
  const { native, define, tag } = lx;
  const { Error, TypeError, RangeError, Symbol, Map, Set, Promise, Object, Reflect: { apply } } = globalThis;

  const codes = {
    IndexSizeError: 1, HierarchyRequestError: 3, InvalidCharacterError: 5, NotFoundError: 8, NotSupportedError: 9,
    InvalidStateError: 11, SyntaxError: 12, InvalidAccessError: 15, NetworkError: 19, AbortError: 20,
    QuotaExceededError: 22, TimeoutError: 23, DataCloneError: 25, OperationError: 0,
  };
  class DOMException extends Error {
    #name;
    constructor(message = "", name = "Error") {
      super(`${message}`);
      if (typeof name === "object" && name !== null) {
        if ("cause" in name) this.cause = name.cause;
        name = name.name ?? "Error";
      }
      this.#name = `${name}`;
    }
    get name() {
      return this.#name;
    }
    get code() {
      return codes[this.#name] ?? 0;
    }
  }
  tag(DOMException);
  for (const [name, code] of Object.entries(codes)) {
    const constant = name.replace(/Error$/, "").replace(/(?<=[a-z])(?=[A-Z])/g, "_").toUpperCase() + "_ERR";
    if (code) for (const o of [DOMException, DOMException.prototype]) Object.defineProperty(o, constant, { value: code, enumerable: true });
  }
  define("DOMException", DOMException);

  class Event {
    #type;
    #options;
    #time = native.now();
    #stopped = false;
    #prevented = false;
    target = null;
    currentTarget = null;
    constructor(type, options = {}) {
      if (arguments.length === 0) throw new TypeError("Event: 1 argument required");
      this.#type = `${type}`;
      this.#options = options ?? {};
    }
    get type() { return this.#type; }
    get bubbles() { return !!this.#options.bubbles; }
    get cancelable() { return !!this.#options.cancelable; }
    get composed() { return !!this.#options.composed; }
    get defaultPrevented() { return this.#prevented; }
    get timeStamp() { return this.#time; }
    get isTrusted() { return false; }
    preventDefault() {
      if (this.cancelable) this.#prevented = true;
    }
    stopPropagation() {}
    stopImmediatePropagation() {
      this.#stopped = true;
    }
    static stopped(e) {
      return e.#stopped;
    }
  }
  const { stopped } = Event;
  delete Event.stopped;
  tag(Event);
  define("Event", Event);

  class EventTarget {
    #listeners = new Map();
    addEventListener(type, callback, options = {}) {
      if (callback == null) return;
      if (typeof options === "boolean") options = { capture: options };
      const list = this.#listeners.get(type) ?? [];
      if (list.some((l) => l.callback === callback && l.capture === !!options.capture)) return;
      if (options.signal?.aborted) return;
      const entry = { callback, once: !!options.once, capture: !!options.capture };
      this.#listeners.set(type, [...list, entry]);
      options.signal?.addEventListener("abort", () => this.removeEventListener(type, callback, options), { once: true });
    }
    removeEventListener(type, callback, options = {}) {
      const capture = typeof options === "boolean" ? options : !!options.capture;
      const list = this.#listeners.get(type);
      if (list) this.#listeners.set(type, list.filter((l) => l.callback !== callback || l.capture !== capture));
    }
    dispatchEvent(event) {
      if (!(event instanceof Event)) throw new TypeError("dispatchEvent: an Event is required");
      event.target = event.currentTarget = this;
      for (const l of this.#listeners.get(event.type) ?? []) {
        if (l.once) this.removeEventListener(event.type, l.callback, l.capture);
        try {
          if (typeof l.callback === "function") apply(l.callback, this, [event]);
          else l.callback.handleEvent(event);
        } catch (e) {
          Promise.reject(e); // ends the run like any error that nobody handles
        }
        if (stopped(event)) break;
      }
      event.currentTarget = null;
      return !event.defaultPrevented;
    }
  }
  tag(EventTarget);
  define("EventTarget", EventTarget);

  const secret = Symbol();
  class AbortSignal extends EventTarget {
    #aborted = false;
    #reason = undefined;
    onabort = null;
    constructor(key) {
      if (key !== secret) throw new TypeError("Illegal constructor");
      super();
    }
    get aborted() { return this.#aborted; }
    get reason() { return this.#reason; }
    throwIfAborted() {
      if (this.#aborted) throw this.#reason;
    }
    static abort(reason) {
      const s = new AbortSignal(secret);
      fire(s, reason);
      return s;
    }
    static timeout(ms) {
      const s = new AbortSignal(secret);
      setTimeout(() => fire(s, new DOMException("The operation timed out.", "TimeoutError")), ms);
      return s;
    }
    static any(signals) {
      const s = new AbortSignal(secret);
      for (const o of signals) {
        if (o.aborted) {
          fire(s, o.reason);
          return s;
        }
      }
      for (const o of signals) o.addEventListener("abort", () => fire(s, o.reason), { once: true });
      return s;
    }
    static [secret](s, reason) {
      if (s.#aborted) return;
      s.#aborted = true;
      s.#reason = reason === undefined ? new DOMException("The operation was aborted.", "AbortError") : reason;
      const e = new Event("abort");
      if (typeof s.onabort === "function") apply(s.onabort, s, [e]);
      s.dispatchEvent(e);
    }
  }
  const fire = AbortSignal[secret];
  delete AbortSignal[secret];
  tag(AbortSignal);
  define("AbortSignal", AbortSignal);
  class AbortController {
    #signal = new AbortSignal(secret);
    get signal() { return this.#signal; }
    abort(reason) {
      fire(this.#signal, reason);
    }
  }
  tag(AbortController);
  define("AbortController", AbortController);

  define("queueMicrotask", function queueMicrotask(f) {
    if (typeof f !== "function") throw new TypeError("queueMicrotask: a function is required");
    Promise.resolve().then(() => f());
  });

  // Timers: each is a request to the host that answers after a while.
  let lastTimer = 0;
  const timers = new Map();
  const arm = (id, f, ms, args, repeat) => {
    const [answer, request] = native.asyncHost("timer", String(repeat && !(ms >= 1) ? 1 : ms));
    timers.set(id, request);
    answer.then(() => {
      if (!timers.delete(id)) return;
      if (repeat) arm(id, f, ms, args, true);
      f(...args);
    });
  };
  const start = (name, f, ms, args, repeat) => {
    lx.actionOnly(name);
    if (typeof f !== "function") throw new TypeError(`${name}: a function is required`);
    arm(++lastTimer, f, Number(ms) || 0, args, repeat);
    return lastTimer;
  };
  const stop = (id) => {
    const request = timers.get(id);
    if (request === undefined) return;
    timers.delete(id);
    native.cancel(request);
  };
  define("setTimeout", function setTimeout(f, ms = 0, ...args) {
    return start("setTimeout", f, ms, args, false);
  });
  define("setInterval", function setInterval(f, ms = 0, ...args) {
    return start("setInterval", f, ms, args, true);
  });
  define("clearTimeout", function clearTimeout(id) {
    stop(id);
  });
  define("clearInterval", function clearInterval(id) {
    stop(id);
  });

  define("structuredClone", function structuredClone(value, options) {
    if (arguments.length === 0) throw new TypeError("structuredClone: 1 argument required");
    if (options?.transfer?.length) lx.notImplemented("transfer", "structuredClone");
    try {
      return native.clone(value);
    } catch (e) {
      if (e instanceof RangeError) throw e;
      throw new DOMException(e.message, "DataCloneError");
    }
  });

  class PerformanceEntry {
    constructor(name, entryType, startTime, duration, detail) {
      Object.assign(this, { name, entryType, startTime, duration, detail });
    }
    toJSON() {
      return { ...this };
    }
  }
  const marks = [];
  const at = (m) => (typeof m === "number" ? m : marks.findLast((e) => e.name === m && e.entryType === "mark")?.startTime);
  define("performance", {
    now: lx.restricted ? lx.restricted("Performance", "performance.now()") : () => native.now(),
    timeOrigin: 0,
    mark(name, options = {}) {
      const e = new PerformanceEntry(`${name}`, "mark", options.startTime ?? native.now(), 0, options.detail ?? null);
      marks.push(e);
      return e;
    },
    measure(name, from, to) {
      if (typeof from === "object" && from !== null) ({ start: from, end: to } = from);
      const begin = from === undefined ? 0 : at(from), end = to === undefined ? native.now() : at(to);
      if (begin === undefined || end === undefined) throw new DOMException("The mark does not exist", "SyntaxError");
      const e = new PerformanceEntry(`${name}`, "measure", begin, end - begin, null);
      marks.push(e);
      return e;
    },
    getEntries: () => [...marks],
    getEntriesByName: (name, type) => marks.filter((e) => e.name === name && (type === undefined || e.entryType === type)),
    getEntriesByType: (type) => marks.filter((e) => e.entryType === type),
    clearMarks: () => void (marks.length = 0),
    clearMeasures: () => void (marks.length = 0),
  });

  // The engine carries one value along promises: a map from storage to value,
  // copied on change.
  const within = (map, f, self, args) => {
    const before = native.getAsync();
    native.setAsync(map);
    try {
      return apply(f, self, args);
    } finally {
      native.setAsync(before);
    }
  };
  class AsyncLocalStorage {
    run(store, f, ...args) {
      return within(new Map(native.getAsync() ?? []).set(this, store), f, undefined, args);
    }
    exit(f, ...args) {
      return this.run(undefined, f, ...args);
    }
    getStore() {
      return native.getAsync()?.get(this);
    }
    enterWith(store) {
      native.setAsync(new Map(native.getAsync() ?? []).set(this, store));
    }
    disable() {
      const m = new Map(native.getAsync() ?? []);
      m.delete(this);
      native.setAsync(m);
    }
    static bind(f) {
      return AsyncLocalStorage.snapshot().bind(null, f);
    }
    static snapshot() {
      const map = native.getAsync();
      return (f, ...args) => within(map, f, undefined, args);
    }
  }
  let resources = 1;
  class AsyncResource {
    #map = native.getAsync();
    #id = ++resources;
    constructor(type) {
      this.type = type;
    }
    runInAsyncScope(f, self, ...args) {
      return within(this.#map, f, self, args);
    }
    bind(f, self) {
      const resource = this;
      return function (...args) {
        return resource.runInAsyncScope(f, self === undefined ? this : self, ...args);
      };
    }
    static bind(f, type, self) {
      return new AsyncResource(type ?? f.name ?? "bound-anonymous-fn").bind(f, self);
    }
    asyncId() {
      return this.#id;
    }
    triggerAsyncId() {
      return 1;
    }
    emitDestroy() {
      return this;
    }
  }
  define("AsyncLocalStorage", AsyncLocalStorage);
  define("AsyncResource", AsyncResource);
})
