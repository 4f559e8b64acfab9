// URL and URLSearchParams after https://url.spec.whatwg.org/.
(function (lx) {
  "use strict";
  const { native, define, tag } = lx;
  const { TypeError, Map, Symbol, String, parseInt, encodeURIComponent } = globalThis;

  const special = { "http:": "80", "https:": "443", "ws:": "80", "wss:": "443", "ftp:": "21", "file:": "" };

  // Percent-encode sets: what is not listed and printable stays.
  const sets = {
    c0: "", fragment: ' "<>`', query: ' "#<>', specialQuery: ' "#<>\'', path: ' "#<>?`{}^', userinfo: ' "#<>?`{}/:;=@[\\]^|',
  };
  const hex = (b) => "%" + (b < 16 ? "0" : "") + b.toString(16).toUpperCase();
  const encode = (s, set) => {
    let out = "";
    for (const c of s) {
      const p = c.codePointAt(0);
      if (p > 0x7e || p < 0x20) for (const b of native.utf8Encode(c)) out += hex(b);
      else out += set.includes(c) ? hex(p) : c;
    }
    return out;
  };
  const decode = (s) => {
    if (!s.includes("%")) return s;
    const b = [...native.utf8Encode(s)], out = [];
    for (let i = 0; i < b.length; i++) {
      const h = b[i] === 37 ? s16(b[i + 1], b[i + 2]) : -1;
      if (h >= 0) i += 2;
      out.push(h >= 0 ? h : b[i]);
    }
    return native.utf8Decode(new Uint8Array(out));
  };
  const digit = (c) => (c >= 48 && c <= 57 ? c - 48 : c >= 65 && c <= 70 ? c - 55 : c >= 97 && c <= 102 ? c - 87 : -1);
  const s16 = (a, b) => (digit(a) < 0 || digit(b) < 0 ? -1 : digit(a) * 16 + digit(b));

  // Punycode of one label, RFC 3492.
  const punycode = (label) => {
    const input = [...label].map((c) => c.codePointAt(0));
    let out = input.filter((c) => c < 128).map((c) => String.fromCharCode(c)).join("");
    const basic = out.length;
    let h = basic, n = 128, delta = 0, bias = 72;
    if (basic) out += "-";
    const adapt = (d, points, first) => {
      d = first ? Math.floor(d / 700) : d >> 1;
      d += Math.floor(d / points);
      let k = 0;
      for (; d > 455; k += 36) d = Math.floor(d / 35);
      return k + Math.floor((36 * d) / (d + 38));
    };
    while (h < input.length) {
      const m = Math.min(...input.filter((c) => c >= n));
      delta += (m - n) * (h + 1);
      n = m;
      for (const c of input) {
        if (c < n) delta++;
        if (c !== n) continue;
        let q = delta;
        for (let k = 36; ; k += 36) {
          const t = k <= bias ? 1 : k >= bias + 26 ? 26 : k - bias;
          if (q < t) break;
          const d = t + ((q - t) % (36 - t));
          out += String.fromCharCode(d < 26 ? d + 97 : d + 22);
          q = Math.floor((q - t) / (36 - t));
        }
        out += String.fromCharCode(q < 26 ? q + 97 : q + 22);
        bias = adapt(delta, h + 1, h === basic);
        delta = 0;
        h++;
      }
      delta++;
      n++;
    }
    return "xn--" + out;
  };

  const forbidden = /[\0\t\n\r #/:<>?@[\\\]^|]/;
  const forbiddenDomain = /[\0-\x20"#%/:<>?@[\\\]^`{|}\x7f]/;

  const ipv4 = (s) => {
    const parts = s.split(".");
    if (parts.at(-1) === "" && parts.length > 1) parts.pop();
    const last = parts.at(-1);
    if (!/^(\d+|0x[0-9a-f]*)$/i.test(last)) return undefined; // not a number at the end: a name
    if (parts.length > 4) return null;
    const nums = parts.map((p) => {
      if (p === "") return NaN;
      if (/^0x/i.test(p)) return p.length === 2 ? 0 : /^0x[0-9a-f]+$/i.test(p) ? parseInt(p, 16) : NaN;
      if (p.length > 1 && p[0] === "0") return /^[0-7]+$/.test(p) ? parseInt(p, 8) : NaN;
      return /^\d+$/.test(p) ? parseInt(p, 10) : NaN;
    });
    if (nums.some((n) => !(n >= 0)) || nums.slice(0, -1).some((n) => n > 255)) return null;
    const end = nums.pop();
    if (end >= 256 ** (4 - nums.length)) return null;
    let v = end;
    nums.forEach((n, i) => (v += n * 256 ** (3 - i)));
    return [24, 16, 8, 0].map((k) => Math.floor(v / 2 ** k) % 256).join(".");
  };

  const ipv6 = (s) => {
    let tail = s.match(/^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/);
    if (tail) {
      const [a, b, c, d] = tail.slice(2).map(Number);
      if ([a, b, c, d].some((n) => n > 255)) return null;
      s = tail[1] + (a * 256 + b).toString(16) + ":" + (c * 256 + d).toString(16);
    }
    const halves = s.split("::");
    if (halves.length > 2) return null;
    const read = (h) => (h === "" ? [] : h.split(":"));
    const left = read(halves[0]), right = halves.length === 2 ? read(halves[1]) : [];
    const gap = 8 - left.length - right.length;
    if (halves.length === 1 ? gap !== 0 : gap < 1) return null;
    const all = [...left, ...Array(halves.length === 2 ? gap : 0).fill("0"), ...right];
    if (all.some((p) => !/^[0-9a-f]{1,4}$/i.test(p))) return null;
    const nums = all.map((p) => parseInt(p, 16));
    let best = -1, length = 1;
    for (let i = 0; i < 8; i++) {
      let j = i;
      while (j < 8 && nums[j] === 0) j++;
      if (j - i > length) [best, length] = [i, j - i];
    }
    const text = nums.map((n) => n.toString(16));
    if (best < 0) return `[${text.join(":")}]`;
    return `[${text.slice(0, best).join(":")}::${text.slice(best + length).join(":")}]`;
  };

  const parseHost = (s, isSpecial) => {
    if (s[0] === "[") return s.at(-1) === "]" ? ipv6(s.slice(1, -1)) : null;
    if (!isSpecial) return forbidden.test(s) ? null : encode(s, sets.c0);
    let d = decode(s).normalize("NFKC").toLowerCase().normalize("NFC").replace(/[\u3002\uff0e\uff61]/g, ".").replace(/\u00ad/g, "");
    d = d.split(".").map((l) => (/[^\0-\x7f]/.test(l) ? punycode(l) : l)).join(".");
    if (d === "" || forbiddenDomain.test(d)) return null;
    const v4 = ipv4(d);
    return v4 === undefined ? d : v4;
  };

  const windowsDrive = (s) => /^[a-z][:|]$/i.test(s);
  const normalizePath = (text, isSpecial, scheme, base = []) => {
    const out = [...base];
    const parts = text.split(isSpecial ? /[/\\]/ : "/");
    parts.forEach((p, i) => {
      const last = i === parts.length - 1;
      const dots = p.replace(/%2e/gi, ".");
      if (dots === "..") {
        if (!(scheme === "file:" && out.length === 1 && windowsDrive(out[0]))) out.pop();
        if (last) out.push("");
      } else if (dots === ".") {
        if (last) out.push("");
      } else {
        out.push(scheme === "file:" && out.length === 0 && windowsDrive(p) ? p[0] + ":" : encode(p, sets.path));
      }
    });
    return out;
  };

  const parsePort = (s, scheme) => {
    if (s === "") return "";
    if (!/^\d+$/.test(s) || Number(s) > 65535) return null;
    const p = String(Number(s));
    return p === special[scheme] ? "" : p;
  };

  // Splits a URL into its parts, or gives null. Parts: scheme, user, pass,
  // host (null when absent), port, path (list, or string when opaque), query,
  // fragment (null when absent).
  const parse = (input, base) => {
    let s = input.replace(/^[\0-\x20]+|[\0-\x20]+$/g, "").replace(/[\t\n\r]/g, "");
    const u = { scheme: "", user: "", pass: "", host: null, port: "", path: [], query: null, fragment: null };
    const hash = s.indexOf("#");
    if (hash >= 0) {
      u.fragment = encode(s.slice(hash + 1), sets.fragment);
      s = s.slice(0, hash);
    }
    const m = /^([a-z][a-z0-9+\-.]*):/i.exec(s);
    if (m) {
      u.scheme = m[1].toLowerCase() + ":";
      s = s.slice(m[0].length);
    } else if (!base) {
      return null;
    }
    const relative = !m || (base && u.scheme === base.scheme && u.scheme in special && !/^[/\\]{2}/.test(s) && u.scheme !== "file:" && !/^[/\\]/.test(s) && !m);
    if (!m) u.scheme = base.scheme;
    const isSpecial = u.scheme in special;
    const takeQuery = () => {
      const q = s.indexOf("?");
      if (q < 0) return;
      u.query = encode(s.slice(q + 1), isSpecial ? sets.specialQuery : sets.query);
      s = s.slice(0, q);
    };
    if (!m && typeof base.path === "string") {
      if (s !== "") return null;
      return { ...base, fragment: u.fragment };
    }
    const slash = isSpecial ? /^[/\\]/ : /^\//;
    const inherits = base && base.scheme === u.scheme && isSpecial && (!m || !slash.test(s));
    if (m && !isSpecial && s[0] !== "/") {
      takeQuery();
      u.path = encode(s, sets.c0); // opaque
      return u;
    }
    takeQuery();
    const hadQuery = u.query !== null;
    let authority = null;
    if (isSpecial && m && u.scheme !== "file:" && !inherits) {
      s = s.replace(/^[/\\]*/, "");
      const end = s.search(/[/\\]/);
      authority = end < 0 ? s : s.slice(0, end);
      s = end < 0 ? "" : s.slice(end);
    } else if (slash.test(s) && slash.test(s.slice(1))) {
      s = s.slice(2);
      const end = s.search(isSpecial ? /[/\\]/ : /\//);
      authority = end < 0 ? s : s.slice(0, end);
      s = end < 0 ? "" : s.slice(end);
      if (u.scheme === "file:" && windowsDrive(authority)) {
        s = "/" + authority + s;
        authority = "";
      }
    }
    if (authority !== null) {
      const at = authority.lastIndexOf("@");
      if (at >= 0) {
        if (at === authority.length - 1) return null;
        const cred = authority.slice(0, at), colon = cred.indexOf(":");
        u.user = encode(colon < 0 ? cred : cred.slice(0, colon), sets.userinfo);
        u.pass = colon < 0 ? "" : encode(cred.slice(colon + 1), sets.userinfo);
        authority = authority.slice(at + 1);
      }
      const port = /:([^:\]]*)$/.exec(authority);
      if (port) {
        u.port = parsePort(port[1], u.scheme);
        if (u.port === null) return null;
        authority = authority.slice(0, port.index);
      }
      if (authority === "" && isSpecial && u.scheme !== "file:") return null;
      u.host = authority === "" ? "" : parseHost(authority, isSpecial);
      if (u.host === null) return null;
      if (u.scheme === "file:" && u.host === "localhost") u.host = "";
      u.path = s === "" ? (isSpecial ? [""] : []) : normalizePath(s.slice(1), isSpecial, u.scheme);
      return u;
    }
    if (u.scheme === "file:" && (!base || base.scheme !== "file:")) {
      u.host = "";
      u.path = normalizePath(s.replace(/^[/\\]/, ""), true, u.scheme);
      return u;
    }
    if (base && (!m || inherits || u.scheme === "file:")) {
      Object.assign(u, { user: base.user, pass: base.pass, host: base.host, port: base.port });
      if (slash.test(s)) {
        u.path = normalizePath(s.slice(1), isSpecial, u.scheme);
      } else if (s === "") {
        u.path = [...base.path];
        if (!hadQuery) u.query = base.query;
      } else {
        u.path = normalizePath(s, isSpecial, u.scheme, base.path.slice(0, -1));
      }
      return u;
    }
    u.path = normalizePath(s.slice(1), isSpecial, u.scheme);
    return u;
  };

  const pathText = (u) => (typeof u.path === "string" ? u.path : u.path.map((p) => "/" + p).join(""));
  const serialize = (u) => {
    let out = u.scheme;
    if (u.host !== null) {
      out += "//";
      if (u.user || u.pass) out += u.user + (u.pass ? ":" + u.pass : "") + "@";
      out += u.host + (u.port ? ":" + u.port : "");
    } else if (typeof u.path !== "string" && u.path.length > 1 && u.path[0] === "") {
      out += "/.";
    }
    return out + pathText(u) + (u.query === null ? "" : "?" + u.query) + (u.fragment === null ? "" : "#" + u.fragment);
  };

  // application/x-www-form-urlencoded
  const formEncode = (s) => {
    let out = "";
    for (const b of native.utf8Encode(`${s}`)) {
      if (b === 32) out += "+";
      else if ((b >= 48 && b <= 57) || (b >= 65 && b <= 90) || (b >= 97 && b <= 122) || b === 42 || b === 45 || b === 46 || b === 95) out += String.fromCharCode(b);
      else out += hex(b);
    }
    return out;
  };
  const formDecode = (s) => decode(s.replace(/\+/g, " "));
  const parseForm = (s) =>
    s.split("&").filter((p) => p !== "").map((p) => {
      const at = p.indexOf("=");
      return at < 0 ? [formDecode(p), ""] : [formDecode(p.slice(0, at)), formDecode(p.slice(at + 1))];
    });

  const owner = Symbol("owner");
  class URLSearchParams {
    #list = [];
    #changed = null;
    constructor(init = "") {
      if (typeof init === "object" && init !== null && owner in init) {
        this.#changed = init[owner];
        init = init.query;
      }
      if (typeof init === "object" && init !== null) {
        if (typeof init[Symbol.iterator] === "function") {
          for (const pair of init) {
            const [k, v, ...more] = pair;
            if (more.length || [...pair].length !== 2) throw new TypeError("Each pair must be a name and a value");
            this.#list.push([`${k}`, `${v}`]);
          }
        } else {
          for (const k of Reflect.ownKeys(init)) this.#list.push([`${String(k)}`, `${init[k]}`]);
        }
      } else {
        this.#list = parseForm(`${init}`.replace(/^\?/, ""));
      }
    }
    #update() {
      this.#changed?.(this.toString());
    }
    static reset(p, query) {
      p.#list = parseForm(query);
    }
    get size() { return this.#list.length; }
    append(k, v) {
      this.#list.push([`${k}`, `${v}`]);
      this.#update();
    }
    delete(k, v) {
      this.#list = this.#list.filter((e) => e[0] !== `${k}` || (v !== undefined && e[1] !== `${v}`));
      this.#update();
    }
    get(k) {
      return this.#list.find((e) => e[0] === `${k}`)?.[1] ?? null;
    }
    getAll(k) {
      return this.#list.filter((e) => e[0] === `${k}`).map((e) => e[1]);
    }
    has(k, v) {
      return this.#list.some((e) => e[0] === `${k}` && (v === undefined || e[1] === `${v}`));
    }
    set(k, v) {
      const at = this.#list.findIndex((e) => e[0] === `${k}`);
      if (at < 0) this.#list.push([`${k}`, `${v}`]);
      else this.#list = this.#list.filter((e, i) => i <= at || e[0] !== `${k}`).map((e, i) => (i === at ? [e[0], `${v}`] : e));
      this.#update();
    }
    sort() {
      this.#list.sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0));
      this.#update();
    }
    forEach(f, self) {
      for (const [k, v] of this.#list) f.call(self, v, k, this);
    }
    *entries() {
      for (let i = 0; i < this.#list.length; i++) yield [...this.#list[i]];
    }
    *keys() {
      for (const [k] of this.entries()) yield k;
    }
    *values() {
      for (const [, v] of this.entries()) yield v;
    }
    [Symbol.iterator]() {
      return this.entries();
    }
    toString() {
      return this.#list.map(([k, v]) => formEncode(k) + "=" + formEncode(v)).join("&");
    }
    [lx.shown](show) {
      return `URLSearchParams { ${this.#list.map(([k, v]) => `${show(k)} => ${show(v)}`).join(", ")} }`;
    }
  }
  const { reset } = URLSearchParams;
  delete URLSearchParams.reset;
  tag(URLSearchParams);
  define("URLSearchParams", URLSearchParams);

  const parseOrNull = (url, base) => {
    let b;
    if (base !== undefined) {
      b = parse(`${base}`);
      if (b === null) return null;
    }
    return parse(`${url}`, b);
  };
  class URL {
    #u;
    #params;
    constructor(url, base) {
      if (arguments.length === 0) throw new TypeError("URL: 1 argument required");
      this.#u = parseOrNull(url, base);
      if (this.#u === null) throw new TypeError(`Invalid URL: '${url}'`);
      this.#params = new URLSearchParams({ [owner]: (q) => (this.#u.query = q === "" ? null : q), query: this.#u.query ?? "" });
    }
    static canParse(url, base) {
      return parseOrNull(url, base) !== null;
    }
    static parse(url, base) {
      return URL.canParse(url, base) ? new URL(url, base) : null;
    }
    get href() { return serialize(this.#u); }
    set href(v) {
      const u = parse(`${v}`);
      if (u === null) throw new TypeError(`Invalid URL: '${v}'`);
      this.#u = u;
      reset(this.#params, u.query ?? "");
    }
    get origin() {
      const u = this.#u;
      if (u.scheme === "blob:") {
        const inner = parse(pathText(u));
        return inner && /^https?:$/.test(inner.scheme) ? `${inner.scheme}//${inner.host}${inner.port ? ":" + inner.port : ""}` : "null";
      }
      return u.scheme in special && u.scheme !== "file:" ? `${u.scheme}//${this.host}` : "null";
    }
    get protocol() { return this.#u.scheme; }
    set protocol(v) {
      const m = /^([a-z][a-z0-9+\-.]*):?/i.exec(`${v}`);
      if (!m) return;
      const scheme = m[1].toLowerCase() + ":";
      if (scheme in special !== this.#u.scheme in special) return;
      this.#u.scheme = scheme;
      if (this.#u.port === special[scheme]) this.#u.port = "";
    }
    get username() { return this.#u.user; }
    set username(v) {
      if (this.#u.host) this.#u.user = encode(`${v}`, sets.userinfo);
    }
    get password() { return this.#u.pass; }
    set password(v) {
      if (this.#u.host) this.#u.pass = encode(`${v}`, sets.userinfo);
    }
    get host() { return (this.#u.host ?? "") + (this.#u.port ? ":" + this.#u.port : ""); }
    set host(v) {
      const m = /^(\[[^\]]*\]|[^:/?#\\]*)(?::(\d*))?/.exec(`${v}`);
      this.hostname = m[1];
      if (m[2]) this.port = m[2];
    }
    get hostname() { return this.#u.host ?? ""; }
    set hostname(v) {
      if (typeof this.#u.path === "string") return;
      const h = parseHost(`${v}`, this.#u.scheme in special);
      if (h) this.#u.host = h;
    }
    get port() { return this.#u.port; }
    set port(v) {
      const m = /^\d*/.exec(`${v}`)[0];
      if (!this.#u.host || (m === "" && `${v}` !== "")) return;
      const p = parsePort(m, this.#u.scheme);
      if (p !== null) this.#u.port = p;
    }
    get pathname() { return pathText(this.#u); }
    set pathname(v) {
      if (typeof this.#u.path === "string") return;
      const s = this.#u.scheme in special;
      this.#u.path = normalizePath(`${v}`.replace(s ? /^[/\\]/ : /^\//, ""), s, this.#u.scheme);
    }
    get search() { return this.#u.query ? "?" + this.#u.query : ""; }
    set search(v) {
      v = `${v}`.replace(/^\?/, "");
      this.#u.query = v === "" ? null : encode(v, this.#u.scheme in special ? sets.specialQuery : sets.query);
      reset(this.#params, this.#u.query ?? "");
    }
    get searchParams() { return this.#params; }
    get hash() { return this.#u.fragment ? "#" + this.#u.fragment : ""; }
    set hash(v) {
      v = `${v}`.replace(/^#/, "");
      this.#u.fragment = v === "" ? null : encode(v, sets.fragment);
    }
    toString() {
      return this.href;
    }
    toJSON() {
      return this.href;
    }
    [lx.shown](show) {
      return `URL { href: ${show(this.href)} }`;
    }
  }
  tag(URL);
  define("URL", URL);
})
