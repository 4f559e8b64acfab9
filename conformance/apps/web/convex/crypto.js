// Computations with SubtleCrypto whose results do not depend on chance. The
// driver runs this file in Node.js, too, and compares.
const { subtle } = crypto;
const text = (s) => new TextEncoder().encode(s);
const hex = (b) => [...new Uint8Array(b)].map((x) => x.toString(16).padStart(2, "0")).join("");
const unhex = (s) => Uint8Array.from(s.match(/../g), (x) => parseInt(x, 16));
const seq = (n, from = 0) => Uint8Array.from({ length: n }, (_, i) => (from + i * 7) & 255);
const data = text("the quick brown fox, jumped over the lazy dog");
const hashes = ["SHA-1", "SHA-256", "SHA-384", "SHA-512"];
const thrown = async (f) => {
  try {
    await f();
    return "nothing";
  } catch (e) {
    return e.name;
  }
};
const about = (k) => ({ type: k.type, extractable: k.extractable, usages: [...k.usages], name: k.algorithm.name, curve: k.algorithm.namedCurve, hash: k.algorithm.hash?.name, length: k.algorithm.length, modulus: k.algorithm.modulusLength, exponent: k.algorithm.publicExponent && hex(k.algorithm.publicExponent) });

// keys: JSON Web Keys that the driver made, by algorithm.
export async function compute(keys) {
  const out = {};
  for (const h of hashes) {
    out["digest " + h] = hex(await subtle.digest(h, data));
    const k = await subtle.importKey("raw", seq(20), { name: "HMAC", hash: h }, true, ["sign", "verify"]);
    const s = await subtle.sign("HMAC", k, data);
    out["hmac " + h] = [hex(s), await subtle.verify("HMAC", k, s, data), await subtle.verify("HMAC", k, s, text("x")), await subtle.exportKey("jwk", k), about(k)];
    const p = await subtle.importKey("raw", text("password"), "PBKDF2", false, ["deriveBits", "deriveKey"]);
    out["pbkdf2 " + h] = hex(await subtle.deriveBits({ name: "PBKDF2", hash: h, salt: seq(8), iterations: 100 }, p, 264));
    const d = await subtle.importKey("raw", seq(32), "HKDF", false, ["deriveBits", "deriveKey"]);
    out["hkdf " + h] = hex(await subtle.deriveBits({ name: "HKDF", hash: h, salt: seq(8), info: text("info") }, d, 512));
    const derived = await subtle.deriveKey({ name: "HKDF", hash: h, salt: new Uint8Array(), info: new Uint8Array() }, d, { name: "AES-GCM", length: 256 }, true, ["encrypt"]);
    out["derived " + h] = [hex(await subtle.exportKey("raw", derived)), about(derived)];
    const mac = await subtle.deriveKey({ name: "PBKDF2", hash: h, salt: seq(3), iterations: 2 }, p, { name: "HMAC", hash: h }, true, ["sign"]);
    out["derived hmac " + h] = [hex(await subtle.exportKey("raw", mac)), about(mac)];
  }
  for (const bits of [128, 192, 256]) {
    const raw = seq(bits / 8);
    for (const name of ["AES-CBC", "AES-CTR", "AES-GCM"]) {
      const k = await subtle.importKey("raw", raw, name, true, ["encrypt", "decrypt"]);
      const forms = {
        "AES-CBC": [{ name, iv: seq(16) }],
        "AES-CTR": [{ name, counter: seq(16), length: 64 }, { name, counter: new Uint8Array(16).fill(255), length: 4 }, { name, counter: unhex("000102030405060708090a0b0cffffff"), length: 24 }, { name, counter: new Uint8Array(16).fill(255), length: 128 }],
        "AES-GCM": [{ name, iv: seq(12) }, { name, iv: seq(16), additionalData: text("more") }, { name, iv: seq(12), tagLength: 96 }],
      }[name];
      for (const [i, a] of forms.entries()) {
        for (const n of [0, 1, 16, data.length]) {
          const c = await subtle.encrypt(a, k, data.slice(0, n));
          out[`${name} ${bits} ${i} ${n}`] = [hex(c), hex(await subtle.decrypt(a, k, c))];
        }
      }
      const c = new Uint8Array(await subtle.encrypt(forms[0], k, data));
      c[c.length - 1] ^= 1;
      out[`${name} ${bits} broken`] = name === "AES-CTR" ? "" : await thrown(() => subtle.decrypt(forms[0], k, c));
      out[`${name} ${bits} jwk`] = [await subtle.exportKey("jwk", k), about(k)];
    }
  }
  for (const [name, { privateKey, publicKey, algorithm, use }] of Object.entries(keys)) {
    const priv = await subtle.importKey("jwk", privateKey, algorithm, true, use.private);
    const pub = await subtle.importKey("jwk", publicKey, algorithm, true, use.public);
    out[name] = [about(priv), about(pub), await subtle.exportKey("jwk", pub), await subtle.exportKey("jwk", priv)];
    const spki = await subtle.exportKey("spki", pub);
    const pkcs8 = await subtle.exportKey("pkcs8", priv);
    out[name + " der"] = [hex(spki), hex(pkcs8).length > 0];
    const again = await subtle.importKey("pkcs8", pkcs8, algorithm, true, use.private);
    out[name + " again"] = [await subtle.exportKey("jwk", again), about(await subtle.importKey("spki", spki, algorithm, false, use.public))];
    if (!algorithm.name.startsWith("RSA")) {
      const raw = await subtle.exportKey("raw", pub);
      out[name + " raw"] = [hex(raw), about(await subtle.importKey("raw", raw, algorithm, true, use.public))];
    }
    if (use.private.includes("sign")) {
      const a = { name: algorithm.name, hash: "SHA-256", saltLength: 32 };
      const s = await subtle.sign(a, priv, data);
      const fixed = algorithm.name === "Ed25519" || algorithm.name === "RSASSA-PKCS1-v1_5";
      out[name + " sign"] = [fixed ? hex(s) : s.byteLength, await subtle.verify(a, pub, s, data), await subtle.verify(a, pub, s, text("x")), await subtle.verify(a, pub, s.slice(1), data)];
    }
    if (use.private.includes("decrypt")) {
      const a = { name: algorithm.name, label: text("label") };
      const c = await subtle.encrypt(a, pub, text("secret"));
      out[name + " encrypt"] = [c.byteLength, hex(await subtle.decrypt(a, priv, c)), await thrown(() => subtle.decrypt({ ...a, label: text("other") }, priv, c))];
    }
    if (use.private.includes("deriveBits")) {
      out[name + " derive"] = [hex(await subtle.deriveBits({ name: algorithm.name, public: pub }, priv, 128)),
        hex(await subtle.exportKey("raw", await subtle.deriveKey({ name: algorithm.name, public: pub }, priv, { name: "AES-CBC", length: 256 }, true, ["encrypt"])))];
    }
  }
  const aesKey = await subtle.importKey("raw", seq(16), "AES-GCM", false, ["encrypt"]);
  out.refused = [
    await thrown(() => subtle.exportKey("raw", aesKey)),
    await thrown(() => subtle.decrypt({ name: "AES-GCM", iv: seq(12) }, aesKey, seq(32))),
    await thrown(() => subtle.encrypt({ name: "AES-CBC", iv: seq(16) }, aesKey, data)),
    await thrown(() => subtle.importKey("raw", seq(15), "AES-GCM", true, ["encrypt"])),
    await thrown(() => subtle.importKey("raw", seq(16), "AES-GCM", true, ["sign"])),
    await thrown(() => subtle.importKey("raw", seq(16), "AES-GCM", true, [])),
    await thrown(() => subtle.importKey("raw", seq(16), "AES-GCM", true, ["juggle"])),
    await thrown(() => subtle.importKey("raw", seq(16), "ROT-13", true, ["encrypt"])),
    await thrown(() => subtle.importKey("raw", seq(65), { name: "ECDSA", namedCurve: "P-256" }, true, ["verify"])),
    await thrown(() => subtle.importKey("spki", seq(65), { name: "Ed25519" }, true, ["verify"])),
    await thrown(() => subtle.importKey("raw", seq(16), "PBKDF2", true, ["deriveBits"])),
    await thrown(() => subtle.digest("MD5", data)),
    await thrown(() => subtle.sign("HMAC", aesKey, data)),
    await thrown(() => subtle.digest("SHA-256", "text")),
    await thrown(() => subtle.generateKey({ name: "AES-CBC", length: 100 }, true, ["encrypt"])),
    await thrown(() => subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, [])),
    await thrown(() => subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["encrypt"])),
    await thrown(() => new CryptoKey()),
  ];
  return out;
}

