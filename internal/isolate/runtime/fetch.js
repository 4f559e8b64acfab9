// Headers, Blob, File, FormData, Request, Response, fetch.
(function (lx) {
  "use strict";
  const { native, define, tag } = lx;
  const { TypeError, RangeError, Symbol, Map, Promise, Uint8Array, ArrayBuffer, JSON, Object, URL, URLSearchParams, FinalizationRegistry,
    ReadableStream, TextDecoder, DOMException, AbortSignal } = globalThis;

  const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
  const headerName = (n) => {
    n = `${n}`;
    if (!token.test(n)) throw new TypeError(`Invalid header name: '${n}'`);
    return n.toLowerCase();
  };
  const headerValue = (v) => {
    v = `${v}`.replace(/^[\t\n\r ]+|[\t\n\r ]+$/g, "");
    if (/[\0\n\r]|[^\0-\xff]/.test(v)) throw new TypeError("Invalid header value");
    return v;
  };

  class Headers {
    #list = new Map(); // name -> values
    #fixed = false;
    constructor(init) {
      if (init == null) return;
      if (typeof init !== "object" && typeof init !== "function") throw new TypeError("Headers: an object or a list is required");
      if (typeof init[Symbol.iterator] === "function") {
        for (const pair of init) {
          const p = [...pair];
          if (p.length !== 2) throw new TypeError("Each header must be a name and a value");
          this.append(p[0], p[1]);
        }
      } else {
        for (const k of Object.keys(init)) this.append(k, init[k]);
      }
    }
    append(name, value) {
      this.#check();
      name = headerName(name);
      value = headerValue(value);
      const old = this.#list.get(name);
      if (old) old.push(value);
      else this.#list.set(name, [value]);
    }
    #check() {
      if (this.#fixed) throw new TypeError("Headers are immutable");
    }
    delete(name) {
      this.#check();
      this.#list.delete(headerName(name));
    }
    get(name) {
      return this.#list.get(headerName(name))?.join(", ") ?? null;
    }
    getSetCookie() {
      return [...(this.#list.get("set-cookie") ?? [])];
    }
    has(name) {
      return this.#list.has(headerName(name));
    }
    set(name, value) {
      this.#check();
      this.#list.set(headerName(name), [headerValue(value)]);
    }
    *entries() {
      for (const k of [...this.#list.keys()].sort()) {
        if (k === "set-cookie") for (const v of this.#list.get(k)) yield [k, v];
        else if (this.#list.has(k)) yield [k, this.#list.get(k).join(", ")];
      }
    }
    *keys() {
      for (const [k] of this.entries()) yield k;
    }
    *values() {
      for (const [, v] of this.entries()) yield v;
    }
    forEach(f, self) {
      for (const [k, v] of this.entries()) f.call(self, v, k, this);
    }
    [Symbol.iterator]() {
      return this.entries();
    }
    static freeze(h) {
      h.#fixed = true;
      return h;
    }
    [lx.shown](show) {
      return `Headers ${show(Object.fromEntries(this.entries()))}`;
    }
  }
  const freeze = Headers.freeze;
  delete Headers.freeze;

  const bytesOf = (part) => {
    if (typeof part === "string") return native.utf8Encode(part);
    if (part instanceof Blob) return blobBytes(part);
    if (part instanceof ArrayBuffer || ArrayBuffer.isView(part)) return lx.view(part).slice();
    return native.utf8Encode(`${part}`);
  };
  class Blob {
    #bytes;
    #type;
    constructor(parts = [], options = {}) {
      if (typeof parts !== "object" || typeof parts[Symbol.iterator] !== "function") throw new TypeError("Blob: a list of parts is required");
      this.#bytes = lx.concat([...parts].map(bytesOf));
      const type = `${options?.type ?? ""}`;
      this.#type = /[^\x20-\x7e]/.test(type) ? "" : type.toLowerCase();
    }
    static bytes(b) {
      return b.#bytes;
    }
    get size() { return this.#bytes.length; }
    get type() { return this.#type; }
    slice(from = 0, to = this.size, type = "") {
      const b = new Blob([], { type });
      b.#bytes = this.#bytes.slice(from, to);
      return b;
    }
    async arrayBuffer() {
      return this.#bytes.slice().buffer;
    }
    async bytes() {
      return this.#bytes.slice();
    }
    async text() {
      return new TextDecoder().decode(this.#bytes);
    }
    stream() {
      const b = this.#bytes;
      return new ReadableStream({
        type: "bytes",
        start(c) {
          if (b.length) c.enqueue(b.slice());
          c.close();
        },
      });
    }
    [lx.shown]() {
      return `${this.constructor.name} { size: ${this.size}, type: '${this.type}' }`;
    }
  }
  const blobBytes = Blob.bytes;
  delete Blob.bytes;
  class File extends Blob {
    #name;
    #time;
    constructor(parts, name, options = {}) {
      if (arguments.length < 2) throw new TypeError("File: 2 arguments required");
      super(parts, options);
      this.#name = `${name}`;
      this.#time = Number(options.lastModified ?? Date.now());
    }
    get name() { return this.#name; }
    get lastModified() { return this.#time; }
  }

  class FormData {
    #list = [];
    #entry(name, value, filename) {
      if (value instanceof Blob && (!(value instanceof File) || filename !== undefined)) {
        value = new File([value], filename ?? value.name ?? "blob", { type: value.type });
      }
      return [`${name}`, value instanceof Blob ? value : `${value}`];
    }
    append(name, value, filename) {
      this.#list.push(this.#entry(name, value, filename));
    }
    delete(name) {
      this.#list = this.#list.filter((e) => e[0] !== `${name}`);
    }
    get(name) {
      return this.#list.find((e) => e[0] === `${name}`)?.[1] ?? null;
    }
    getAll(name) {
      return this.#list.filter((e) => e[0] === `${name}`).map((e) => e[1]);
    }
    has(name) {
      return this.#list.some((e) => e[0] === `${name}`);
    }
    set(name, value, filename) {
      const e = this.#entry(name, value, filename);
      const at = this.#list.findIndex((o) => o[0] === e[0]);
      if (at < 0) this.#list.push(e);
      else this.#list = this.#list.filter((o, i) => i <= at || o[0] !== e[0]).map((o, i) => (i === at ? e : o));
    }
    forEach(f, self) {
      for (const [k, v] of this.#list) f.call(self, v, k, this);
    }
    *entries() {
      for (const e of this.#list) yield [...e];
    }
    *keys() {
      for (const e of this.#list) yield e[0];
    }
    *values() {
      for (const e of this.#list) yield e[1];
    }
    [Symbol.iterator]() {
      return this.entries();
    }
  }
  const escapeName = (s) => s.replace(/\r?\n|\r/g, "\r\n").replace(/[\n\r"]/g, (c) => ({ "\n": "%0A", "\r": "%0D", '"': "%22" })[c]);
  const unescapeName = (s) => s.replace(/%22/g, '"').replace(/%0D/gi, "\r").replace(/%0A/gi, "\n");
  const multipart = (form) => {
    const boundary = "----LentilFormBoundary" + Array.from({ length: 4 }, () => Math.floor(Math.random() * 2 ** 32).toString(36)).join("");
    const parts = [];
    for (const [name, value] of form) {
      let head = `--${boundary}\r\nContent-Disposition: form-data; name="${escapeName(name)}"`;
      if (value instanceof Blob) head += `; filename="${escapeName(value.name)}"\r\nContent-Type: ${value.type || "application/octet-stream"}`;
      parts.push(native.utf8Encode(head + "\r\n\r\n"), bytesOf(value), native.utf8Encode("\r\n"));
    }
    parts.push(native.utf8Encode(`--${boundary}--\r\n`));
    return [lx.concat(parts), `multipart/form-data; boundary=${boundary}`];
  };
  // Bytes as text, one character a byte, to search in.
  const parseMultipart = (bytes, boundary) => {
    const form = new FormData();
    const text = native.latin1(bytes);
    const mark = "--" + boundary;
    let at = text.indexOf(mark);
    while (at >= 0) {
      at += mark.length;
      if (text.startsWith("--", at)) return form;
      const head = text.indexOf("\r\n\r\n", at), end = text.indexOf("\r\n" + mark, head);
      if (head < 0 || end < 0) break;
      const headers = new TextDecoder().decode(bytes.subarray(at, head));
      const name = /(?<!file)name="([^"]*)"/i.exec(headers), file = /filename="([^"]*)"/i.exec(headers);
      const type = /content-type:\s*([^\r\n]+)/i.exec(headers);
      if (!name) break;
      const body = bytes.slice(head + 4, end);
      if (file) form.append(unescapeName(name[1]), new File([body], unescapeName(file[1]), { type: type?.[1] ?? "text/plain" }));
      else form.append(unescapeName(name[1]), new TextDecoder().decode(body));
      at = end + 2;
    }
    throw new TypeError("The body is not valid multipart/form-data");
  };

  // Bytes and type of a body, or a stream.
  const extract = (body) => {
    if (body == null) return [null, null];
    if (typeof body === "string") return [native.utf8Encode(body), "text/plain;charset=UTF-8"];
    if (body instanceof URLSearchParams) return [native.utf8Encode(body.toString()), "application/x-www-form-urlencoded;charset=UTF-8"];
    if (body instanceof Blob) return [blobBytes(body), body.type || null];
    if (body instanceof FormData) return multipart(body);
    if (body instanceof ReadableStream) return [body, null];
    if (body instanceof ArrayBuffer || ArrayBuffer.isView(body)) return [lx.view(body).slice(), null];
    return [native.utf8Encode(`${body}`), "text/plain;charset=UTF-8"];
  };
  const collect = async (stream) => {
    const chunks = [];
    for await (const c of stream) {
      if (!(c instanceof Uint8Array)) throw new TypeError("The body's chunks must be Uint8Arrays");
      chunks.push(c);
    }
    return lx.concat(chunks);
  };

  class Body {
    #raw = null; // bytes or a stream
    #stream = null;
    #used = false;
    static init(b, raw) {
      b.#raw = raw;
    }
    // Takes the body: bytes, a stream, or null.
    static take(b) {
      if (b.#raw === null) return null;
      if (b.bodyUsed || b.#stream?.locked) throw new TypeError("Body has already been consumed.");
      b.#used = true;
      return b.#stream ?? b.#raw;
    }
    static copy(from, to) {
      if (from.bodyUsed || from.body?.locked) throw new TypeError("Body has already been consumed.");
      if (from.#raw instanceof Uint8Array && from.#stream === null) {
        to.#raw = from.#raw;
      } else if (from.#raw !== null) {
        const [a, b] = from.body.tee();
        from.#raw = from.#stream = a;
        to.#raw = b;
      }
    }
    get body() {
      if (this.#raw === null) return null;
      if (this.#stream === null) {
        const raw = this.#raw, self = this;
        this.#stream = raw instanceof ReadableStream ? raw : new ReadableStream({
          type: "bytes",
          pull(c) {
            self.#used = true;
            if (raw.length) c.enqueue(raw.slice());
            c.close();
          },
        });
      }
      return this.#stream;
    }
    get bodyUsed() {
      return this.#used;
    }
    async bytes() {
      const b = take(this);
      if (b === null) return new Uint8Array(0);
      return b instanceof Uint8Array ? b.slice() : collect(b);
    }
    async arrayBuffer() {
      return (await this.bytes()).buffer;
    }
    async text() {
      return new TextDecoder().decode(await this.bytes());
    }
    async json() {
      return JSON.parse(await this.text());
    }
    async blob() {
      return new Blob([await this.bytes()], { type: this.headers.get("content-type") ?? "" });
    }
    async formData() {
      const type = this.headers.get("content-type") ?? "";
      const boundary = /^multipart\/form-data\s*;.*boundary="?([^";]+)"?/i.exec(type);
      if (boundary) return parseMultipart(await this.bytes(), boundary[1]);
      if (/^application\/x-www-form-urlencoded/i.test(type)) {
        const form = new FormData();
        for (const [k, v] of new URLSearchParams(await this.text())) form.append(k, v);
        return form;
      }
      throw new TypeError("The body is not a form");
    }
  }
  const { init: setBody, take, copy } = Body;
  lx.takeBody = take;
  delete Body.init;
  delete Body.take;
  delete Body.copy;

  const methods = /^(delete|get|head|options|post|put)$/i;
  class Request extends Body {
    #url;
    #method;
    #headers;
    #redirect;
    #signal;
    constructor(input, init = {}) {
      super();
      const from = input instanceof Request ? input : null;
      let url;
      try {
        url = new URL(from ? from.url : `${input}`);
      } catch {
        throw new TypeError(`Invalid URL: '${input}'`);
      }
      if (url.username || url.password) throw new TypeError("A URL with credentials cannot be fetched");
      this.#url = url.href;
      const method = `${init.method ?? from?.method ?? "GET"}`;
      if (!token.test(method) || /^(connect|trace|track)$/i.test(method)) throw new TypeError(`'${method}' is not a valid HTTP method.`);
      this.#method = methods.test(method) ? method.toUpperCase() : method;
      this.#headers = new Headers(init.headers ?? from?.headers);
      this.#redirect = init.redirect ?? (from ? redirectOf(from) : "follow");
      this.#signal = init.signal ?? from?.signal ?? new AbortController().signal;
      if (init.body != null) {
        if (/^(GET|HEAD)$/.test(this.#method)) throw new TypeError("Request with GET/HEAD method cannot have body.");
        const [raw, type] = extract(init.body);
        setBody(this, raw);
        if (type && !this.#headers.has("content-type")) this.#headers.set("content-type", type);
      } else if (from?.body) {
        setBody(this, take(from));
      }
    }
    static redirectOf(r) {
      return r.#redirect;
    }
    get url() { return this.#url; }
    get method() { return this.#method; }
    get headers() { return this.#headers; }
    get signal() { return this.#signal; }
    clone() {
      const r = new Request(this.#url, { method: this.#method, headers: this.#headers, redirect: this.#redirect, signal: this.#signal });
      copy(this, r);
      return r;
    }
    [lx.shown](show) {
      return `Request { method: '${this.method}', url: ${show(this.url)} }`;
    }
  }
  const { redirectOf } = Request;
  delete Request.redirectOf;
  for (const name of ["mode", "credentials", "cache", "redirect", "referrer", "referrerPolicy", "integrity", "keepalive", "destination", "duplex"]) {
    Object.defineProperty(Request.prototype, name, { get: () => lx.notImplemented(`get ${name}`, "Request"), configurable: true });
  }

  const nullStatus = new Set([101, 103, 204, 205, 304]);
  class Response extends Body {
    #status;
    #statusText;
    #headers;
    #url = "";
    #redirected = false;
    #type = "default";
    constructor(body = null, init = {}) {
      super();
      const status = Number(init?.status ?? 200);
      if (!Number.isInteger(status) || status < 200 || status > 599) throw new RangeError("The status provided is outside the range [200, 599].");
      this.#status = status;
      this.#statusText = `${init?.statusText ?? ""}`;
      this.#headers = new Headers(init?.headers);
      if (body != null) {
        if (nullStatus.has(status)) throw new TypeError("Response with null body status cannot have body");
        const [raw, type] = extract(body);
        setBody(this, raw);
        if (type && !this.#headers.has("content-type")) this.#headers.set("content-type", type);
      }
    }
    static error() {
      const r = new Response();
      r.#status = 0;
      r.#type = "error";
      return r;
    }
    static redirect(url, status = 302) {
      if (![301, 302, 303, 307, 308].includes(status)) throw new RangeError("Invalid status code");
      return new Response(null, { status, headers: { location: new URL(url).href } });
    }
    static json(data, init = {}) {
      const text = JSON.stringify(data);
      if (text === undefined) throw new TypeError("The data is not JSON serializable");
      const headers = new Headers(init?.headers);
      if (!headers.has("content-type")) headers.set("content-type", "application/json");
      return new Response(text, { ...init, headers });
    }
    static received(head, body) {
      const r = new Response(null, { statusText: head.statusText, headers: head.headers });
      r.#status = head.status;
      r.#url = head.url;
      r.#redirected = head.redirected;
      r.#type = "basic";
      setBody(r, body);
      freeze(r.#headers);
      return r;
    }
    get status() { return this.#status; }
    get statusText() { return this.#statusText; }
    get ok() { return this.#status >= 200 && this.#status < 300; }
    get headers() { return this.#headers; }
    get url() { return this.#url; }
    get redirected() { return this.#redirected; }
    get type() { return this.#type; }
    clone() {
      const r = new Response(null, { statusText: this.#statusText, headers: this.#headers });
      r.#status = this.#status;
      r.#url = this.#url;
      r.#redirected = this.#redirected;
      r.#type = this.#type;
      copy(this, r);
      return r;
    }
    [lx.shown](show) {
      return `Response { status: ${this.status}, url: ${show(this.url)} }`;
    }
  }
  const { received } = Response;
  delete Response.received;

  const send = async (body, id, aborted) => {
    const reader = body.getReader();
    const write = (args, bytes) => native.asyncHost("fetchWrite", JSON.stringify({ id, ...args }), bytes)[0];
    try {
      for (;;) {
        const { value, done } = await Promise.race([reader.read(), aborted]);
        if (done) break;
        if (!(value instanceof Uint8Array)) throw new TypeError("The body's chunks must be Uint8Arrays");
        try {
          if (value.length > 0) await write({}, value);
        } catch (e) {
          reader.cancel(e).catch(() => {});
          return;
        }
      }
      await write({ end: true });
    } catch (e) {
      reader.cancel(e).catch(() => {});
      throw e;
    }
  };

  // The host sends the request and gives the head of the answer; the body is
  // asked for piece by piece.
  const fetchOne = async (url, method, headers, body, signal) => {
    const stream = body instanceof ReadableStream;
    const [answer, id] = native.asyncHost("fetch", JSON.stringify({ url, method, headers: [...headers], stream }), stream ? undefined : body);
    let abort;
    const aborted = new Promise((_, reject) => {
      abort = () => {
        native.cancel(id);
        native.asyncHost("fetchCancel", JSON.stringify({ id }));
        reject(signal.reason);
      };
    });
    aborted.catch(() => {});
    signal?.addEventListener("abort", abort, { once: true });
    const races = [answer, aborted];
    // A body that fails ends the request; one that the other side does not want any more does not.
    if (stream) races.push(send(body, id, aborted).catch((e) => {
      native.asyncHost("fetchCancel", JSON.stringify({ id }));
      throw e;
    }).then(() => answer));
    const head = JSON.parse(await Promise.race(races));
    const read = new ReadableStream({
      type: "bytes",
      async pull(c) {
        const [piece] = native.asyncHost("fetchRead", JSON.stringify({ id }));
        const b = await Promise.race([piece, aborted]);
        if (b === undefined) {
          signal?.removeEventListener("abort", abort);
          c.close();
        } else {
          c.enqueue(b);
        }
      },
      cancel() {
        native.asyncHost("fetchCancel", JSON.stringify({ id }));
      },
    });
    return [head, head.empty || nullStatus.has(head.status) || method === "HEAD" ? null : read];
  };

  define("fetch", async function fetch(input, init) {
    lx.actionOnly("fetch()");
    const request = new Request(input, init);
    const { signal } = request, redirect = redirectOf(request);
    signal.throwIfAborted();
    let { url, method } = request;
    const headers = new Headers(request.headers);
    let body = take(request);
    for (let hops = 0; ; hops++) {
      const [head, stream] = await fetchOne(url, method, headers, body ?? undefined, signal);
      const location = head.headers.find(([k]) => k.toLowerCase() === "location")?.[1];
      const moves = [301, 302, 303, 307, 308].includes(head.status) && location !== undefined;
      if (!moves || redirect === "manual") return received({ ...head, url, redirected: hops > 0 }, stream);
      stream?.cancel();
      if (redirect === "error") throw new TypeError(`fetch failed: unexpected redirect to ${location}`);
      if (hops >= 20) throw new TypeError("fetch failed: too many redirects");
      const next = new URL(location, url);
      if (body instanceof ReadableStream && head.status !== 303) throw new TypeError("fetch failed: a body that was streamed cannot be sent again after a redirect");
      if (next.origin !== new URL(url).origin) for (const h of ["authorization", "cookie", "proxy-authorization"]) headers.delete(h);
      if ((head.status === 303 && method !== "HEAD") || (head.status < 303 && method === "POST")) {
        method = "GET";
        body = null;
        for (const h of ["content-type", "content-length", "content-encoding", "content-language", "content-location"]) headers.delete(h);
      }
      url = next.href;
    }
  });
  for (const c of [Headers, Blob, File, FormData, Request, Response]) {
    tag(c);
    define(c.name, c);
  }
})
