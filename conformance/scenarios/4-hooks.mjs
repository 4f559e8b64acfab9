// The React hooks in a real browser.
import { build } from "esbuild";
import { createServer } from "node:http";
import { join } from "node:path";
import { newPerson, openBrowser } from "../lib/browser.mjs";
import { same } from "../lib/check.mjs";
import { Lentil, portFlags, removeFolder, root, scratchApp, until } from "../lib/lentil.mjs";

export async function setUp() {
  const base = join(root, "conformance");
  const dir = scratchApp(join(base, "apps", "contract"), join(base, "node_modules"));
  const lentil = await new Lentil(dir, await portFlags()).start();
  await lentil.cli(["dev", "--once", "--typecheck", "disable"]);
  const bundle = await build({
    entryPoints: [join(base, "apps", "react", "index.tsx")],
    bundle: true,
    write: false,
    format: "esm",
    jsx: "automatic",
    define: { "process.env.NODE_ENV": '"production"' },
  });
  const script = bundle.outputFiles[0].text;
  const pages = createServer((request, response) => {
    const js = request.url.startsWith("/app.js");
    response.writeHead(200, { "content-type": js ? "text/javascript" : "text/html" });
    response.end(js ? script : '<!doctype html><link rel="icon" href="data:,"><div id="root"></div><script type="module" src="/app.js"></script>');
  });
  await new Promise((done) => pages.listen(0, "127.0.0.1", done));
  const browser = await openBrowser();
  return { lentil, dir, pages, browser, url: `http://127.0.0.1:${pages.address().port}/?convex=${encodeURIComponent(lentil.info.url)}` };
}

export async function tearDown(house) {
  await house?.browser.close();
  house?.pages.close();
  await house?.lentil.stop();
  house && removeFolder(house.dir);
}

export const scenarios = {
  "useQuery, useMutation and useAction": async (house) => {
    const person = await newPerson(house.browser);
    const [one, two] = [await person.newPage(), await person.newPage()];
    await one.goto(house.url);
    await two.goto(house.url);
    await one.getByRole("button", { name: "send" }).click();
    for (const page of [one, two]) {
      await page.getByText("from a hook").waitFor();
    }
    await one.getByRole("button", { name: "wait" }).click();
    await until("the action", async () => (await one.locator("#waited").innerText()) === "10");
    same(person.problems, []);
    await person.close();
  },

  "usePaginatedQuery loads page by page and follows changes": async (house) => {
    const person = await newPerson(house.browser);
    const page = await person.newPage();
    await page.goto(house.url);
    const shown = async () => await page.locator("#pages").innerText();
    const status = async () => await page.locator("#status").innerText();
    await until("an empty list", async () => (await status()) === "Exhausted");
    await page.getByRole("button", { name: "fill" }).click();
    await until("the rows", async () => (await shown()) === "0 1 2 3 4 5 6 7");
    await page.reload();
    await until("the first page", async () => (await shown()) === "0 1 2" && (await status()) === "CanLoadMore");
    await page.getByRole("button", { name: "more" }).click();
    await until("the second page", async () => (await shown()) === "0 1 2 3 4 5");
    await page.getByRole("button", { name: "more" }).click();
    await until("the end", async () => (await shown()) === "0 1 2 3 4 5 6 7" && (await status()) === "Exhausted");
    same(person.problems, []);
    await person.close();
  },
};
