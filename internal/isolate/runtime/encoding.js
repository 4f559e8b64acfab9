// Text and bytes: TextEncoder, TextDecoder, atob, btoa.
(function (lx) {
  "use strict";
  const { native, define, tag } = lx;
  const { Uint8Array, ArrayBuffer, DataView, String, TypeError, RangeError, DOMException } = globalThis;

  // A view on whatever holds bytes.
  lx.view = (source) => {
    if (source === undefined) return new Uint8Array(0);
    if (ArrayBuffer.isView(source)) return new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
    try {
      return new Uint8Array(source instanceof ArrayBuffer || Object.prototype.toString.call(source) === "[object ArrayBuffer]" ? source : null.x);
    } catch {
      throw new TypeError("The argument must be an ArrayBuffer or a view on one");
    }
  };
  lx.concat = (chunks) => {
    let n = 0;
    for (const c of chunks) n += c.byteLength;
    const out = new Uint8Array(n);
    n = 0;
    for (const c of chunks) {
      out.set(c, n);
      n += c.byteLength;
    }
    return out;
  };

  class TextEncoder {
    get encoding() {
      return "utf-8";
    }
    encode(s = "") {
      return native.utf8Encode(`${s}`);
    }
    encodeInto(s, target) {
      let read = 0, written = 0;
      for (const c of `${s}`) {
        const b = native.utf8Encode(c);
        if (written + b.length > target.length) break;
        target.set(b, written);
        read += c.length;
        written += b.length;
      }
      return { read, written };
    }
  }
  tag(TextEncoder);
  define("TextEncoder", TextEncoder);

  const names = {
    "utf-8": "utf-8", utf8: "utf-8", "unicode-1-1-utf-8": "utf-8", "utf-16le": "utf-16le", "utf-16": "utf-16le",
    "utf-16be": "utf-16be", ascii: "windows-1252", "us-ascii": "windows-1252", latin1: "windows-1252",
    "iso-8859-1": "windows-1252", "windows-1252": "windows-1252",
  };
  const high = "€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8dŽ\x8f\x90‘’“”•–—˜™š›œ\x9džŸ"; // 0x80–0x9F of windows-1252

  // How many bytes at the end are the beginning of an unfinished character.
  const unfinished = (b) => {
    for (let i = 1; i <= 3 && i <= b.length; i++) {
      const c = b[b.length - i];
      if (c >= 0xc2 && c <= 0xf4) return i < (c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2) ? i : 0;
      if ((c & 0xc0) !== 0x80) return 0;
    }
    return 0;
  };

  class TextDecoder {
    #encoding;
    #fatal;
    #ignoreBOM;
    #rest = new Uint8Array(0);
    #begun = false;
    constructor(label = "utf-8", options = {}) {
      const name = names[`${label}`.trim().toLowerCase()];
      if (name === undefined) throw new RangeError(`The encoding label provided ('${label}') is invalid.`);
      this.#encoding = name;
      this.#fatal = !!options.fatal;
      this.#ignoreBOM = !!options.ignoreBOM;
    }
    get encoding() { return this.#encoding; }
    get fatal() { return this.#fatal; }
    get ignoreBOM() { return this.#ignoreBOM; }
    decode(input, options = {}) {
      let b = lx.view(input), s;
      if (this.#rest.length) b = lx.concat([this.#rest, b]);
      let keep = 0;
      if (options.stream) keep = this.#encoding === "utf-8" ? unfinished(b) : this.#encoding === "windows-1252" ? 0 : b.length % 2;
      this.#rest = b.slice(b.length - keep);
      b = b.subarray(0, b.length - keep);
      if (this.#encoding === "utf-8") {
        s = native.utf8Decode(b);
        if (this.#fatal && s.includes("\ufffd")) {
          const again = native.utf8Encode(s);
          const same = again.length === b.length && again.every((x, i) => x === b[i]);
          if (!same) throw new TypeError("The encoded data was not valid for encoding utf-8");
        }
      } else if (this.#encoding === "windows-1252") {
        s = native.latin1(b).replace(/[\x80-\x9f]/g, (c) => high[c.charCodeAt(0) - 0x80]);
      } else {
        const d = new DataView(b.buffer, b.byteOffset, b.byteLength);
        const little = this.#encoding === "utf-16le";
        const out = [];
        for (let i = 0; i + 1 < b.length; i += 2) out.push(String.fromCharCode(d.getUint16(i, little)));
        s = out.join("").toWellFormed() + (b.length % 2 ? "\ufffd" : "");
      }
      if (!this.#begun && !this.#ignoreBOM && s[0] === "\ufeff") s = s.slice(1);
      this.#begun = !!options.stream && (this.#begun || s.length > 0);
      return s;
    }
  }
  tag(TextDecoder);
  define("TextDecoder", TextDecoder);

  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const wrong = (m) => new DOMException(m, "InvalidCharacterError");
  define("btoa", function btoa(s) {
    s = `${s}`;
    const out = [];
    for (let i = 0; i < s.length; i += 3) {
      const a = s.charCodeAt(i), b = s.charCodeAt(i + 1), c = s.charCodeAt(i + 2);
      if (a > 255 || b > 255 || c > 255) throw wrong("The string to be encoded contains characters outside of the Latin1 range.");
      out.push(
        alphabet[a >> 2] + alphabet[((a & 3) << 4) | (b >> 4)] +
          (i + 1 < s.length ? alphabet[((b & 15) << 2) | (c >> 6)] : "=") + (i + 2 < s.length ? alphabet[c & 63] : "="),
      );
    }
    return out.join("");
  });
  const values = new Map([...alphabet].map((c, i) => [c, i]));
  define("atob", function atob(s) {
    s = `${s}`.replace(/[\t\n\f\r ]/g, "");
    if (s.length % 4 === 0) s = s.replace(/==?$/, "");
    if (s.length % 4 === 1) throw wrong("The string to be decoded is not correctly encoded.");
    const out = [];
    let bits = 0, n = 0;
    for (const c of s) {
      const v = values.get(c);
      if (v === undefined) throw wrong("The string to be decoded is not correctly encoded.");
      bits = ((bits << 6) | v) & 0xffffff;
      n += 6;
      if (n >= 8) {
        n -= 8;
        out.push(String.fromCharCode((bits >> n) & 255));
      }
    }
    return out.join("");
  });
})
