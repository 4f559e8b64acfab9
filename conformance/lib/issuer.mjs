// An issuer of tokens: keys, signatures, and for OIDC the addresses where its keys are found.
import { createSign, generateKeyPairSync, sign } from "node:crypto";
import { outside } from "./outside.mjs";

const encode = (json) => Buffer.from(typeof json === "string" ? json : JSON.stringify(json)).toString("base64url");

/** A key with its id: { alg, kid, sign(data), jwk }. */
export function newKey(alg, kid) {
  const pair = alg === "ES256" ? generateKeyPairSync("ec", { namedCurve: "P-256" }) : generateKeyPairSync("rsa", { modulusLength: 2048 });
  return {
    alg,
    kid,
    jwk: { ...pair.publicKey.export({ format: "jwk" }), alg, kid, use: "sig" },
    sign: (data) =>
      alg === "ES256" ? sign("sha256", Buffer.from(data), { key: pair.privateKey, dsaEncoding: "ieee-p1363" }) : createSign("RSA-SHA256").update(data).sign(pair.privateKey),
  };
}

/** A signed token; claims are completed with iat and exp. */
export function token(key, claims, { ttl = 3600, header = {} } = {}) {
  const now = Math.floor(Date.now() / 1000);
  const data = `${encode({ alg: key.alg, kid: key.kid, typ: "JWT", ...header })}.${encode({ iat: now, exp: now + ttl, ...claims })}`;
  return `${data}.${key.sign(data).toString("base64url")}`;
}

/** Keys as a data URI, for providers whose keys are written down. */
export const dataURI = (...keys) => `data:text/plain;charset=utf-8;base64,${Buffer.from(JSON.stringify({ keys: keys.map((k) => k.jwk) })).toString("base64")}`;

/** An OIDC issuer; its keys may be replaced while it runs. */
export async function openIssuer(...keys) {
  const issuer = { keys };
  const service = await outside((request, response) => {
    response.setHeader("Content-Type", "application/json");
    switch (request.url) {
      case "/.well-known/openid-configuration":
        return response.end(JSON.stringify({ issuer: issuer.url, jwks_uri: `${issuer.url}/jwks`, authorization_endpoint: `${issuer.url}/authorize`, response_types_supported: ["code"], subject_types_supported: ["public"], id_token_signing_alg_values_supported: ["RS256"] }));
      case "/jwks":
        return response.end(JSON.stringify({ keys: issuer.keys.map((k) => k.jwk) }));
    }
    response.writeHead(404).end("{}");
  });
  return Object.assign(issuer, { url: service.url, requests: service.requests, close: service.close, token: (claims, options) => token(issuer.keys[0], { iss: service.url, ...claims }, options) });
}
