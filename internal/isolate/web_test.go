package isolate

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// webCases are expressions run in a query, and the JSON they give.
var webCases = []struct{ name, source, want string }{
	{"url", `return new URL("../c?x=1#h", "https://user:p%20w@EXAMPLE.com:443/a/b/").href`, `"https://user:p%20w@example.com/a/c?x=1#h"`},
	{"urlParts", `const u = new URL("http://a.b:8080/p/q?k=v#f"); return [u.protocol, u.host, u.hostname, u.port, u.pathname, u.search, u.hash, u.origin]`,
		`["http:","a.b:8080","a.b","8080","/p/q","?k=v","#f","http://a.b:8080"]`},
	{"urlRelative", `return ["x", "/x", "//h/x", "?y", "#z", "", "./x/../y", "https:x", "mailto:me@x"].map(s => new URL(s, "https://a/b/c?d").href)`,
		`["https://a/b/x","https://a/x","https://h/x","https://a/b/c?y","https://a/b/c?d#z","https://a/b/c?d","https://a/b/y","https://a/b/x","mailto:me@x"]`},
	{"urlHosts", `return ["http://0x7f.1/", "http://[::1]:80/", "http://[2001:db8:0:0:1:0:0:1]/", "http://b%C3%BCcher.de/", "http://münchen.de", "http://256.0.0.1", "http://a b/", "https://", "http://x:99999"].map(s => URL.canParse(s) ? new URL(s).host : null)`,
		`["127.0.0.1","[::1]","[2001:db8::1:0:0:1]","xn--bcher-kva.de","xn--mnchen-3ya.de",null,null,null,null]`},
	{"urlEncoding", `return [new URL("http://a/ü b\"?q=ü'&\"#ä").href, new URL("file:///C|/x/../..").href, new URL("a:b c").href, new URL("data:text/plain,hi?x").pathname]`,
		`["http://a/%C3%BC%20b%22?q=%C3%BC%27&%22#%C3%A4","file:///C:/","a:b c","text/plain,hi"]`},
	{"urlSet", `const u = new URL("http://a/b"); u.searchParams.append("k", "v w"); u.hash = "x"; u.pathname = "p q"; u.port = "99"; return u.href`, `"http://a:99/p%20q?k=v+w#x"`},
	{"urlInvalid", `try { new URL("nope") } catch (e) { return [e.name, e.message] }`, `["TypeError","Invalid URL: 'nope'"]`},
	{"params", `const p = new URLSearchParams("?a=1&b=2&a=3&c=%20+x"); p.sort(); p.delete("b"); return [p.getAll("a"), p.get("c"), p.toString(), p.size, [...new URLSearchParams({ x: "y&" })]]`,
		`[["1","3"],"  x","a=1&a=3&c=++x",3,[["x","y&"]]]`},
	{"text", `return [[...new TextEncoder().encode("hé€😀")], new TextDecoder().decode(new Uint8Array([0xef,0xbb,0xbf,0xf0,0x9f,0x98,0x80,0xff]))]`,
		`[[104,195,169,226,130,172,240,159,152,128],"😀�"]`},
	{"textStream", `const d = new TextDecoder(); return d.decode(new Uint8Array([0xe2,0x82]), { stream: true }) + d.decode(new Uint8Array([0xac]))`, `"€"`},
	{"textFatal", `try { new TextDecoder("utf-8", { fatal: true }).decode(new Uint8Array([0xff])) } catch (e) { return e.name }`, `"TypeError"`},
	{"text16", `return new TextDecoder("utf-16le").decode(new Uint8Array([0x41, 0, 0xac, 0x20]))`, `"A€"`},
	{"base64", `return [btoa("hello"), atob("aGVsbG8="), atob(" aGk "), btoa("")]`, `["aGVsbG8=","hello","hi",""]`},
	{"base64Invalid", `try { atob("a") } catch (e) { return [e.name, e.code, e instanceof DOMException, e instanceof Error] }`, `["InvalidCharacterError",5,true,true]`},
	{"clone", `const m = new Map([[1, { d: new Date(5), s: new Set([1n]).size }]]); const c = structuredClone(m); return [c.get(1).d.getTime(), c !== m]`, `[5,true]`},
	{"cloneFunction", `try { structuredClone(() => 1) } catch (e) { return e.name }`, `"DataCloneError"`},
	{"events", `const t = new EventTarget(), log = []; const f = (e) => log.push(e.type); t.addEventListener("x", f); t.addEventListener("x", { handleEvent: () => log.push("h") }, { once: true }); t.dispatchEvent(new Event("x")); t.dispatchEvent(new Event("x")); t.removeEventListener("x", f); t.dispatchEvent(new Event("x")); return log`,
		`["x","h","x"]`},
	{"abort", `const c = new AbortController(); let n = 0; c.signal.addEventListener("abort", () => n++); c.abort(); c.abort(); return [n, c.signal.aborted, c.signal.reason.name, AbortSignal.any([c.signal]).aborted]`,
		`[1,true,"AbortError",true]`},
	{"microtask", `const log = []; queueMicrotask(() => log.push(2)); log.push(1); await null; await null; return log`, `[1,2]`},
	{"digest", `const h = await crypto.subtle.digest("SHA-256", new TextEncoder().encode("abc")); return [...new Uint8Array(h)].slice(0, 4)`, `[186,120,22,191]`},
	{"hmac", `const k = await crypto.subtle.importKey("raw", new TextEncoder().encode("key"), { name: "HMAC", hash: "SHA-256" }, false, ["sign", "verify"]); const d = new TextEncoder().encode("x"); const s = await crypto.subtle.sign("HMAC", k, d); return [new Uint8Array(s).length, await crypto.subtle.verify("HMAC", k, s, d), await crypto.subtle.verify("HMAC", k, s, new Uint8Array(1))]`,
		`[32,true,false]`},
	{"uuid", `const u = crypto.randomUUID(); return [/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(u), crypto.randomUUID() !== u]`, `[true,true]`},
	{"randomTooMuch", `try { crypto.getRandomValues(new Uint8Array(65537)) } catch (e) { return e.name }`, `"QuotaExceededError"`},
	{"headers", `const h = new Headers({ "X-A": " 1 " }); h.append("x-a", "2"); h.append("Set-Cookie", "a"); h.append("set-cookie", "b"); return [h.get("X-A"), [...h], h.getSetCookie()]`,
		`["1, 2",[["set-cookie","a"],["set-cookie","b"],["x-a","1, 2"]],["a","b"]]`},
	{"headersInvalid", `const e = []; for (const f of [() => new Headers([["a b", ""]]), () => new Headers({ a: "x\ny" })]) try { f() } catch (x) { e.push(x.name) } return e`, `["TypeError","TypeError"]`},
	{"response", `const r = Response.json({ a: 1 }, { status: 201 }); const c = r.clone(); return [r.status, r.ok, r.headers.get("content-type"), await r.json(), await c.text(), r.bodyUsed]`,
		`[201,true,"application/json",{"a":1},"{\"a\":1}",true]`},
	{"responseTwice", `const r = new Response("x"); await r.text(); try { await r.text() } catch (e) { return e.name }`, `"TypeError"`},
	{"request", `const r = new Request("https://a/b", { method: "post", body: new URLSearchParams({ x: "1" }) }); return [r.method, r.url, r.headers.get("content-type"), [...(await r.formData())]]`,
		`["POST","https://a/b","application/x-www-form-urlencoded;charset=UTF-8",[["x","1"]]]`},
	{"multipart", `const f = new FormData(); f.append("a", "1"); f.append("b", new Blob(["hi"], { type: "text/x" }), "n.txt"); const r = new Response(f); const g = await r.formData(); return [g.get("a"), g.get("b").name, g.get("b").type, await g.get("b").text()]`,
		`["1","n.txt","text/x","hi"]`},
	{"blob", `const b = new Blob(["héllo", new Uint8Array([33])]); return [b.size, await b.slice(0, 1).text(), (await b.arrayBuffer()).byteLength, await new Response(b.stream()).text()]`, `[7,"h",7,"héllo!"]`},
	{"readable", `const s = new ReadableStream({ start(c) { c.enqueue(1); c.enqueue(2); c.close(); } }); const out = []; for await (const x of s) out.push(x); return out`, `[1,2]`},
	{"pipe", `const s = ReadableStream.from(["a", "b"]).pipeThrough(new TransformStream({ transform: (x, c) => c.enqueue(x.toUpperCase()) })).pipeThrough(new TextEncoderStream()).pipeThrough(new TextDecoderStream()); let out = ""; for await (const x of s) out += x; return out`, `"AB"`},
	{"tee", `const [a, b] = ReadableStream.from([1, 2, 3]).tee(); const all = async (s) => { const o = []; for await (const x of s) o.push(x); return o; }; return await Promise.all([all(a), all(b)])`, `[[1,2,3],[1,2,3]]`},
	{"writable", `const got = []; const w = new WritableStream({ write: (c) => got.push(c) }).getWriter(); w.write(1); w.write(2); await w.close(); return got`, `[1,2]`},
	{"asyncLocal", `const s = new AsyncLocalStorage(); const f = async () => { await null; return s.getStore(); }; return [await s.run(1, f), await Promise.all([s.run(2, f), s.run(3, f)]), s.getStore() ?? null]`, `[1,[2,3],null]`},
	{"env", `return [process.env.FOO, process.env.NOPE ?? null, typeof process.version, "FOO" in process.env]`, `["bar",null,"undefined",true]`},
	{"globals", `return [self === globalThis, typeof Buffer, typeof require, typeof SharedArrayBuffer]`, `[true,"undefined","undefined","undefined"]`},
	{"dates", `return [Date.now(), new Date().toISOString(), new Date(2020, 0, 1).getTimezoneOffset(), performance.now(), Intl.DateTimeFormat().resolvedOptions().timeZone, Intl.DateTimeFormat().resolvedOptions().locale]`,
		`[1800000000123,"2027-01-15T08:00:00.123Z",0,0,"UTC","en-US"]`},
	{"intl", `return [(1234.5).toLocaleString("de-DE"), ["ä", "z", "a"].sort(new Intl.Collator("de").compare), new Intl.NumberFormat("en", { style: "currency", currency: "EUR" }).format(1)]`, `["1.234,5",["a","ä","z"],"€1.00"]`},
	{"modern", `async function* g() { yield* [1, 2]; } const o = []; for await (const x of g()) o.push(x); return [o, new Set([1]).union(new Set([2])).size, [1, 2].values().map((x) => x * 2).toArray(), /(?<y>\d)/v.exec("7").groups.y, Object.groupBy([1, 2], (x) => x % 2 ? "a" : "b")]`,
		`[[1,2],2,[2,4],"7",{"a":[1],"b":[2]}]`},
	{"wasm", `const m = await WebAssembly.instantiate(new Uint8Array([0,97,115,109,1,0,0,0,1,7,1,96,2,127,127,1,127,3,2,1,0,7,7,1,3,97,100,100,0,0,10,9,1,7,0,32,0,32,1,106,11])); return m.instance.exports.add(2, 3)`, `5`},
	{"forbiddenFetch", `try { await fetch("https://x") } catch (e) { return e.message }`,
		`"Can't use fetch() in queries and mutations. Please consider using an action. See https://docs.convex.dev/functions/actions for more details."`},
	{"forbiddenTimer", `try { setTimeout(() => {}, 1) } catch (e) { return e.message.slice(0, 44) }`, `"Can't use setTimeout in queries and mutation"`},
	{"forbiddenImport", `try { await import("./other.js") } catch (e) { return e.message }`, `"Can't dynamically import \"./other.js\" in a query or mutation"`},
	{"noConsoleTable", `return [typeof console.table, typeof console.log]`, `["undefined","function"]`},
	{"weakRef", `const o = {}; return new WeakRef(o).deref() === o`, `true`},
}

