// What the scenarios of the hosted sign-in pages share: the React app of the guide over a fresh house, an app without any
// script, the operator's calls, and an authenticator app.
import { createHash, createHmac, randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { WorkOS } from "@workos-inc/node";
import { scratchReactApp, serveVite } from "./app.mjs";
import { openBrowser } from "./browser.mjs";
import { holds } from "./check.mjs";
import { Lentil, freePort, portFlags, removeFolder, write } from "./lentil.mjs";

export const password = "correct horse battery staple";

/** The React app on a free port, Lentil and a browser. */
export async function openSignIn() {
  const dir = scratchReactApp();
  const port = await freePort();
  const config = join(dir, "convex.json");
  write(config, readFileSync(config, "utf8").replaceAll("localhost:5173", `localhost:${port}`));
  const lentil = await new Lentil(dir, await portFlags()).start();
  await lentil.cli(["dev", "--once"]);
  const vite = await serveVite(dir, port);
  const browser = await openBrowser();
  const plain = await openPlainApp(lentil);
  const at = new URL(lentil.info.authkitUrl);
  const workos = new WorkOS(lentil.info.apiKey, { clientId: lentil.info.clientId, apiHostname: at.hostname, port: Number(at.port), https: false });
  return { dir, lentil, vite, browser, plain, workos, url: vite.url };
}

export async function closeSignIn(house) {
  await house?.browser.close();
  await house?.vite.stop();
  await house?.plain.close();
  await house?.lentil.stop();
  house && removeFolder(house.dir);
}

/** One of Lentil's own calls, with the environment's key. */
export async function operator(house, method, path, body) {
  const answer = await fetch(`${house.lentil.info.authkitUrl}/_lentil/v1/${path}`, {
    method,
    headers: { Authorization: `Bearer ${house.lentil.info.apiKey}`, "Content-Type": "application/json" },
    body: body && JSON.stringify(body),
  });
  const text = await answer.text();
  holds(answer.ok, `${method} ${path}: ${answer.status} ${text}`);
  return JSON.parse(text);
}

/** What an authenticator app shows (RFC 6238), some steps from now. */
export function totp(secret, steps = 0) {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const bits = [...secret.replaceAll(/\s/g, "")].map((c) => alphabet.indexOf(c).toString(2).padStart(5, "0")).join("");
  const key = Buffer.from(bits.match(/.{8}/g).map((b) => parseInt(b, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + steps));
  const mac = createHmac("sha1", key).update(counter).digest();
  const at = mac[19] & 15;
  return String((mac.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}

/** A code that no app shows around now. */
export function wrongTotp(secret) {
  const near = [-2, -1, 0, 1, 2].map((n) => totp(secret, n));
  return ["000000", "111111", "222222", "333333", "444444", "555555"].find((c) => !near.includes(c));
}

/** An app without script: it sends the browser to authorize, and keeps what comes back. */
export async function openPlainApp(lentil) {
  const app = { arrivals: [] };
  const server = createServer((request, answer) => {
    const url = new URL(request.url, "http://localhost");
    if (url.pathname === "/callback") {
      app.arrivals.push(Object.fromEntries(url.searchParams));
    }
    answer.setHeader("Content-Type", "text/html").end(`<title>plain app</title><h1>${url.searchParams.has("code") ? "Signed in" : "Plain app"}</h1>`);
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  app.url = `http://localhost:${server.address().port}`;
  app.close = () => new Promise((done) => (server.closeAllConnections(), server.close(done)));
  const verifier = randomBytes(48).toString("base64url");
  app.authorize = (more = {}) => {
    const query = new URLSearchParams({
      client_id: lentil.info.clientId,
      redirect_uri: `${app.url}/callback`,
      response_type: "code",
      provider: "authkit",
      state: "plain state",
      code_challenge: createHash("sha256").update(verifier).digest("base64url"),
      code_challenge_method: "S256",
      ...more,
    });
    return `${lentil.info.authkitUrl}/user_management/authorize?${query}`;
  };
  /** Exchanges the code of the newest arrival. */
  app.redeem = async () => {
    const answer = await fetch(`${lentil.info.authkitUrl}/user_management/authenticate`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ client_id: lentil.info.clientId, grant_type: "authorization_code", code: app.arrivals.at(-1)?.code, code_verifier: verifier }),
    });
    return await answer.json();
  };
  return app;
}

/** The claims of an access token. */
export const claims = (token) => JSON.parse(Buffer.from(token.split(".")[1], "base64url").toString());

/** Waits for a page by the stable name of its form or text. */
export const at = (page, name) => page.getByTestId(name).waitFor();

/**
 * Gives a page an authenticator, as a laptop has one built in, whose person touches it at once. Where passkeys are suggested in
 * the address field they choose one if `suggested` says so: were the authenticator switched on only when the page stands there,
 * the page might ask for the suggestion a moment later, and be gone before its button is pressed.
 */
export async function authenticator(page) {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send("WebAuthn.enable");
  const { authenticatorId } = await cdp.send("WebAuthn.addVirtualAuthenticator", {
    options: { protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true },
  });
  const device = {
    suggested: false,
    set: (name, params) => cdp.send(`WebAuthn.${name}`, { authenticatorId, ...params }),
    credentials: async () => (await cdp.send("WebAuthn.getCredentials", { authenticatorId })).credentials,
  };
  await page.exposeFunction("takesSuggestions", () => device.suggested);
  await page.addInitScript(() => {
    const credentials = navigator.credentials; // there where passkeys are: on pages that are secure
    const get = credentials?.get.bind(credentials);
    const notChosen = ({ signal }) => new Promise((_, fail) => signal.addEventListener("abort", () => fail(signal.reason)));
    credentials && (credentials.get = async (options) => await (options.mediation !== "conditional" || (await window.takesSuggestions()) ? get : notChosen)(options));
  });
  return device;
}
