// The document's app for Next.js App Router in a production build, in a real browser: identity and data in the first paint,
// live changes, kitchens, tokens that are renewed under load, signing out, and what a person sees when a setting is wrong.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { enterPassword, newPerson } from "../lib/browser.mjs";
import { contains, holds, same } from "../lib/check.mjs";
import { binary, patience, until } from "../lib/lentil.mjs";
import { newUser, password } from "../lib/next.mjs";
import { atBoard, close, documentFiles, example, live, openExample, signIn, signUp, start, suggest } from "../lib/nextjs.mjs";

/** A page beside the example's, with what people do wrong and what they ask for. */
const trials = `
import { signOut } from "@workos-inc/authkit-nextjs";
import Link from "next/link";

export default function Trials() {
  return (
    <main>
      <Link href="/sign-in">By a link of Next.js</Link>
      <form action={async () => { "use server"; await signOut({ returnTo: process.env.NEXT_PUBLIC_WORKOS_REDIRECT_URI!.replace("/callback", "/?bye") }); }}>
        <button>Leave for a page</button>
      </form>
      <form action={async () => { "use server"; await signOut({ returnTo: "https://elsewhere.example/" }); }}>
        <button>Leave for elsewhere</button>
      </form>
    </main>
  );
}
`;

export async function setUp() {
  const house = await openExample({ "app/trials/page.tsx": trials });
  await newUser(house, "ada@example.com");
  await newUser(house, "bob@example.com");
  return house;
}
export const tearDown = close;

/** Writes down every moment at which a page that was live is not, or offers to sign in. */
const watch = (page) =>
  page.evaluate(() => {
    window.signedOut = [];
    new MutationObserver(() => {
      if (document.querySelector("ul[data-live=false], a[href='/sign-in']") || !document.querySelector(".who")) {
        window.signedOut.push(document.body.innerText);
      }
    }).observe(document.body, { childList: true, subtree: true, attributes: true });
  });

