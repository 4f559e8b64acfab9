// crypto: random numbers from the invocation's seed, and the part of
// SubtleCrypto that the host computes.
(function (lx) {
  "use strict";
  const { native, define, tag } = lx;
  const { TypeError, Symbol, Uint8Array, ArrayBuffer, JSON, DOMException, Map } = globalThis;
  const secret = Symbol();
  const hex = Array.from({ length: 256 }, (_, i) => (i < 16 ? "0" : "") + i.toString(16));

  const call = (op, args, body) => native.syncHost(op, JSON.stringify(args), body).buffer;
  const algorithm = (a) => (typeof a === "string" ? { name: a } : { ...a });
  const hashName = (h) => {
    const name = algorithm(h).name?.toUpperCase();
    if (!["SHA-1", "SHA-256", "SHA-384", "SHA-512"].includes(name)) {
      throw new DOMException(`Unrecognized algorithm name: ${algorithm(h).name}`, "NotSupportedError");
    }
    return name;
  };

  class CryptoKey {
    #bytes;
    constructor(key, type, bytes, algorithm, extractable, usages) {
      if (key !== secret) throw new TypeError("Illegal constructor");
      this.#bytes = bytes;
      Object.assign(this, { type, algorithm, extractable, usages });
    }
    static bytes(k) {
      return k.#bytes;
    }
  }
  const keyBytes = CryptoKey.bytes;
  delete CryptoKey.bytes;
  tag(CryptoKey);

  const fromBase64url = (s) => Uint8Array.from(atob(s.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const toBase64url = (b) => btoa(native.latin1(b)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const need = (key, usage, name) => {
    if (!(key instanceof CryptoKey)) throw new TypeError("A CryptoKey is required");
    if (!key.usages.includes(usage)) throw new DOMException(`The key may not be used to ${usage}`, "InvalidAccessError");
    if (key.algorithm.name !== name) throw new DOMException("The key is of another algorithm", "InvalidAccessError");
  };
  const hmac = (a) => {
    if (algorithm(a).name?.toUpperCase() !== "HMAC") return false;
    return true;
  };
  const other = (op, a) => lx.notImplemented(`${op} with ${algorithm(a).name}`, "SubtleCrypto");

  class SubtleCrypto {
    constructor(key) {
      if (key !== secret) throw new TypeError("Illegal constructor");
    }
    async digest(a, data) {
      return call("digest", { hash: hashName(a) }, lx.view(data));
    }
    async importKey(format, data, a, extractable, usages) {
      a = algorithm(a);
      if (!hmac(a)) return other("importKey", a);
      let bytes;
      if (format === "raw") bytes = lx.view(data).slice();
      else if (format === "jwk" && data?.kty === "oct") bytes = fromBase64url(data.k);
      else throw new DOMException("The key format is not supported", "NotSupportedError");
      if (bytes.length === 0) throw new DOMException("Zero-length key is not supported", "DataError");
      const hash = { name: hashName(a.hash) };
      return new CryptoKey(secret, "secret", bytes, { name: "HMAC", hash, length: bytes.length * 8 }, !!extractable, [...usages]);
    }
    async exportKey(format, key) {
      if (!key.extractable) throw new DOMException("The key is not extractable", "InvalidAccessError");
      const b = keyBytes(key);
      if (format === "raw") return b.slice().buffer;
      if (format === "jwk") {
        return { kty: "oct", k: toBase64url(b), alg: "HS" + key.algorithm.hash.name.slice(4), ext: true, key_ops: [...key.usages] };
      }
      throw new DOMException("The key format is not supported", "NotSupportedError");
    }
    async generateKey(a, extractable, usages) {
      if (native.kind() !== lx.ACTION) lx.actionOnly("cryptographic randomness");
      a = algorithm(a);
      if (!hmac(a)) return other("generateKey", a);
      const hash = hashName(a.hash);
      const bytes = new Uint8Array((a.length ?? (hash === "SHA-1" || hash === "SHA-256" ? 512 : 1024)) >> 3);
      native.randomFill(bytes);
      return new CryptoKey(secret, "secret", bytes, { name: "HMAC", hash: { name: hash }, length: bytes.length * 8 }, !!extractable, [...usages]);
    }
    async sign(a, key, data) {
      if (!hmac(a)) return other("sign", a);
      need(key, "sign", "HMAC");
      return call("hmac", { hash: key.algorithm.hash.name, key: toBase64url(keyBytes(key)) }, lx.view(data));
    }
    async verify(a, key, signature, data) {
      if (!hmac(a)) return other("verify", a);
      need(key, "verify", "HMAC");
      const want = new Uint8Array(call("hmac", { hash: key.algorithm.hash.name, key: toBase64url(keyBytes(key)) }, lx.view(data)));
      const have = lx.view(signature);
      let diff = want.length ^ have.length;
      for (let i = 0; i < want.length; i++) diff |= want[i] ^ have[i];
      return diff === 0;
    }
    async encrypt(a) { return other("encrypt", a); }
    async decrypt(a) { return other("decrypt", a); }
    async deriveBits(a) { return other("deriveBits", a); }
    async deriveKey(a) { return other("deriveKey", a); }
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
