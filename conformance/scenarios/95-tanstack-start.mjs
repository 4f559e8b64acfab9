// The example for TanStack Start in a production build, in a real browser: identity and data in the first paint, live changes,
// tokens that are renewed under load, signing out.
import { spawnSync } from "node:child_process";
import { newPerson } from "../lib/browser.mjs";
import { contains, holds, same } from "../lib/check.mjs";
import { binary, patience, until } from "../lib/lentil.mjs";
import { newUser } from "../lib/next.mjs";
import { atBoard, live, signIn, signUp, suggest } from "../lib/nextjs.mjs";
import { closeTanStack, develop, openTanStack } from "../lib/tanstack.mjs";

export async function setUp() {
  const house = await openTanStack();
  await newUser(house, "ada@example.com");
  await newUser(house, "bob@example.com");
  return house;
}
export const tearDown = closeTanStack;

export const scenarios = {
  "every variable that the package reads is in .env.local": async (house) => {
    const { info } = house.lentil;
    const { hostname, port } = new URL(info.authkitUrl);
    same(
      ["WORKOS_CLIENT_ID", "WORKOS_API_KEY", "WORKOS_REDIRECT_URI", "VITE_CONVEX_URL", "WORKOS_API_HOSTNAME", "WORKOS_API_PORT", "WORKOS_API_HTTPS"].map((name) => house.env[name]),
      [info.clientId, info.apiKey, `${house.url}/callback`, info.url, hostname, port, "false"],
    );
    holds(house.env.WORKOS_COOKIE_PASSWORD.length >= 32, "the cookie password's length");
  },

  "the doctor finds nothing wrong": async (house) => {
    const { stdout } = spawnSync(binary, ["doctor", house.dir, "--json"], { encoding: "utf8" });
    const wrong = JSON.parse(stdout).findings.filter((f) => !["ok", "skipped"].includes(f.status));
    same(wrong.map((f) => f.id).filter((id) => id !== "node-version"), [], JSON.stringify(wrong));
  },

  "sign up on Lentil's page, and the first paint has who is there and what they see": async (house) => {
    const { person, page } = await signUp(house, "eva@example.com");
    same(page.url(), `${house.url}/board`);
    await live(page);
    await suggest(page, "Red lentil soup");
    const plain = await house.browser.newContext({ javaScriptEnabled: false, storageState: await person.storageState() });
    const quiet = await plain.newPage();
    await quiet.goto(`${house.url}/board`);
    await atBoard(quiet, "eva@example.com");
    await quiet.getByText("Red lentil soup", { exact: true }).waitFor();
    await plain.close();
    same(person.problems, []);
    await person.close();
  },

  "a change of one person is in the other's window at once": async (house) => {
    const one = await signIn(house, "ada@example.com"); // by way of the protected page, and back to it
    same(one.page.url(), `${house.url}/board`);
    const other = await signIn(house, "bob@example.com");
    await live(one.page);
    await live(other.page);
    await suggest(other.page, "Leek and potato");
    await one.page.getByText("Leek and potato", { exact: true }).waitFor();
    const heart = (page) => page.getByRole("button", { name: "Vote for Leek and potato" });
    await heart(one.page).click();
    await until("the vote", async () => (await heart(other.page).innerText()) === "♡ 1");
    same([...one.person.problems, ...other.person.problems], []);
    await one.person.close();
    await other.person.close();
  },

  "tokens of ten seconds, pages and live changes at once for a while: nobody is signed out": async (house) => {
    await house.set({ access_token_lifetime: 10 });
    try {
      const { person, page } = await signIn(house, "ada@example.com");
      await live(page);
      await suggest(page, "Soup of the hour");
      await page.evaluate(() => {
        window.signedOut = [];
        new MutationObserver(() => {
          if (document.querySelector("ul[data-live=false], a[href='/sign-in']") || !document.querySelector(".who")) {
            window.signedOut.push(document.body.innerText);
          }
        }).observe(document.body, { childList: true, subtree: true, attributes: true });
      });
      const reloading = await person.newPage();
      const end = performance.now() + Number(process.env.LENTIL_SHORT_TOKENS_SECONDS ?? 15) * 1000;
      const seen = {};
      let reloads = 0;
      let votes = 0;
      // As long as that, and until enough has happened.
      const enough = () => seen.right > 30 && reloads > 2 && votes > 3;
      const on = () => performance.now() < end || (!enough() && performance.now() < end + patience);
      const ask = async () => {
        while (on()) {
          const answer = await page.request.get(`${house.url}/board`, { maxRedirects: 0 });
          const what = answer.status() === 200 && (await answer.text()).includes("ada@example.com") ? "right" : `${answer.status()} ${answer.headers().location}`;
          seen[what] = (seen[what] ?? 0) + 1;
        }
      };
      await Promise.all([
        ask(),
        ask(),
        ask(),
        (async () => {
          for (; on(); reloads++) {
            await reloading.goto(`${house.url}/board`);
            await atBoard(reloading, "ada@example.com");
            await live(reloading);
          }
        })(),
        (async () => {
          const heart = page.getByRole("button", { name: "Vote for Soup of the hour" });
          for (; on(); votes++) {
            await heart.click();
            await until("the vote", async () => (await heart.innerText()) === (votes % 2 === 0 ? "♥ 1" : "♡ 0"));
          }
        })(),
      ]);
      same(Object.keys(seen), ["right"], `what ${JSON.stringify(seen)} requests saw`);
      holds(enough(), `${seen.right} requests, ${reloads} reloads and ${votes} votes`);
      same(await page.evaluate(() => window.signedOut), [], "moments without a signed-in connection");
      same(person.problems, []);
      await person.close();
    } finally {
      await house.set({ access_token_lifetime: null });
    }
  },

  "signing out ends the session and comes back to the welcome page": async (house) => {
    const { person, page } = await signIn(house, "bob@example.com");
    await live(page);
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.waitForURL(`${house.url}/`);
    await page.getByRole("link", { name: "Sign in" }).waitFor();
    await page.goto(`${house.url}/board`);
    await page.getByLabel("Email").waitFor();
    await person.close();
    const stranger = await newPerson(house.browser);
    contains((await stranger.request.get(`${house.url}/board`, { maxRedirects: 0 })).headers().location, "/sign-in");
    await stranger.close();
  },

  "the dev server keeps the session, on any Node.js": async (house) => {
    await develop(house);
    const { person, page } = await signIn(house, "ada@example.com");
    await live(page);
    same((await person.cookies(house.url)).filter((c) => c.name === "wos-session").length, 1, "the session's cookie");
    await person.close();
  },
};