func TestWeb(t *testing.T) {
	t.Parallel()
	var src strings.Builder
	for _, c := range webCases {
		fmt.Fprintf(&src, "export const %s = query(async () => { %s });\n", c.name, c.source)
	}
	p := load(t, module("m.js", src.String()))
	if x := p.ImportError("m.js"); x != nil {
		t.Fatal(x.Text)
	}
	for _, c := range webCases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := value(t, run(t, p, Query, c.name, nil, Limits{UserTime: 10 * time.Second})); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// TestFetch drives fetch against a real server.
func TestFetch(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Got", r.Header.Get("X-Test")+"|"+r.Header.Get("Authorization"))
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, "%s %s", r.Method, b)
	})
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/echo", http.StatusFound) })
	mux.HandleFunc("/kept", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/echo", http.StatusTemporaryRedirect)
	})
	mux.HandleFunc("/circle", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/circle", http.StatusFound) })
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	mux.HandleFunc("/big", func(w http.ResponseWriter, r *http.Request) { w.Write(make([]byte, 1<<20)) })
	mux.HandleFunc("/duplex", func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		rc.EnableFullDuplex()
		w.WriteHeader(http.StatusOK)
		rc.Flush()
		buf := make([]byte, 16)
		for {
			n, err := r.Body.Read(buf)
			w.Write(buf[:n])
			rc.Flush()
			if err != nil {
				return
			}
		}
	})
	mux.HandleFunc("/early", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusTeapot) })
	other := httptest.NewServer(mux)
	defer other.Close()
	mux.HandleFunc("/away", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL+"/echo", http.StatusFound) })
	srv := httptest.NewServer(mux)
	defer srv.Close()
	cases := []struct{ name, source, want string }{
		{"post", `const r = await fetch(U + "/echo", { method: "POST", body: "ping", headers: { "x-test": "1" } }); return [r.status, r.ok, r.headers.get("x-got"), await r.text(), r.redirected]`, `[201,true,"1|","POST ping",false]`},
		{"moved", `const r = await fetch(U + "/moved", { method: "POST", body: "ping" }); return [await r.text(), r.redirected, r.url.endsWith("/echo")]`, `["GET ",true,true]`},
		{"kept", `const r = await fetch(U + "/kept", { method: "POST", body: "ping" }); return await r.text()`, `"POST ping"`},
		{"away", `const r = await fetch(U + "/away", { headers: { authorization: "secret", "x-test": "t" } }); return r.headers.get("x-got")`, `"t|"`},
		{"manual", `const r = await fetch(U + "/moved", { redirect: "manual" }); return [r.status, r.headers.get("location")]`, `[302,"/echo"]`},
		{"error", `try { await fetch(U + "/moved", { redirect: "error" }) } catch (e) { return e.name }`, `"TypeError"`},
		{"circle", `try { await fetch(U + "/circle") } catch (e) { return e.message }`, `"fetch failed: too many redirects"`},
		{"abort", `const c = new AbortController(); setTimeout(() => c.abort(), 20); try { await fetch(U + "/slow", { signal: c.signal }) } catch (e) { return e.name }`, `"AbortError"`},
		{"timeout", `try { await fetch(U + "/slow", { signal: AbortSignal.timeout(20) }) } catch (e) { return e.name }`, `"TimeoutError"`},
		{"big", `let n = 0; for await (const c of (await fetch(U + "/big")).body) n += c.length; return n`, `1048576`},
		{"refused", `try { await fetch("http://127.0.0.1:1/") } catch (e) { return e.message.slice(0, 13) }`, `"fetch failed:"`},
		{"streamUp", `const r = await fetch(U + "/echo", { method: "POST", duplex: "half", body: new Blob(["a", "b"]).stream() }); return await r.text()`, `"POST ab"`},
		{"duplex", `const t = new TransformStream(), w = t.writable.getWriter(), e = new TextEncoder(), d = new TextDecoder(), log = []; const p = fetch(U + "/duplex", { method: "POST", duplex: "half", body: t.readable }); await w.write(e.encode("one")); const r = (await p).body.getReader(); log.push(d.decode((await r.read()).value)); await w.write(e.encode("two")); log.push(d.decode((await r.read()).value)); await w.close(); log.push((await r.read()).done); return log`, `["one","two",true]`},
		{"early", `let n = 0; const r = await fetch(U + "/early", { method: "POST", body: new ReadableStream({ pull: (c) => { if (n++ < 2000) c.enqueue(new Uint8Array(65536)); else c.close(); } }) }); return [r.status, n < 2000]`, `[418,true]`},
		{"brokenUp", `try { await fetch(U + "/echo", { method: "POST", body: new ReadableStream({ pull: (c) => c.error(new RangeError("mine")) }) }) } catch (e) { return e.message }`, `"mine"`},
		{"wrongChunk", `try { await fetch(U + "/echo", { method: "POST", body: new ReadableStream({ pull: (c) => c.enqueue("text") }) }) } catch (e) { return e.name }`, `"TypeError"`},
		{"streamMoved", `try { await fetch(U + "/kept", { method: "POST", body: new Blob(["a"]).stream() }) } catch (e) { return e.message }`, `"fetch failed: a body that was streamed cannot be sent again after a redirect"`},
		{"timers", `const log = []; await new Promise((done) => { setTimeout(() => log.push("b"), 20); setTimeout(() => log.push("a"), 1); clearTimeout(setTimeout(() => log.push("never"), 5)); let n = 0; const i = setInterval(() => { log.push("i"); if (++n === 2) { clearInterval(i); setTimeout(done, 25); } }, 2); }); return log.filter((x) => x !== "i").join("") + log.filter((x) => x === "i").length`, `"ab2"`},
		{"dynamicImport", `return (await import("./other.js")).answer`, `42`},
	}
	var src strings.Builder
	fmt.Fprintf(&src, "const U = %q;\n", srv.URL)
	for _, c := range cases {
		fmt.Fprintf(&src, "export const %s = action(async () => { %s });\n", c.name, c.source)
	}
	p := load(t, module("m.js", src.String()), Module{Path: "other.js", Source: "export const answer = 42;"})
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := value(t, run(t, p, Action, c.name, nil, Limits{TotalTime: 30 * time.Second})); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}
