// Small programs over the web platform. The driver runs each in Node.js, too,
// and compares; what must differ stands in the driver's list with its reason.
const bytes = (s) => new TextEncoder().encode(s);
const all = async (s) => {
  const out = [];
  for await (const x of s) out.push(x);
  return out;
};
const thrown = async (f) => {
  try {
    const v = await f();
    return ["gave", v === undefined ? "undefined" : String(v)];
  } catch (e) {
    return [e instanceof Error, e.name];
  }
};
const parts = (u) => ({ href: u.href, origin: u.origin, protocol: u.protocol, host: u.host, hostname: u.hostname, port: u.port, pathname: u.pathname, search: u.search, hash: u.hash });
const sleep = (ms) => new Promise((r) => setTimeout(r, ms));

export const programs = {
  urls: () => ["http://a/./b/../c", "http://a:80/", "https://a:443", "http://a:8080", "HTTP://EXAMPLE.com/%7Efoo/%zz", "http://a/ b?c d#e f", "file:///a/b", "http://[::ffff:1.2.3.4]/", "http://1.2/", "http://0300.0.0.1/", "data:,x", "blob:http://a/x", "ws://h:80/x", "http://a//b///c", "http:///a", "http://a\\b", "http://ä.de/ö?ü#ß", "javascript:alert(1)", "http://a/?a='b'", "http://%41.com/", "http://a/%2e%2e/b", "//x", "http://user:pa:ss@h/", "mailto:x@y", "http://a b", "http://a:99999", "", "http://a?b", "http://xn--bcher-kva.de", "http://a/\tb\nc"].map((s) => {
    try {
      return parts(new URL(s));
    } catch (e) {
      return e.name;
    }
  }),
  relative: () => ["", "?q", "#h", "..", "../../..", "./x", "/y", "//z/y", "http:x", "x:y", "g;x=1/../y", "\\x", "?a=b#c", "a b"].map((s) => new URL(s, "http://a/b/c/d;p?q#f").href),
  setters: () => {
    const u = new URL("http://a/b?c#d");
    u.hash = "x y"; u.search = "?k=ü"; u.pathname = "/p q/%"; u.port = "8080"; u.protocol = "https"; u.searchParams.set("z", "1&2");
    return parts(u);
  },
  canParse: () => [URL.canParse("x"), URL.canParse("x", "http://a"), URL.canParse("http://a")],
  params: () => {
    const p = new URLSearchParams([["b", "2"], ["a", "1"], ["b", "3"]]);
    p.append("c d", "é&=+ ~*-._"); p.set("b", "9"); const before = [...p.keys()]; p.sort();
    return [before, p.toString(), p.has("a"), p.has("a", "2"), p.getAll("b"), [...p.values()], p.size, new URLSearchParams("?x=1+2&y&=z&%zz=%41").toString(), new URLSearchParams({ q: "1" }).get("q")];
  },
  paramsDelete: () => { const p = new URLSearchParams("a=1&a=2&b=3"); p.delete("a", "1"); const s = p.toString(); p.delete("a"); return [s, p.toString()]; },
  headers: () => {
    const h = new Headers([["B", "2"], ["a", "1"]]); h.append("b", "3"); h.set("C", " x\t");
    return [[...h], h.get("B"), h.has("c"), h.get("nope"), [...h.keys()], [...new Headers({ "x-y": "z" }).entries()], [...new Headers(h).values()]];
  },
  headersBad: async () => [await thrown(() => new Headers({ "a b": "c" })), await thrown(() => new Headers({ a: "\n\0" })), await thrown(() => new Headers([["a"]])), await thrown(() => new Headers().append("", "x")), await thrown(() => new Headers({ a: "ü€" }))],
  cookies: () => { const h = new Headers(); h.append("set-cookie", "a=1"); h.append("set-cookie", "b=2"); return [h.getSetCookie(), h.get("set-cookie"), [...h]]; },
  request: async () => {
    const r = new Request("http://h/p", { method: "put", body: "x", headers: { a: "b" } });
    const c = r.clone();
    return [r.method, r.url, r.headers.get("content-type"), r.headers.get("a"), await r.text(), r.bodyUsed, await c.text(), (await thrown(() => r.text()))];
  },
  requestBad: async () => [await thrown(() => new Request("nope")), await thrown(() => new Request("http://u:p@h/")), await thrown(() => new Request("http://h", { body: "x" })), await thrown(() => new Request("http://h", { method: "TRACE" })), await thrown(() => new Request("http://h", { method: "a b" }))],
  requestFrom: async () => { const a = new Request("http://h/", { method: "POST", body: "1" }); const b = new Request(a, { headers: { x: "y" } }); return [b.method, await b.text(), b.headers.get("x"), a.bodyUsed]; },
  response: async () => {
    const r = new Response("hello", { status: 201, statusText: "Made", headers: { x: "y" } });
    return [r.status, r.statusText, r.ok, r.redirected, r.type, r.url, r.headers.get("content-type"), await r.text(), new Response(null, { status: 204 }).body];
  },
  responseKinds: async () => {
    const out = [];
    for (const b of ["ü", bytes("b"), bytes("c").buffer, new Blob(["d"], { type: "t/x" }), new URLSearchParams("e=f"), ReadableStream.from([bytes("g"), bytes("h")])]) {
      const r = new Response(b);
      out.push([r.headers.get("content-type"), await r.text()]);
    }
    return out;
  },
  responseReads: async () => [await new Response('{"a":1}').json(), (await new Response("ab").arrayBuffer()).byteLength, (await new Response("ab", { headers: { "content-type": "x/y" } }).blob()).type, await thrown(() => new Response("{").json())],
  responseStatics: async () => [Response.error().type, Response.error().status, Response.redirect("http://a/b", 307).headers.get("location"), await thrown(() => Response.redirect("http://a", 200)), await Response.json([1]).text(), Response.json({}).headers.get("content-type"), await thrown(() => new Response("x", { status: 204 })), await thrown(() => new Response("", { status: 99 }))],
  responseUsed: async () => { const r = new Response("abc"); const reader = r.body.getReader(); const first = await reader.read(); return [new TextDecoder().decode(first.value), r.bodyUsed, r.body.locked, await thrown(() => r.text()), await thrown(() => r.clone())]; },
  form: async () => {
    const f = new FormData(); f.append("a", "1"); f.append("a", "2\r\n3"); f.append('we"ird\n', "x"); f.append("file", new Blob(["bytes\r\n--"], { type: "text/plain" }), "n ü.txt"); f.set("n", 5);
    const g = await new Response(f).formData();
    return [[...g.keys()], g.getAll("a"), g.get("n"), g.get("file").name, g.get("file").type, await g.get("file").text(), g.get("nope"), g.has("a"), f.get("file") instanceof File];
  },
  formParse: async () => {
    const body = '--X\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--X\r\ncontent-disposition: form-data; name="f"; filename="a.bin"\r\nContent-Type: application/octet-stream\r\n\r\n\u0000\u0001\r\n\r\n--X--\r\n';
    const f = await new Response(body, { headers: { "content-type": "multipart/form-data; boundary=X" } }).formData();
    return [f.get("a"), f.get("f").name, f.get("f").size, f.get("f").type];
  },
  formBad: async () => [await thrown(() => new Response("x", { headers: { "content-type": "multipart/form-data; boundary=X" } }).formData()), await thrown(() => new Response("x").formData())],
  formUrlencoded: async () => [...(await new Response(new URLSearchParams("a=1&b=%20&a=2")).formData())],
  formSet: () => { const f = new FormData(); f.append("a", 1); f.append("b", 2); f.append("a", 3); f.set("a", 4); f.delete("b"); return [...f]; },
  blob: async () => {
    const b = new Blob(["héllo ", bytes("w"), new Uint16Array([65]).buffer, new Blob(["!"])], { type: "Text/Plain" });
    return [b.size, b.type, await b.text(), await b.slice(0, 3).text(), await b.slice(-1).text(), b.slice(1, 2, "x/y").type, (await all(b.stream())).length > 0, b.slice(5, 2).size];
  },
  file: async () => { const f = new File(["abc"], "n.txt", { type: "a/b", lastModified: 5 }); return [f.name, f.size, f.type, f.lastModified, f instanceof Blob, await f.text(), await thrown(() => new File(["a"]))]; },
  text: () => [...["utf-8", "utf8", "UTF-16LE", "utf-16be", "latin1", "ascii", "iso-8859-1", "windows-1252"].map((l) => new TextDecoder(l).encoding), new TextDecoder("latin1").decode(new Uint8Array([0x80, 0xe9])), new TextDecoder("utf-16be").decode(new Uint8Array([0, 65]))],
  textOdd: async () => [await thrown(() => new TextDecoder("klingon")), new TextDecoder("utf-8", { ignoreBOM: true }).decode(new Uint8Array([0xef, 0xbb, 0xbf, 65])), new TextDecoder().decode(new Uint8Array([0xc0, 0x80, 0xed, 0xa0, 0x80, 0xf5])), new TextDecoder().decode(), [...new TextEncoder().encode("\ud800x")], new TextEncoder().encodeInto("aé😀", new Uint8Array(4))],
  base64: async () => [btoa("\xff\x00a"), atob("/wBh"), await thrown(() => btoa("€")), await thrown(() => atob("a")), atob(" Y Q = = "), await thrown(() => atob("ab=c"))],
  clone: async () => {
    const a = { d: new Date(1), r: /x/gi, m: new Map([[1, new Set([2])]]), b: new Uint8Array([1, 2]), e: new RangeError("no"), n: null, u: undefined, big: 1n, nested: [[]], nan: NaN, z: -0 };
    a.self = a;
    const c = structuredClone(a);
    return [c.d.getTime(), c.r.source + c.r.flags, c.m.get(1).has(2), [...c.b], c.e.name, c.e.message, c.e instanceof RangeError, c.self === c, "u" in c, String(c.big), Object.is(c.z, -0), await thrown(() => structuredClone(() => 1)), await thrown(() => structuredClone(Symbol())), structuredClone("x")];
  },
  domException: () => { const e = new DOMException("m", "AbortError"); return [e.name, e.message, e.code, e instanceof Error, Object.prototype.toString.call(e), new DOMException().name, DOMException.ABORT_ERR, String(e)]; },
  events: async () => {
    const t = new EventTarget(), log = [];
    t.addEventListener("x", { handleEvent(e) { log.push("object", e.type); } }); t.addEventListener("x", () => log.push("once"), { once: true });
    const c = new AbortController(); t.addEventListener("x", () => log.push("signal"), { signal: c.signal });
    t.dispatchEvent(new Event("x")); c.abort(); const e = new Event("x", { cancelable: true }); t.addEventListener("x", (e) => { e.preventDefault(); e.stopImmediatePropagation(); }); t.addEventListener("x", () => log.push("never"));
    return [t.dispatchEvent(e), e.defaultPrevented, e.target === t, e.bubbles, log, await thrown(() => t.dispatchEvent({}))];
  },
  abort: async () => {
    const c = new AbortController(), log = []; c.signal.onabort = () => log.push("on"); c.signal.addEventListener("abort", () => log.push("listener"));
    c.abort("why"); c.abort("again");
    const any = AbortSignal.any([new AbortController().signal, c.signal]);
    return [log, c.signal.reason, any.aborted, any.reason, AbortSignal.abort().reason.name, await thrown(() => AbortSignal.abort().throwIfAborted()), await thrown(() => new AbortSignal())];
  },
  abortTimeout: async () => { const s = AbortSignal.timeout(5); await new Promise((r) => s.addEventListener("abort", r)); return [s.aborted, s.reason.name]; },
  timers: async () => {
    const log = []; setTimeout(() => log.push("b"), 20); setTimeout((x) => log.push(x), 1, "a"); clearTimeout(setTimeout(() => log.push("no"), 5));
    let n = 0; await new Promise((r) => { const i = setInterval(() => { if (++n === 3) { clearInterval(i); r(); } }, 5); });
    await sleep(30); return [log, n];
  },
  microtasks: async () => { const log = []; setTimeout(() => log.push("timer"), 0); queueMicrotask(() => log.push("micro")); Promise.resolve().then(() => log.push("then")); log.push("sync"); await sleep(5); return log; },
  readable: async () => {
    let pulls = 0; const s = new ReadableStream({ start(c) { c.enqueue("a"); }, pull(c) { if (++pulls < 3) c.enqueue("p" + pulls); else c.close(); } });
    const r = s.getReader(), out = [s.locked]; for (;;) { const { value, done } = await r.read(); if (done) break; out.push(value); } await r.closed; r.releaseLock(); return [...out, s.locked];
  },
  readableError: async () => { const s = new ReadableStream({ start(c) { c.enqueue(1); c.error(new RangeError("x")); } }); const r = s.getReader(); return [await thrown(() => r.read()), await thrown(() => r.closed)]; },
  readableCancel: async () => { let why; const s = new ReadableStream({ cancel: (r) => void (why = r) }); await s.cancel("enough"); return [why, (await s.getReader().read()).done]; },
  readableLocked: async () => { const s = new ReadableStream(); s.getReader(); return [await thrown(() => s.getReader()), await thrown(() => s.cancel()), await thrown(() => s.tee())]; },
  readableFrom: async () => [await all(ReadableStream.from([1, 2])), await all(ReadableStream.from((async function* () { yield "x"; })()))],
  readableEarly: async () => { let canceled = false; const s = new ReadableStream({ pull: (c) => c.enqueue(1), cancel: () => void (canceled = true) }); for await (const x of s) break; return canceled; },
  byob: async () => {
    const s = new ReadableStream({ type: "bytes", start(c) { c.enqueue(bytes("hello")); c.enqueue(bytes("world")); c.close(); } });
    const r = s.getReader({ mode: "byob" }), out = []; for (;;) { const { value, done } = await r.read(new Uint8Array(3)); if (done) break; out.push(new TextDecoder().decode(value)); } return out.join("|").replaceAll("|", "");
  },
  byobPull: async () => {
    const s = new ReadableStream({ type: "bytes", pull(c) { const q = c.byobRequest; if (q) { q.view[0] = 65; q.respond(1); c.close(); } else { c.enqueue(bytes("A")); c.close(); } } });
    const { value } = await s.getReader({ mode: "byob" }).read(new Uint8Array(8)); return new TextDecoder().decode(value);
  },
  tee: async () => { const [a, b] = ReadableStream.from(["x", "y"]).tee(); return [await all(a), await all(b)]; },
  transform: async () => all(ReadableStream.from([1, 2, 3]).pipeThrough(new TransformStream({ start: (c) => c.enqueue("s"), transform: (x, c) => { if (x !== 2) c.enqueue(x * 2); }, flush: (c) => c.enqueue("f") }))),
  transformError: async () => thrown(() => all(ReadableStream.from([1]).pipeThrough(new TransformStream({ transform() { throw new TypeError("t"); } })))),
  transformEnd: async () => all(ReadableStream.from([1, 2, 3]).pipeThrough(new TransformStream({ transform(x, c) { c.enqueue(x); if (x === 2) c.terminate(); } }))),
  transformSlow: async () => { const log = []; const t = new TransformStream({ transform: (x, c) => { log.push("t" + x); c.enqueue(x); } }); const w = t.writable.getWriter(); const done = (async () => { for (let i = 0; i < 4; i++) await w.write(i); await w.close(); })(); for await (const x of t.readable) { log.push("r" + x); await sleep(2); } await done; return log; },
  transformCancel: async () => { const t = new TransformStream(); const w = t.writable.getWriter(); w.write(1).catch(() => {}); await t.readable.cancel("no"); return thrown(() => w.write(2)).then((x) => x[0]); },
  transformStrategy: async () => all(ReadableStream.from([1, 2, 3, 4]).pipeThrough(new TransformStream({}, { highWaterMark: 3 }, { highWaterMark: 2 }))),
  byobRespond: async () => { let n = 0; const s = new ReadableStream({ type: "bytes", pull(c) { const q = c.byobRequest; if (n++ === 3) { c.close(); q?.respond(0); return; } q.view[0] = 64 + n; q.view[1] = 97; q.respond(2); } }); const r = s.getReader({ mode: "byob" }), out = []; for (;;) { const { value, done } = await r.read(new Uint8Array(5)); if (done) break; out.push([...value]); } return out; },
  textStreams: async () => (await all(ReadableStream.from([bytes("hé€").slice(0, 2), bytes("hé€").slice(2)]).pipeThrough(new TextDecoderStream()))).join(""),
  encoderStream: async () => [...new Uint8Array(await new Response(ReadableStream.from(["a", "é"]).pipeThrough(new TextEncoderStream())).arrayBuffer())],
  writable: async () => {
    const log = []; const w = new WritableStream({ start: () => log.push("start"), write: async (x) => { await null; log.push(x); }, close: () => log.push("close") }, new CountQueuingStrategy({ highWaterMark: 2 })).getWriter();
    log.push(w.desiredSize); w.write("a"); await w.ready; await w.write("b"); await w.close(); await w.closed; return log;
  },
  writableAbort: async () => { let why; const s = new WritableStream({ abort: (r) => void (why = r) }); const w = s.getWriter(); await w.abort("stop"); return [why, await thrown(() => w.write(1)).then((x) => x[0])]; },
  writableFail: async () => { const w = new WritableStream({ write() { throw new RangeError("disk"); } }).getWriter(); const a = await thrown(() => w.write(1)); return [a, await thrown(() => w.write(2)), await thrown(() => w.closed)]; },
  pipe: async () => { const got = []; await ReadableStream.from([1, 2]).pipeTo(new WritableStream({ write: (x) => void got.push(x) })); return got; },
  pipeAbort: async () => { const c = new AbortController(); const p = new ReadableStream({ pull: (k) => sleep(1).then(() => k.enqueue(1)) }).pipeTo(new WritableStream(), { signal: c.signal }); setTimeout(() => c.abort(), 10); return thrown(() => p); },
  strategies: () => [new ByteLengthQueuingStrategy({ highWaterMark: 5 }).highWaterMark, new ByteLengthQueuingStrategy({ highWaterMark: 1 }).size(new Uint8Array(7)), new CountQueuingStrategy({ highWaterMark: 2 }).size()],
  names: () => ["URL", "URLSearchParams", "Headers", "Request", "Response", "Blob", "File", "FormData", "ReadableStream", "WritableStream", "TransformStream", "TextEncoder", "TextDecoder", "TextEncoderStream", "TextDecoderStream", "Event", "EventTarget", "AbortController", "AbortSignal", "ReadableStreamDefaultReader", "ReadableStreamBYOBReader", "WritableStreamDefaultWriter", "DOMException", "Crypto", "SubtleCrypto", "CryptoKey"].map((n) => [n, typeof globalThis[n], globalThis[n]?.name]),
  tags: () => [new URL("a:b"), new URLSearchParams(), new Headers(), new Request("http://a"), new Response(), new Blob([]), new FormData(), new ReadableStream(), new WritableStream(), new AbortController(), new Event("x"), crypto, crypto.subtle].map((x) => Object.prototype.toString.call(x)),
  intl: () => [new Intl.DateTimeFormat("de", { dateStyle: "long", timeZone: "Europe/Berlin" }).format(0), new Intl.NumberFormat("en-IN").format(1234567.891), new Intl.PluralRules("pl").select(3), new Intl.ListFormat("en").format(["a", "b", "c"]), new Intl.RelativeTimeFormat("fr").format(-1, "day"), [...new Intl.Segmenter("en", { granularity: "word" }).segment("Hi there")].length, ["ä", "a", "z"].sort(Intl.Collator("sv").compare), "ß".localeCompare("ss", "de", { sensitivity: "base" }), new Date(0).toLocaleString("en-US", { timeZone: "UTC" }), (12).toLocaleString("ar-EG"), "İ".toLocaleLowerCase("tr")],
  wasm: async () => { const b = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 7, 1, 96, 2, 127, 127, 1, 127, 3, 2, 1, 0, 7, 7, 1, 3, 97, 100, 100, 0, 0, 10, 9, 1, 7, 0, 32, 0, 32, 1, 106, 11]); const m = new WebAssembly.Module(b); return [new WebAssembly.Instance(m).exports.add(2, 3), WebAssembly.validate(b), await thrown(() => new WebAssembly.Module(new Uint8Array(8))), (await WebAssembly.compile(b)) instanceof WebAssembly.Module, new WebAssembly.Memory({ initial: 1 }).buffer.byteLength]; },
  language: async () => [[3, 1, 2].toSorted(), [1, 2].at(-1), structuredClone([1]), "a-b".replaceAll("-", "+"), [..."x1y2".matchAll(/\d/g)].map(String), await Promise.any([Promise.reject(1), 2]), (await Promise.allSettled([1, Promise.reject(2)])).map((x) => x.status), Array.from({ length: 2 }, (_, i) => i), "😀".codePointAt(0), Number("0x1f"), 0.1 + 0.2, new Date(NaN).getTime(), [1, [2, [3]]].flat(Infinity), new Error("a", { cause: 1 }).cause, new AggregateError([1], "m").errors, Reflect.ownKeys({ b: 1, a: 2, 1: 3 })],
  performance: () => [typeof performance.now(), performance.mark("a").name, performance.measure("m", "a").entryType, performance.getEntriesByName("a").length],
};

export async function runAll(names = Object.keys(programs)) {
  const out = {};
  for (const name of names) {
    try {
      out[name] = JSON.parse(JSON.stringify((await programs[name]()) ?? null));
    } catch (e) {
      out[name] = `threw ${e?.name}: ${e?.message}`;
    }
  }
  return out;
}
