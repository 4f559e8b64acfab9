// A certificate for tests, signed by itself: X.509 (RFC 5280) written by hand, because Node.js can only read it.
import { createHash, generateKeyPairSync, sign, randomBytes } from "node:crypto";

/** One element of DER: a tag, its length, its content. */
function der(tag, ...parts) {
  const body = Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part, "latin1") : part)));
  const length = body.length < 128 ? [body.length] : body.length < 256 ? [0x81, body.length] : [0x82, body.length >> 8, body.length & 255];
  return Buffer.concat([Buffer.from([tag, ...length]), body]);
}

const sequence = (...parts) => der(0x30, ...parts);
const oid = (hex) => der(0x06, Buffer.from(hex, "hex"));
const time = (date) => der(0x18, date.toISOString().replace(/[-:T]|\.\d+/g, ""));
const name = (text) => sequence(der(0x31, sequence(oid("550403"), der(0x0c, text))));
const extension = (id, critical, value) => sequence(oid(id), ...(critical ? [der(0x01, Buffer.from([0xff]))] : []), der(0x04, value));
const pem = (label, bytes) => `-----BEGIN ${label}-----\n${bytes.toString("base64").replace(/.{64}/g, "$&\n")}\n-----END ${label}-----\n`;

/** A certificate for host names; `keyHash` is what Chromium's --ignore-certificate-errors-spki-list wants. */
export function issue(hosts, { days = 30 } = {}) {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const key = publicKey.export({ type: "spki", format: "der" });
  const algorithm = sequence(oid("2a8648ce3d040302")); // ecdsa-with-SHA256
  const now = Date.now();
  const body = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))), // version 3
    der(0x02, Buffer.concat([Buffer.from([1]), randomBytes(15)])),
    algorithm,
    name("a test of Lentil"),
    sequence(time(new Date(now - 3_600_000)), time(new Date(now + days * 86_400_000))),
    name("a test of Lentil"),
    key,
    der(0xa3, sequence(
      extension("551d13", true, sequence(der(0x01, Buffer.from([0xff])))), // a CA, so that it can be trusted by itself
      extension("551d11", false, sequence(...hosts.map((host) => der(0x82, host)))),
    )),
  );
  const certificate = sequence(body, algorithm, der(0x03, Buffer.from([0]), sign("sha256", body, privateKey)));
  return {
    certificate: pem("CERTIFICATE", certificate),
    key: privateKey.export({ type: "pkcs8", format: "pem" }),
    keyHash: createHash("sha256").update(key).digest("base64"),
  };
}
