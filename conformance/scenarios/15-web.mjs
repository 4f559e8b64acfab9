// Apps with pages, in a real browser: a chat in React, a page rendered on the server, the plain client.
import { createRequire } from "node:module";
import { join } from "node:path";
import { newPerson, openBrowser } from "../lib/browser.mjs";
import { contains, fails, holds, same } from "../lib/check.mjs";
import { House } from "../lib/house.mjs";
import { until, write } from "../lib/lentil.mjs";
import { bundle, serve } from "../lib/page.mjs";
import { Proxy } from "../lib/proxy.mjs";

export async function setUp() {
  const house = await House.open();
  house.browser = await openBrowser();
  return house;
}

export async function tearDown(house) {
  await house?.browser?.close();
  await house?.close();
}

const texts = (page) => page.locator("li > span").allTextContents();

export const scenarios = {
  "chat: pages of messages, optimistic updates that come true or are taken back, two people": async (house) => {
    const dir = await house.push("chat");
    await house.run("chat:fill", { channel: "soup", count: 12 });
    const site = await serve(await bundle(join(dir, "web", "index.tsx")));
    const proxy = await new Proxy(house.url).start();
    const open = async (author, convex) => {
      const page = await (await newPerson(house.browser)).newPage();
      await page.goto(`${site.url}/?channel=soup&author=${author}&convex=${encodeURIComponent(convex)}`);
      return page;
    };
    const [ann, bob] = [await open("ann", proxy.url), await open("bob", house.url)];
    await until("the newest five", async () => (await texts(ann)).join() === "old 11,old 10,old 9,old 8,old 7");
    await ann.getByRole("button", { name: "Older" }).click();
    await until("ten", async () => (await texts(ann)).length === 10);
    await ann.getByRole("button", { name: "Older" }).click();
    await until("the end", async () => (await ann.locator("#status").textContent()) === "Exhausted");
    same((await texts(ann)).length, 12);

    await ann.getByPlaceholder("Message").pressSequentially("hello");
    await until("bob to see her type", async () => (await bob.locator("#typing").textContent()) === "ann");
    await ann.getByRole("button", { name: "Send" }).click();
    await until("bob to see it", async () => (await texts(bob))[0] === "hello");
    await until("nobody to type", async () => (await bob.locator("#typing").textContent()) === "");
    const shown = await ann.evaluate(() => window.shown);
    holds(shown.some((state) => state.startsWith("~hello|")), "hello was shown before the server had it");
    await until("the true one", async () => (await ann.evaluate(() => window.shown)).at(-1).startsWith("hello|"));
    same((await texts(ann)).length, 13);

    await bob.locator("li").first().getByRole("button", { name: "Like" }).click();
    await until("a like", async () => (await ann.locator("output").first().textContent()) === "1");
    holds(await bob.evaluate(() => window.shown.some((s) => s.startsWith("hello +1|"))), "the like was shown");
    holds(!(await bob.evaluate(() => window.shown.some((s) => s.includes("+2")))), "the like was never counted twice");

    await ann.getByPlaceholder("Message").fill("buy spam");
    await ann.getByRole("button", { name: "Send" }).click();
    await until("the refusal", async () => (await ann.locator("#rejected").textContent()) === "buy spam");
    await until("the list as before", async () => (await texts(ann))[0] === "hello");
    holds((await ann.evaluate(() => window.shown)).some((s) => s.startsWith("~buy spam|")), "spam was shown at first");

    // The connection is lost while she writes: what she wrote arrives once.
    proxy.deaf = true;
    await ann.getByPlaceholder("Message").fill("from the tunnel");
    await ann.getByRole("button", { name: "Send" }).click();
    await until("bob to see it", async () => (await texts(bob))[0] === "from the tunnel");
    proxy.deaf = false;
    proxy.cut();
    await until("ann to be told", async () => (await ann.evaluate(() => window.shown)).at(-1).startsWith("from the tunnel|hello"));
    same((await texts(bob)).filter((t) => t === "from the tunnel").length, 1);
    await bob.locator("li").first().getByRole("button", { name: "Delete" }).click();
    await until("it to be gone", async () => (await texts(ann))[0] === "hello");
    same((await texts(ann)).length, 13);
    same(ann.context().problems.filter((p) => !/WebSocket|rejected/.test(p)), []);
    await Promise.all([ann.context().close(), bob.context().close()]);
    await site.close();
    await proxy.stop();
  },

  "newsroom: preloaded on the server, hydrated, and live from then on": async (house) => {
    const dir = await house.push("newsroom");
    // The server's half, bundled as a framework would, with packages left to Node.
    const file = join(dir, "server.bundle.cjs");
    write(file, await bundle(join(dir, "web", "server.tsx"), { platform: "node", format: "cjs" }));
    const server = createRequire(file)(file);
    await server.write(house.url, "dal", "Dal <in> ten minutes");
    const page = await (await newPerson(house.browser)).newPage();
    const problems = page.context().problems;
    const rendered = await server.render(house.url, "dal");
    contains(rendered.html, "<h1>Dal &lt;in&gt; ten minutes</h1>");
    same([rendered.title, rendered.preloaded._name, rendered.preloaded._valueJSON.views], ["Dal <in> ten minutes", "articles:read", { $integer: "AAAAAAAAAAA=" }]);
    const data = JSON.stringify({ url: house.url, preloaded: rendered.preloaded }).replaceAll("<", "\\u003c");
    const site = await serve(await bundle(join(dir, "web", "client.tsx")), () => `<div id="root">${rendered.html}</div><script id="data" type="application/json">${data}</script>`);
    await page.goto(site.url);
    same(await page.locator("h1").textContent(), "Dal <in> ten minutes");
    await server.write(house.url, "dal", "Dal in eleven");
    await until("the new title", async () => (await page.locator("h1").textContent()) === "Dal in eleven");
    same(problems, [], "nothing to mend at hydration");
    same((await server.read(house.url, "dal")).views, 0n);
    same(await server.visit(house.url, "dal"), 1n);
    contains((await fails(() => server.render(house.url, "none"), "an article that is not there")).message, "no article none");
    await page.context().close();
    await site.close();
  },

  "values: every kind of value there and back, from a page of another origin": async (house) => {
    const dir = await house.push("values");
    const site = await serve(await bundle(join(dir, "web", "index.ts")));
    const page = await (await newPerson(house.browser)).newPage();
    await page.goto(`${site.url}/?convex=${encodeURIComponent(house.url)}`);
    same(await page.evaluate(() => window.roundTrips()), []);
    const refusals = await page.evaluate(() => window.refusals());
    contains(refusals.tooBig, "does not fit into a 64-bit signed integer");
    contains(refusals.date, "is not a supported Convex type");
    contains(refusals.dollar, "starts with a '$'");
    contains(refusals.deep, "nest");
    contains(refusals.long, "8192");
    await page.evaluate(() => window.watch("live"));
    await house.run("values:keep", { name: "live", value: "one" });
    await house.run("values:keep", { name: "live", value: [2] });
    await until("both", async () => (await page.evaluate(() => window.seen())).at(-1) === "[2]");
    contains((await house.cli(["data", "kept", "--format", "jsonl"])).stdout, 'Bytes("AAH+/w==")');
    await page.context().close();
    await site.close();
  },
};
