// The one command: `lentil dev --start 'npm run dev'` for the Next.js example, with the official CLI watching the functions and
// Next.js the pages; with the document's middleware.ts, whose name Next.js 16 still reads.
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { openBrowser } from "../lib/browser.mjs";
import { same } from "../lib/check.mjs";
import { Lentil, freePort, portFlags, removeFolder, until, write } from "../lib/lentil.mjs";
import { copyWithPackages, documentFiles, example, live, movePort, signUp, suggest } from "../lib/nextjs.mjs";

const edit = (path, from, to) => write(path, readFileSync(path, "utf8").replace(from, to));

export const scenarios = {
  "lentil dev --start 'npm run dev': app, functions and sign-in come up, follow edits, and go": async () => {
    const dir = copyWithPackages(example);
    const port = await freePort();
    movePort(dir, port);
    rmSync(join(dir, "proxy.ts"));
    write(join(dir, "middleware.ts"), documentFiles()["middleware.ts"]);
    const lentil = await new Lentil(dir, [...(await portFlags()), "--start", "npm run dev"]).start();
    const browser = await openBrowser();
    try {
      const house = { lentil, browser, url: `http://localhost:${port}` };
      await until("the app", async () => (await fetch(house.url)).ok);
      const { person, page } = await signUp(house, "ada@example.com");
      await suggest(page, "Red lentil soup");
      await live(page);
      edit(join(dir, "components", "Title.tsx"), "Soup board", "Stew board");
      await page.getByRole("heading", { name: "Stew board" }).waitFor();
      edit(join(dir, "convex", "board.ts"), "author: author.name,\n", "author: author.name,\n      hot: true,\n");
      edit(join(dir, "components", "Board.tsx"), ">{row.text}<", '>{row.text}{"hot" in row && " (hot)"}<');
      await page.getByText("Red lentil soup (hot)", { exact: true }).waitFor();
      same(person.problems, []);
    } finally {
      await browser.close();
      same(await lentil.stop(), 0, "the exit code");
      await until("the app to be gone", async () => !(await fetch(`http://localhost:${port}`).catch(() => false)));
      removeFolder(dir);
    }
  },
};
