// The web platform in functions, held against Node.js where both should agree.
import assert from "node:assert/strict";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { ConvexHttpClient } from "convex/browser";
import { anyApi } from "convex/server";
import { Lentil, portFlags, removeFolder, root, scratchApp } from "../lib/lentil.mjs";

const app = join(root, "conformance", "apps", "web");
const modules = join(root, "conformance", "node_modules");

export async function setUp() {
  const dir = scratchApp(app, modules);
  const lentil = await new Lentil(dir, await portFlags()).start();
  await lentil.cli(["dev", "--once", "--typecheck", "disable"]);
  return { dir, lentil, log: "", client: new ConvexHttpClient(lentil.info.url, { logger: false }) };
}

export async function tearDown({ dir, lentil }) {
  await lentil.stop();
  removeFolder(dir);
}

// Pairs of keys as JSON Web Keys, made by Node.js.
async function makeKeys() {
  const exponent = { modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) };
  const sign = { private: ["sign"], public: ["verify"] };
  const derive = { private: ["deriveBits", "deriveKey"], public: [] };
  const wanted = {
    "ECDSA P-256": [{ name: "ECDSA", namedCurve: "P-256" }, sign],
    "ECDSA P-384": [{ name: "ECDSA", namedCurve: "P-384" }, sign],
    "ECDSA P-521": [{ name: "ECDSA", namedCurve: "P-521" }, sign],
    "ECDH P-256": [{ name: "ECDH", namedCurve: "P-256" }, derive],
    "ECDH P-384": [{ name: "ECDH", namedCurve: "P-384" }, derive],
    Ed25519: [{ name: "Ed25519" }, sign],
    X25519: [{ name: "X25519" }, derive],
    "RSASSA-PKCS1-v1_5": [{ name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" }, sign],
    "RSA-PSS": [{ name: "RSA-PSS", hash: "SHA-384" }, sign],
    "RSA-OAEP": [{ name: "RSA-OAEP", hash: "SHA-256" }, { private: ["decrypt"], public: ["encrypt"] }],
  };
  const out = {};
  for (const [name, [algorithm, use]] of Object.entries(wanted)) {
    const full = algorithm.name.startsWith("RSA") ? { ...algorithm, ...exponent } : algorithm;
    const pair = await crypto.subtle.generateKey(full, true, [...use.private, ...use.public]);
    const plain = async (key) => {
      const { key_ops, ext, alg, ...rest } = await crypto.subtle.exportKey("jwk", key);
      return rest;
    };
    out[name] = { algorithm, use, privateKey: await plain(pair.privateKey), publicKey: await plain(pair.publicKey) };
  }
  return out;
}

// Undefined members and the order of keys and usages do not count. Node.js 20 knows no alg for Ed25519, and calls one
// error of the specification by a name of its own.
const plain = (value) => JSON.parse(JSON.stringify(value, (k, v) =>
  v === "InvalidAccessException" ? "InvalidAccessError" :
  v && typeof v === "object" && !Array.isArray(v)
    ? Object.fromEntries(Object.entries(v).filter(([k, x]) => !(k === "alg" && /^(Ed25519|EdDSA)$/.test(x))).map(([k, x]) => [k, k === "key_ops" || k === "usages" ? [...x].sort() : x]).sort())
    : v));

// Programs of platform.js whose result here is not that of Node.js 20, with the reason.
const differs = {
  text: "Node.js 20 decodes bytes 0x80 to 0x9f of latin1 as controls; the Encoding standard has windows-1252",
};

export const scenarios = {
  async "the web platform behaves as in Node.js"({ client }) {
    const { programs, runAll } = await import(join(app, "convex", "platform.js"));
    const want = await runAll();
    const have = {};
    for (const name of Object.keys(programs)) {
      try {
        Object.assign(have, JSON.parse(await client.action(anyApi.run.platform, { names: [name] })));
      } catch (error) {
        have[name] = error.message;
      }
    }
    const wrong = Object.keys(programs).filter((n) => !(n in differs) && !isDeepStrictEqual(have[n], want[n]));
    assert.equal(wrong.map((n) => `${n}:\n  here ${JSON.stringify(have[n])}\n  node ${JSON.stringify(want[n])}`).join("\n"), "");
  },

  async "SubtleCrypto computes what Node.js computes"({ client }) {
    const keys = await makeKeys();
    const { compute } = await import(join(app, "convex", "crypto.js"));
    const want = plain(await compute(keys));
    const have = plain(await client.action(anyApi.run.computeInAction, { keys }));
    assert.deepEqual(Object.keys(have).sort(), Object.keys(want).sort());
    for (const name of Object.keys(want)) {
      assert.deepEqual(have[name], want[name], name);
    }
  },

  async "Node.js verifies signatures made with keys made in an action"({ client }) {
    const { data, made } = await client.action(anyApi.run.makeInAction, {});
    for (const { algorithm, jwk, signature, private: secret } of made) {
      const key = await crypto.subtle.importKey("jwk", jwk, algorithm, false, ["verify"]);
      const how = { name: algorithm.name, hash: "SHA-256", saltLength: 20 };
      const bytes = (hex) => Buffer.from(hex, "hex");
      assert.equal(await crypto.subtle.verify(how, key, bytes(signature), bytes(data)), true, JSON.stringify(algorithm));
      await crypto.subtle.importKey("jwk", secret, algorithm, false, ["sign"]);
    }
    assert.equal(made.length, 7);
  },

  async "queries compute, but make no keys; what is missing cannot be caught"({ client }) {
    const { size, refused } = await client.query(anyApi.run.inQuery, {});
    assert.equal(size, 17);
    assert.match(refused, /^Can't use cryptographic randomness in queries and mutations\. Please consider using an action\./);
    await assert.rejects(client.action(anyApi.run.wraps, {}), /Not implemented: wrapKey for SubtleCrypto\. Consider calling an action defined in Node\.js/);
  },
};
