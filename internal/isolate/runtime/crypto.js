// crypto: random numbers from the invocation's seed, and SubtleCrypto: what a
// key may be used for is decided here, the host computes.
(function (lx) {
  "use strict";
  const { native, define, tag } = lx;
  const { TypeError, Symbol, Uint8Array, ArrayBuffer, JSON, DOMException, Object, Array, Number, Promise } = globalThis;
  const secret = Symbol();
  const hex = Array.from({ length: 256 }, (_, i) => (i < 16 ? "0" : "") + i.toString(16));

  const toBase64 = (b) => btoa(native.latin1(b));
  const fromBase64 = (s) => Uint8Array.from(atob(s), (c) => c.charCodeAt(0));
  const toBase64url = (b) => toBase64(b).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const fromBase64url = (s) => fromBase64(`${s}`.replace(/-/g, "+").replace(/_/g, "/"));
  const error = (name, message) => new DOMException(message, name);

  // One operation of the host, whose errors name a DOMException.
  const none = new Uint8Array(0);
  const call = (op, params, data = none) => {
    try {
      return native.syncHost("crypto/" + op, JSON.stringify(params), data);
    } catch (e) {
      const [, name, message] = /^(\w+): ([^]*)$/.exec(e.message) ?? [null, "OperationError", e.message];
      throw error(name, message);
    }
  };
  const callJSON = (op, params, data) => JSON.parse(native.utf8Decode(call(op, params, data)));

  // What each algorithm's keys may do; of two lists, that of the public key and
  // that of the private one. parts is where its kind of key is handled.
  const aes = ["encrypt", "decrypt", "wrapKey", "unwrapKey"];
  const rsaSign = { kind: "rsa", public: ["verify"], private: ["sign"], hash: true };
  const derive = ["deriveKey", "deriveBits"];
  const algorithms = {
    "HMAC": { kind: "hmac", secret: ["sign", "verify"] },
    "AES-CBC": { kind: "aes", secret: aes },
    "AES-CTR": { kind: "aes", secret: aes },
    "AES-GCM": { kind: "aes", secret: aes },
    "AES-KW": { kind: "aes", secret: ["wrapKey", "unwrapKey"] },
    "HKDF": { kind: "derive", secret: derive },
    "PBKDF2": { kind: "derive", secret: derive },
    "RSASSA-PKCS1-v1_5": rsaSign,
    "RSA-PSS": rsaSign,
    "RSA-OAEP": { kind: "rsa", public: ["encrypt", "wrapKey"], private: ["decrypt", "unwrapKey"], hash: true },
    "ECDSA": { kind: "ec", public: ["verify"], private: ["sign"] },
    "ECDH": { kind: "ec", public: [], private: derive },
    "Ed25519": { kind: "okp", public: ["verify"], private: ["sign"] },
    "X25519": { kind: "okp", public: [], private: derive },
  };
  const names = new Map(Object.keys(algorithms).map((n) => [n.toUpperCase(), n]));
  const allUsages = ["encrypt", "decrypt", "sign", "verify", "deriveKey", "deriveBits", "wrapKey", "unwrapKey"];

  const digests = ["SHA-1", "SHA-256", "SHA-384", "SHA-512"];
  const digestBits = { "SHA-1": 512, "SHA-256": 512, "SHA-384": 1024, "SHA-512": 1024 }; // a block of each
  const normal = (a) => {
    const o = typeof a === "string" ? { name: a } : { ...a };
    const name = names.get(`${o.name}`.toUpperCase());
    if (!name) throw error("NotSupportedError", `Unrecognized algorithm name: ${o.name}`);
    return { ...o, name };
  };
  const hashName = (h) => {
    const given = typeof h === "string" ? h : h?.name;
    const name = `${given}`.toUpperCase();
    if (!digests.includes(name)) throw error("NotSupportedError", `Unrecognized algorithm name: ${given}`);
    return name;
  };
  const usageList = (usages) => {
    const list = [...usages];
    for (const u of list) if (!allUsages.includes(u)) throw new TypeError(`'${u}' is not a valid key usage`);
    return allUsages.filter((u) => list.includes(u));
  };
  // Refuses usages that a key of this algorithm cannot have.
  const checkUsages = (name, type, usages) => {
    const may = algorithms[name][type];
    if (usages.some((u) => !may.includes(u))) throw error("SyntaxError", `Unsupported key usage for a ${type} ${name} key`);
    if (type !== "public" && usages.length === 0) throw error("SyntaxError", `Usages cannot be empty when importing a ${type} key.`);
  };

  class CryptoKey {
    #bytes;
    #fields;
    constructor(key, type, bytes, algorithm, extractable, usages) {
      if (key !== secret) throw new TypeError("Illegal constructor");
      this.#bytes = bytes;
      this.#fields = { type, extractable, algorithm: Object.freeze(algorithm), usages: Object.freeze(usages) };
    }
    get type() { return this.#fields.type; }
    get extractable() { return this.#fields.extractable; }
    get algorithm() { return this.#fields.algorithm; }
    get usages() { return this.#fields.usages; }
    [lx.shown](show) {
      return `CryptoKey ${show({ ...this.#fields })}`;
    }
    static bytes(k) {
      return k.#bytes;
    }
  }
  const keyBytes = CryptoKey.bytes;
  delete CryptoKey.bytes;
  tag(CryptoKey);
  const makeKey = (type, bytes, algorithm, extractable, usages) => {
    checkUsages(algorithm.name, type, usages);
    return new CryptoKey(secret, type, bytes, algorithm, !!extractable, usages);
  };

  const need = (key, usage, name) => {
    if (!(key instanceof CryptoKey)) throw new TypeError("A CryptoKey is required");
    if (key.algorithm.name !== name) throw error("InvalidAccessError", "The requested operation is not valid for the provided key");
    if (!key.usages.includes(usage)) throw error("InvalidAccessError", `Unable to use this key to ${usage}`);
  };
  const view = (data, what) => {
    if (!(data instanceof ArrayBuffer) && !ArrayBuffer.isView(data)) throw new TypeError(`${what} must be an ArrayBuffer or a view of one`);
    return lx.view(data);
  };
  const param = (data, what) => toBase64(view(data, what));
  const randomness = () => {
    if (native.kind() !== lx.ACTION) lx.actionOnly("cryptographic randomness");
  };

  // How each operation sees its algorithm: parameters for the host.
  const signParams = (a, key) => {
    const p = { algorithm: a.name, key: toBase64(keyBytes(key)) };
    if (a.name === "ECDSA") p.hash = hashName(a.hash);
    else if (key.algorithm.hash) p.hash = key.algorithm.hash.name;
    if (a.name === "RSA-PSS") p.saltLength = Number(a.saltLength);
    return p;
  };
  const cipherParams = (a, key) => {
    const p = { algorithm: a.name, key: toBase64(keyBytes(key)) };
    if (a.name === "RSA-OAEP") {
      p.hash = key.algorithm.hash.name;
      if (a.label !== undefined) p.label = param(a.label, "label");
    } else if (a.name === "AES-CTR") {
      p.iv = param(a.counter, "counter");
      p.length = Number(a.length);
    } else {
      p.iv = param(a.iv, "iv");
    }
    if (a.name === "AES-GCM") {
      if (a.additionalData !== undefined) p.additionalData = param(a.additionalData, "additionalData");
      p.tagLength = a.tagLength === undefined ? 128 : Number(a.tagLength);
      if (p.tagLength === 0) p.tagLength = -1;
    }
    return p;
  };
  const ciphers = ["AES-CBC", "AES-CTR", "AES-GCM", "RSA-OAEP"];
  const signers = ["HMAC", "RSASSA-PKCS1-v1_5", "RSA-PSS", "ECDSA", "Ed25519"];
  const among = (a, list, op) => {
    a = normal(a);
    if (!list.includes(a.name)) throw error("NotSupportedError", `${op} is not supported with ${a.name}`);
    return a;
  };

  const deriveBits = (a, key, length) => {
    if (a.name === "ECDH" || a.name === "X25519") {
      const other = a.public;
      if (!(other instanceof CryptoKey)) throw new TypeError("The algorithm's public member must be a CryptoKey");
      if (other.type !== "public" || other.algorithm.name !== a.name || other.algorithm.namedCurve !== key.algorithm.namedCurve) {
        throw error("InvalidAccessError", "The public key is not of the same kind as the private key");
      }
      return call("derive", { algorithm: a.name, key: toBase64(keyBytes(key)), publicKey: toBase64(keyBytes(other)), length: length ?? 0 });
    }
    if (length === null || length === undefined) throw error("OperationError", "length cannot be null");
    const p = { algorithm: a.name, hash: hashName(a.hash), length, salt: param(a.salt, "salt") };
    if (a.name === "HKDF") p.info = param(a.info, "info");
    else p.iterations = Number(a.iterations);
    return call("derive", p, keyBytes(key));
  };
  // The length in bits of the key that an algorithm derives; null for all bits.
  const derivedLength = (a) => {
    switch (algorithms[a.name].kind) {
      case "aes":
        return aesLength(a.length);
      case "hmac":
        if (a.length === 0) throw new TypeError("A key of zero length cannot be derived");
        return a.length === undefined ? digestBits[hashName(a.hash)] : Number(a.length);
      case "derive":
        return null;
    }
    throw error("NotSupportedError", `${a.name} keys cannot be derived`);
  };
  const aesLength = (bits) => {
    if (![128, 192, 256].includes(Number(bits))) throw error("OperationError", "AES key length must be 128, 192 or 256 bits");
    return Number(bits);
  };

  // The algorithm member of a key that the host described.
  const described = (a, k) => {
    const { kind } = algorithms[a.name];
    if (kind === "ec") return { name: a.name, namedCurve: k.curve };
    if (kind === "okp") return { name: a.name };
    const hash = { name: hashName(a.hash) };
    return { name: a.name, modulusLength: k.modulusLength, publicExponent: fromBase64(k.publicExponent), hash };
  };
  const jwkAlg = (algorithm) => {
    const bits = algorithm.hash?.name.slice(4);
    switch (algorithm.name) {
      case "HMAC": return "HS" + bits;
      case "RSASSA-PKCS1-v1_5": return "RS" + bits;
      case "RSA-PSS": return "PS" + bits;
      case "RSA-OAEP": return bits === "1" ? "RSA-OAEP" : "RSA-OAEP-" + bits;
      case "Ed25519": return "Ed25519";
    }
    return algorithm.name.startsWith("AES-") ? `A${algorithm.length}${algorithm.name.slice(4)}` : undefined;
  };
  // What a JSON Web Key says of its own use must not forbid this one.
  const checkJWK = (data, extractable, usages, kty) => {
    if (typeof data !== "object" || data === null || ArrayBuffer.isView(data) || data instanceof ArrayBuffer) throw new TypeError("A JSON Web Key is required");
    if (data.kty !== kty) throw error("DataError", 'Invalid JWK "kty" Parameter');
    if (data.ext === false && extractable) throw error("DataError", 'JWK "ext" Parameter and extractable mismatch');
    if (data.key_ops !== undefined && usages.some((u) => !data.key_ops.includes(u))) throw error("DataError", "Key operations and usage mismatch");
  };

  const importSecret = (format, data, a, extractable, usages) => {
    const { kind } = algorithms[a.name];
    let bytes;
    if (format === "raw") {
      bytes = view(data, "The key data").slice();
    } else if (format === "jwk" && kind !== "derive") {
      checkJWK(data, extractable, usages, "oct");
      bytes = fromBase64url(data.k);
    } else {
      throw error("NotSupportedError", `Unable to import ${a.name} key with format ${format}`);
    }
    const bits = bytes.length * 8;
    let algorithm = { name: a.name };
    if (kind === "hmac") {
      if (bits === 0) throw error("DataError", "Zero-length key is not supported");
      algorithm = { name: a.name, hash: { name: hashName(a.hash) }, length: bits };
    } else if (kind === "aes") {
      if (![128, 192, 256].includes(bits)) throw error("DataError", "Invalid key length");
      algorithm = { name: a.name, length: bits };
    } else if (extractable) {
      throw error("SyntaxError", `${a.name} keys cannot be extractable`);
    }
    if (format === "jwk" && data.alg !== undefined && data.alg !== jwkAlg(algorithm)) {
      throw error("DataError", "JWK \"alg\" does not match the requested algorithm");
    }
    return makeKey("secret", bytes, algorithm, extractable, usages);
  };
  const importPair = (format, data, a, extractable, usages) => {
    const { kind } = algorithms[a.name];
    const p = { algorithm: a.name, format, curve: a.namedCurve };
    let bytes;
    if (format === "jwk") {
      checkJWK(data, extractable, usages, { rsa: "RSA", ec: "EC", okp: "OKP" }[kind]);
      bytes = native.utf8Encode(JSON.stringify(data));
    } else if (["raw", "spki", "pkcs8"].includes(format)) {
      bytes = view(data, "The key data");
    } else {
      throw new TypeError(`'${format}' is not a valid key format`);
    }
    const k = callJSON("import", p, bytes);
    return makeKey(k.private ? "private" : "public", fromBase64(k.key), described(a, k), extractable, usages);
  };

  class SubtleCrypto {
    constructor(key) {
      if (key !== secret) throw new TypeError("Illegal constructor");
    }
    async digest(a, data) {
      return call("digest", { hash: hashName(a) }, view(data, "The data")).buffer;
    }
    async importKey(format, data, a, extractable, usages) {
      a = normal(a);
      usages = usageList(usages);
      return algorithms[a.name].secret ? importSecret(format, data, a, extractable, usages) : importPair(format, data, a, extractable, usages);
    }
    async exportKey(format, key) {
      if (!(key instanceof CryptoKey)) throw new TypeError("A CryptoKey is required");
      if (!key.extractable) throw error("InvalidAccessError", "key is not extractable");
      const b = keyBytes(key), common = { key_ops: [...key.usages], ext: key.extractable };
      const alg = jwkAlg(key.algorithm);
      if (alg !== undefined) common.alg = alg;
      if (key.type === "secret") {
        if (format === "raw") return b.slice().buffer;
        if (format === "jwk") return { ...common, kty: "oct", k: toBase64url(b) };
      } else if (["raw", "spki", "pkcs8", "jwk"].includes(format)) {
        if ((format === "pkcs8") !== (key.type === "private") && format !== "jwk") {
          throw error("InvalidAccessError", `Unable to export a ${key.type} key using ${format} format`);
        }
        const p = { format, private: key.type === "private" };
        return format === "jwk" ? { ...callJSON("export", p, b), ...common } : call("export", p, b).slice().buffer;
      }
      throw error("NotSupportedError", `Unable to export ${key.algorithm.name} ${key.type} key using ${format} format`);
    }
    async generateKey(a, extractable, usages) {
      randomness();
      a = normal(a);
      usages = usageList(usages);
      const { kind, public: pub, private: priv } = algorithms[a.name];
      if (kind === "hmac" || kind === "aes") {
        const hash = kind === "hmac" ? { name: hashName(a.hash) } : undefined;
        const length = kind === "aes" ? aesLength(a.length) : a.length === undefined ? digestBits[hash.name] : Number(a.length);
        if (!(length > 0) || length % 8 !== 0 || length > 65536) throw error("OperationError", "The length of the key is out of range");
        const bytes = new Uint8Array(length >> 3);
        native.randomFill(bytes);
        return makeKey("secret", bytes, hash ? { name: a.name, hash, length } : { name: a.name, length }, extractable, usages);
      }
      if (kind === "derive") throw error("NotSupportedError", `${a.name} keys cannot be generated`);
      if (usages.some((u) => !pub.includes(u) && !priv.includes(u))) throw error("SyntaxError", `Unsupported key usage for a ${a.name} key`);
      const p = { algorithm: a.name, curve: a.namedCurve };
      if (kind === "rsa") {
        hashName(a.hash);
        p.modulusLength = Number(a.modulusLength);
        p.publicExponent = view(a.publicExponent, "publicExponent").reduce((n, b) => n * 256 + b, 0);
      }
      const pair = callJSON("generate", p);
      const make = (type, may, k) => {
        const u = usages.filter((x) => may.includes(x));
        return new CryptoKey(secret, type, fromBase64(k.key), described(a, k), type === "public" || !!extractable, u);
      };
      const privateKey = make("private", priv, pair.privateKey);
      if (privateKey.usages.length === 0) throw error("SyntaxError", "Usages cannot be empty when creating a key.");
      return { publicKey: make("public", pub, pair.publicKey), privateKey };
    }
    async sign(a, key, data) {
      a = among(a, signers, "sign");
      need(key, "sign", a.name);
      if (a.name === "RSA-PSS") randomness();
      return call("sign", signParams(a, key), view(data, "The data")).buffer;
    }
    async verify(a, key, signature, data) {
      a = among(a, signers, "verify");
      need(key, "verify", a.name);
      const p = { ...signParams(a, key), signature: param(signature, "The signature") };
      return call("verify", p, view(data, "The data"))[0] === 1;
    }
    async encrypt(a, key, data) {
      a = among(a, ciphers, "encrypt");
      need(key, "encrypt", a.name);
      if (a.name === "RSA-OAEP") randomness();
      return call("encrypt", cipherParams(a, key), view(data, "The data")).buffer;
    }
    async decrypt(a, key, data) {
      a = among(a, ciphers, "decrypt");
      need(key, "decrypt", a.name);
      return call("decrypt", cipherParams(a, key), view(data, "The data")).buffer;
    }
    async deriveBits(a, key, length) {
      a = among(a, ["HKDF", "PBKDF2", "ECDH", "X25519"], "deriveBits");
      need(key, "deriveBits", a.name);
      return deriveBits(a, key, length).buffer;
    }
    async deriveKey(a, key, derived, extractable, usages) {
      a = among(a, ["HKDF", "PBKDF2", "ECDH", "X25519"], "deriveKey");
      derived = normal(derived);
      need(key, "deriveKey", a.name);
      const bits = deriveBits(a, key, derivedLength(derived));
      return importSecret("raw", bits, derived, extractable, usageList(usages));
    }
    async wrapKey() { return lx.notImplemented("wrapKey", "SubtleCrypto"); }
    async unwrapKey() { return lx.notImplemented("unwrapKey", "SubtleCrypto"); }
  }
  tag(SubtleCrypto);

  class Crypto {
    #subtle = new SubtleCrypto(secret);
    constructor(key) {
      if (key !== secret) throw new TypeError("Illegal constructor");
    }
    get subtle() {
      return this.#subtle;
    }
    getRandomValues(view) {
      lx.restricted?.("CryptoRng", "crypto")();
      if (!ArrayBuffer.isView(view) || view instanceof DataView || view instanceof Float32Array || view instanceof Float64Array) {
        throw new DOMException("The data must be an integer-type TypedArray", "TypeMismatchError");
      }
      if (view.byteLength > 65536) {
        throw new DOMException("The requested length exceeds 65,536 bytes", "QuotaExceededError");
      }
      native.randomFill(view);
      return view;
    }
    randomUUID() {
      lx.restricted?.("CryptoRng", "crypto")();
      const b = new Uint8Array(16);
      native.randomFill(b);
      b[6] = (b[6] & 15) | 64;
      b[8] = (b[8] & 63) | 128;
      let s = "";
      for (let i = 0; i < 16; i++) s += (i === 4 || i === 6 || i === 8 || i === 10 ? "-" : "") + hex[b[i]];
      return s;
    }
  }
  tag(Crypto);
  define("Crypto", Crypto);
  define("SubtleCrypto", SubtleCrypto);
  define("CryptoKey", CryptoKey);
  define("crypto", new Crypto(secret));
})
