// A browser whose app does not keep the refresh token itself (authkit-js outside of devMode): the cookie of the sign-in
// service does, for an app on the same domain, in ten tabs, offline and over crashes.
import { join } from "node:path";
import { WorkOS } from "@workos-inc/node";
import { enterPassword, newPerson, openBrowser } from "../lib/browser.mjs";
import { holds, same } from "../lib/check.mjs";
import { House } from "../lib/house.mjs";
import { root, until } from "../lib/lentil.mjs";
import { bundle, serve } from "../lib/page.mjs";

const password = "correct horse battery staple";

// Names below localhost are this machine's to the browser, and secure, but not what authkit-js takes for development.
const app = "app.lentil.localhost";
const auth = "auth.lentil.localhost";

export async function setUp() {
  const house = await House.open();
  const { authkitUrl, apiKey, clientId } = house.lentil.info;
  const port = Number(new URL(authkitUrl).port);
  const options = JSON.stringify({ clientId, apiHostname: auth, port });
  house.page = await serve(await bundle(join(root, "conformance", "apps", "grants", "page.mjs"), { target: "es2022" }), () => `<script type="application/json" id="options">${options}</script>`);
  house.app = house.page.url.replace("127.0.0.1", app);
  house.api = `http://${auth}:${port}`;
  const ask = async (method, path, body) => {
    const answer = await fetch(authkitUrl + path, { method, headers: { Authorization: `Bearer ${apiKey}`, "Content-Type": "application/json" }, body: JSON.stringify(body) });
    holds(answer.ok, `${method} ${path}: ${answer.status} ${await answer.text()}`);
  };
  await ask("PATCH", "/_lentil/v1/settings", { authentication_domain: `${auth}:${port}` });
  await ask("POST", "/user_management/redirect_uris", { uri: `${house.app}/` });
  await ask("POST", "/user_management/cors_origins", { origin: house.app });
  const workos = new WorkOS(apiKey, { apiHostname: "127.0.0.1", port, https: false, clientId });
  house.user = await workos.userManagement.createUser({ email: "ada@example.com", password, emailVerified: true });
  house.workos = workos;
  house.browser = await openBrowser();
  return house;
}

export async function tearDown(house) {
  await house?.browser?.close();
  await house?.page?.close();
  await house?.close();
}

const who = (page) => page.locator("#user").textContent();
const refresh = (page) => page.evaluate(() => window.refresh());

/** Ten tabs of a person who is signed in. */
async function tabs(house, n) {
  const person = await newPerson(house.browser);
  const first = await person.newPage();
  await first.goto(house.app);
  same(await who(first), "nobody");
  await first.getByRole("button", { name: "Sign in" }).click();
  await enterPassword(first, "ada@example.com", password);
  await first.getByText("ada@example.com").waitFor();
  const pages = [first];
  await Promise.all(Array.from({ length: n - 1 }, async () => {
    const page = await person.newPage();
    pages.push(page);
    await page.goto(house.app);
    same(await who(page), "ada@example.com");
  }));
  return { person, pages };
}