// Keys made here, and signatures and ciphers that the driver checks with its own.
export async function make() {
  const out = [];
  for (const [algorithm, usages] of [
    [{ name: "ECDSA", namedCurve: "P-256" }, ["sign", "verify"]],
    [{ name: "ECDSA", namedCurve: "P-384" }, ["sign", "verify"]],
    [{ name: "ECDSA", namedCurve: "P-521" }, ["sign", "verify"]],
    [{ name: "Ed25519" }, ["sign", "verify"]],
    [{ name: "RSASSA-PKCS1-v1_5", modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]), hash: "SHA-512" }, ["sign", "verify"]],
    [{ name: "RSA-PSS", modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]), hash: "SHA-256" }, ["sign", "verify"]],
    [{ name: "HMAC", hash: "SHA-384" }, ["sign", "verify"]],
  ]) {
    const made = await subtle.generateKey(algorithm, true, usages);
    const key = made.publicKey ?? made;
    const signature = await subtle.sign({ name: algorithm.name, hash: "SHA-256", saltLength: 20 }, made.privateKey ?? made, data);
    const { publicExponent, ...rest } = algorithm;
    out.push({ algorithm: rest, jwk: await subtle.exportKey("jwk", key), private: await subtle.exportKey("jwk", made.privateKey ?? made), signature: hex(signature) });
  }
  return { data: hex(data), made: out };
}