export const scenarios = {
  "the app's files are the document's, byte for byte": async () => {
    for (const [name, text] of Object.entries(documentFiles())) {
      if (name === "middleware.ts") {
        const withoutName = (code) => code.slice(code.indexOf("\n"));
        same(withoutName(readFileSync(join(example, "proxy.ts"), "utf8")), withoutName(text), name);
      } else {
        same(readFileSync(join(example, name), "utf8"), text, name);
      }
    }
    same(readFileSync(join(example, "convex", "auth.config.ts"), "utf8"), readFileSync(join(example, "../../conformance/apps/auth.config.document.ts"), "utf8"));
  },

  "every variable of the document is in .env.local, and where the house is": async (house) => {
    const { info } = house.lentil;
    same(house.env.WORKOS_CLIENT_ID, info.clientId);
    same(house.env.WORKOS_API_KEY, info.apiKey);
    holds(house.env.WORKOS_API_KEY.startsWith("sk_test_"), "a test key");
    holds(house.env.WORKOS_COOKIE_PASSWORD.length >= 32, "the cookie password's length");
    same(house.env.NEXT_PUBLIC_WORKOS_REDIRECT_URI, `${house.url}/callback`);
    same(house.env.NEXT_PUBLIC_CONVEX_URL, info.url);
    const { hostname, port } = new URL(info.authkitUrl);
    same([house.env.WORKOS_API_HOSTNAME, house.env.WORKOS_API_PORT, house.env.WORKOS_API_HTTPS], [hostname, port, "false"]);
  },

  "the house is started again under an open page: .env.local stays as it is, and nobody is signed out": async (house) => {
    const { person, page } = await signIn(house, "ada@example.com");
    await suggest(page, "Before the restart");
    await live(page);
    const before = readFileSync(join(house.dir, ".env.local"), "utf8");
    await house.lentil.stop();
    await house.lentil.start();
    same(readFileSync(join(house.dir, ".env.local"), "utf8"), before);
    await suggest(page, "After the restart");
    await page.reload();
    await atBoard(page, "ada@example.com");
    await page.getByText("Before the restart", { exact: true }).waitFor();
    same(page.url(), `${house.url}/board`);
    await person.close();
  },

  "the doctor finds nothing wrong but the link that the page of trials has": async (house) => {
    const { stdout } = spawnSync(binary, ["doctor", house.dir, "--json"], { encoding: "utf8" });
    const wrong = JSON.parse(stdout).findings.filter((f) => !["ok", "skipped"].includes(f.status));
    same(wrong.map((f) => f.id).filter((id) => id !== "node-version"), ["link-prefetch"], JSON.stringify(wrong));
  },

  "sign up on Lentil's page, and the first paint has who is there and what they see": async (house) => {
    const { person, page } = await signUp(house, "eva@example.com");
    await suggest(page, "Red lentil soup");
    await live(page);
    const html = await (await page.request.get(`${house.url}/board`)).text();
    const shown = html.slice(0, html.indexOf("<script>self.__next_f") >>> 0);
    contains(shown, "eva@example.com", "the page without script");
    contains(shown, "Red lentil soup", "the page without script");
    contains(shown, 'class="author">you<', "the page without script");
    // And what a browser makes of it that runs no script at all.
    const plain = await house.browser.newContext({ javaScriptEnabled: false, storageState: await person.storageState() });
    const quiet = await plain.newPage();
    await quiet.goto(`${house.url}/board`);
    await atBoard(quiet, "eva@example.com");
    await suggest(quiet, "Said without script");
    await plain.close();
    await page.getByText("Said without script", { exact: true }).waitFor();
    same(person.problems, []);
    await person.close();
  },

  "a protected page asks to sign in, and comes back": async (house) => {
    const { person, page } = await signIn(house, "ada@example.com");
    same(page.url(), `${house.url}/board`);
    await page.goto(house.url);
    await page.waitForURL(`${house.url}/board`);
    await person.close();
  },

  "a change of one person is in the other's window at once": async (house) => {
    const one = await signIn(house, "ada@example.com");
    const other = await signIn(house, "bob@example.com");
    await suggest(one.page, "Barley soup");
    await live(one.page);
    await live(other.page);
    await suggest(other.page, "Leek and potato");
    await one.page.getByText("Leek and potato", { exact: true }).waitFor();
    const heart = (page) => page.getByRole("button", { name: "Vote for Leek and potato" });
    await heart(one.page).click();
    await until("the vote", async () => (await heart(other.page).innerText()) === "♡ 1");
    await other.page.getByRole("button", { name: "Remove Leek and potato" }).click();
    await one.page.getByText("Leek and potato", { exact: true }).waitFor({ state: "detached" });
    same([...one.person.problems, ...other.person.problems], []);
    await one.person.close();
    await other.person.close();
  },

  "a kitchen is opened: its board is its own, by the token's organization": async (house) => {
    const { person, page } = await signUp(house, "cleo@example.com");
    await page.getByText("Open a kitchen").click();
    await page.getByLabel("Name of the kitchen").fill("Harbour");
    await page.getByRole("button", { name: "Open", exact: true }).click();
    await page.locator(".kitchens > span", { hasText: "Harbour" }).waitFor();
    same(await page.getByText("Red lentil soup").count(), 0);
    await suggest(page, "Fish soup");
    await live(page);
    await page.getByText("Open a kitchen").click();
    await page.getByLabel("Name of the kitchen").fill("Hill");
    await page.getByRole("button", { name: "Open", exact: true }).click();
    await page.locator(".kitchens > span", { hasText: "Hill" }).waitFor();
    await page.getByText("Fish soup").waitFor({ state: "detached" });
    await page.getByRole("button", { name: "Harbour" }).click();
    await page.locator(".kitchens > span", { hasText: "Harbour" }).waitFor();
    await page.getByText("Fish soup", { exact: true }).waitFor();
    same(person.problems, []);
    await person.close();
  },

  "tokens of ten seconds, pages, payloads and live changes at once for a while: nobody is signed out": async (house) => {
    await house.set({ access_token_lifetime: 10 });
    try {
      const { person, page } = await signIn(house, "ada@example.com");
      await suggest(page, "Soup of the hour");
      await live(page);
      await watch(page);
      const reloading = await person.newPage();
      const end = performance.now() + Number(process.env.LENTIL_SHORT_TOKENS_SECONDS ?? 20) * 1000;
      const seen = {};
      let reloads = 0;
      let votes = 0;
      // As long as that, and until enough has happened.
      const enough = () => seen.right > 50 && reloads > 3 && votes > 3;
      const on = () => performance.now() < end || (!enough() && performance.now() < end + patience);
      const ask = async (headers, wanted) => {
        while (on()) {
          const answer = await page.request.get(`${house.url}/board${headers.RSC ? "?_rsc" : ""}`, { headers, maxRedirects: 0 });
          const text = await answer.text();
          const what = answer.status() === 200 && text.includes(wanted) ? "right" : `${answer.status()} ${answer.headers().location ?? text.slice(0, 200)}`;
          seen[what] = (seen[what] ?? 0) + 1;
        }
      };
      await Promise.all([
        ask({}, "ada@example.com"),
        ask({}, "ada@example.com"),
        ask({ RSC: "1" }, "ada@example.com"),
        ask({ RSC: "1" }, "ada@example.com"),
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

  "a window that nobody touches for five minutes has its token renewed in time": async (house) => {
    const { person, page: first } = await signIn(house, "ada@example.com");
    await first.close();
    const page = await person.newPage();
    await page.clock.install();
    await page.goto(`${house.url}/board`);
    await page.clock.runFor(2000);
    await atBoard(page, "ada@example.com");
    await live(page); // it has asked for its first token
    const actions = [];
    page.on("request", (request) => request.method() === "POST" && actions.push(request.headers()["next-action"]));
    await page.clock.runFor(200_000);
    same(actions, [], "renewed while it is good");
    await page.clock.runFor(90_000); // the package's own timer comes and goes on the way
    await until("the token to be renewed", () => actions.length > 0);
    await person.close();
  },

  "signing out ends the session and comes back to the welcome page": async (house) => {
    const { person, page } = await signIn(house, "bob@example.com");
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.waitForURL(`${house.url}/`);
    await page.getByRole("link", { name: "Sign in" }).waitFor();
    await page.goto(`${house.url}/board`);
    await page.getByLabel("Email").waitFor();
    await enterPassword(page, "bob@example.com", password);
    await atBoard(page, "bob@example.com");
    await person.close();
  },

  "a sign-out leads where the app says if that is its own, else to its homepage": async (house) => {
    for (const [button, to] of [["Leave for a page", "/?bye"], ["Leave for elsewhere", "/"]]) {
      const { person, page } = await signIn(house, "bob@example.com");
      await page.goto(`${house.url}/trials`);
      await page.getByRole("button", { name: button }).click();
      await page.waitForURL(house.url + to);
      await page.getByRole("link", { name: "Sign in", exact: true }).waitFor();
      await person.close();
    }
  },

  "a sign-in that a Link of Next.js fetches ahead is answered readably, and the link still works": async (house) => {
    const { person, page } = await signIn(house, "bob@example.com");
    const fetched = page.waitForResponse((r) => r.url().includes("/user_management/authorize") && r.request().resourceType() === "fetch");
    await page.goto(`${house.url}/trials`);
    same((await fetched).status(), 400);
    // What the network panel shows of it; Next.js itself does not read that far.
    contains(await page.evaluate(async () => await (await fetch("/sign-in?_rsc", { headers: { RSC: "1" } })).text()), "<Link prefetch={false}>");
    same(person.problems.filter((p) => p.includes("CORS")), []);
    await page.getByRole("link", { name: "By a link of Next.js" }).click();
    await page.waitForURL(`${house.url}/board`); // the sign-in page knows Bob, so it sends him back at once
    await person.close();
  },

  "an action of somebody whose session is gone says what to do, and a reload asks to sign in": async (house) => {
    const { person, page } = await signIn(house, "bob@example.com");
    await suggest(page, "In time");
    await live(page); // without its script the page would send the form by itself
    const thrown = page.waitForEvent("pageerror");
    await person.clearCookies();
    await page.getByPlaceholder("Suggest a soup").fill("Too late");
    await page.getByRole("button", { name: "Suggest" }).click();
    contains((await thrown).message, "Reload the page to sign in again", "the error that Next.js throws");
    await page.reload();
    await enterPassword(page, "bob@example.com", password);
    await atBoard(page, "bob@example.com");
    same(await page.getByText("Too late").count(), 0);
    await person.close();
  },

  "a session that does not fit into a cookie is told to the developer": async (house) => {
    await house.api("PUT", "/user_management/jwt_template", { content: JSON.stringify({ filler: "x".repeat(2500) }) });
    try {
      const person = await newPerson(house.browser);
      const page = await person.newPage();
      await page.goto(`${house.url}/sign-in`);
      await enterPassword(page, "bob@example.com", password);
      await until("a warning in the server's log", () => house.lentil.log.includes("session too large for a cookie"));
      await person.close();
    } finally {
      await house.api("PUT", "/user_management/jwt_template", { content: "{}" });
    }
  },

  "wrong settings: what the person sees, and what the developer is told": async (house) => {
    const told = (words, log) => until(`"${words}" in the log`, () => log().includes(words));
    const asked = async (path) => {
      const answer = await fetch(house.url + path, { redirect: "manual", headers: { accept: "text/html" } });
      return { status: answer.status, location: answer.headers.get("location") };
    };
    const seen = async (url) => {
      const person = await newPerson(house.browser);
      const page = await person.newPage();
      await page.goto(url);
      const text = await page.locator("main, body").first().innerText();
      await person.close();
      return text;
    };
    try {
      await start(house, { WORKOS_COOKIE_PASSWORD: "too short" });
      same((await asked("/")).status, 500);
      await told("at least 32 characters", () => house.server.log);

      await start(house, { WORKOS_CLIENT_ID: "" });
      same((await asked("/board")).status, 500);
      await told("clientId is required", () => house.server.log);

      await start(house, { WORKOS_CLIENT_ID: "client_of_elsewhere" });
      const { location } = await asked("/board");
      contains(await seen(location), "client_of_elsewhere", "Lentil's page");
      contains(await seen(location), ".env.local", "Lentil's page");
      const other = new URL(location);
      other.searchParams.set("client_id", house.env.WORKOS_CLIENT_ID);
      other.searchParams.set("redirect_uri", "http://app.elsewhere.example/callback");
      contains(await seen(other.href), "http://app.elsewhere.example/callback", "Lentil's page");

      await start(house, { WORKOS_API_KEY: "sk_test_of_elsewhere" });
      const person = await newPerson(house.browser);
      const page = await person.newPage();
      await page.goto(`${house.url}/sign-in`);
      await enterPassword(page, "bob@example.com", password);
      await page.getByText("Something went wrong").waitFor();
      await told("Invalid client secret", () => house.server.log);
      await told("the app's API key was refused", () => house.lentil.log);
      await person.close();
    } finally {
      await start(house);
    }
  },
};