export const scenarios = {
  "the refresh token is a cookie that script cannot see": async (house) => {
    const { person, pages: [page] } = await tabs(house, 1);
    const cookies = await person.cookies(`${house.api}/user_management/authenticate`);
    const secret = cookies.find((c) => c.name.startsWith("lentil_refresh_"));
    holds(secret?.httpOnly && secret.domain === auth && secret.path === "/user_management/authenticate", JSON.stringify(cookies));
    const visible = await page.evaluate(() => [document.cookie, JSON.stringify(localStorage)]);
    holds(visible[0].includes("workos-has-session=") && !visible.join().includes(secret.value), visible.join());
    await page.reload();
    same(await who(page), "ada@example.com", "after a reload");
    await person.close();
  },

  "ten tabs refresh at once, again and again": async (house) => {
    const { person, pages } = await tabs(house, 10);
    for (let round = 0; round < 5; round++) {
      same(await Promise.all(pages.map(refresh)), pages.map(() => "ok"), `round ${round}`);
    }
    same(await Promise.all(pages.map((p) => p.evaluate(() => window.seen.failures))), pages.map(() => 0));
    // Without the lock between tabs, as in browsers that have none.
    const raw = `fetch("${house.api}/user_management/authenticate", { method: "POST", credentials: "include", headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ client_id: "${house.lentil.info.clientId}", grant_type: "refresh_token" }) }).then((r) => r.status)`;
    same(await Promise.all(pages.flatMap((p) => [p.evaluate(raw), p.evaluate(raw)])), Array(20).fill(200));
    await person.close();
  },

  "offline, and over a crash in the midst of ten refreshes, nobody is signed out": async (house) => {
    const { person, pages } = await tabs(house, 10);
    await person.setOffline(true);
    holds((await refresh(pages[0])) !== "ok", "a refresh went well without a network");
    await person.setOffline(false);
    same(await refresh(pages[0]), "ok", "online again");
    const asked = pages.map(refresh);
    await house.lentil.crashAndRestart();
    await Promise.all(asked); // some of them fail: that is what crashes do
    await until("all tabs to refresh", async () => (await Promise.all(pages.map(refresh))).every((r) => r === "ok"));
    same(await Promise.all(pages.map((p) => p.evaluate(() => window.seen.failures))), pages.map(() => 0), "tabs told to sign in again");
    await Promise.all(pages.map((p) => p.reload()));
    same(await Promise.all(pages.map(who)), pages.map(() => "ada@example.com"));
    same((await house.workos.userManagement.listSessions(house.user.id)).data[0].status, "active");
    await person.close();
  },

  "a device is signed in from a browser, and refused": async (house) => {
    const device = async () => {
      const post = async (path, values) => await (await fetch(`${house.api.replace(auth, "127.0.0.1")}${path}`, { method: "POST", body: new URLSearchParams({ client_id: house.lentil.info.clientId, ...values }) })).json();
      const d = await post("/user_management/authorize/device");
      return { ...d, poll: () => post("/user_management/authenticate", { grant_type: "urn:ietf:params:oauth:grant-type:device_code", device_code: d.device_code }) };
    };
    const { person, pages: [page] } = await tabs(house, 1);
    const tv = await device();
    same(new URL(tv.verification_uri).hostname, auth, "people know the environment by its own domain");
    await page.goto(tv.verification_uri);
    await page.getByLabel("Code").fill("BBBBBBBB");
    await page.getByTestId("continue").click();
    await page.getByText("This code is not right").waitFor();
    await page.getByLabel("Code").fill(tv.user_code.toLowerCase().replace("-", " "));
    await page.getByTestId("continue").click();
    // Signed in already: only the question is left, with the code to compare.
    same(await page.getByTestId("shown-code").textContent(), tv.user_code);
    await page.getByText("ada@example.com").waitFor();
    await page.getByTestId("allow").click();
    await page.getByTestId("device-allowed").waitFor();
    const granted = await tv.poll();
    same([granted.user?.email, Boolean(granted.refresh_token)], ["ada@example.com", true], JSON.stringify(granted));
    const radio = await device();
    await page.goto(radio.verification_uri_complete);
    await page.getByTestId("continue").click();
    await page.getByTestId("deny").click();
    await page.getByTestId("device-denied").waitFor();
    same((await radio.poll()).error, "access_denied");
    await person.close();
  },

  "signing out in one tab is for all, and leaves no cookie": async (house) => {
    const { person, pages: [one, two] } = await tabs(house, 2);
    await one.getByRole("button", { name: "Sign out" }).click();
    await one.getByText("nobody").waitFor();
    same((await person.cookies([house.app, `${house.api}/user_management/authenticate`])).filter((c) => /refresh|has-session/.test(c.name)), []);
    await two.reload();
    same(await who(two), "nobody");
    await person.close();
  },
};
