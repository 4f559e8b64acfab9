// The same app, with the document's middleware.ts on Next.js 15 and the older major versions of the package for Next.js.
import { holds, same } from "../lib/check.mjs";
import { atBoard, close, live, openOlder, signIn, signUp, suggest } from "../lib/nextjs.mjs";

/** The app's way through, shorter than the example's own. */
const way = (major, ...flags) => async () => {
  const house = await openOlder(major, flags);
  try {
    const ada = await signUp(house, "ada@example.com");
    await suggest(ada.page, "Red lentil soup");
    await live(ada.page);
    const html = await (await ada.page.request.get(`${house.url}/board`)).text();
    const shown = html.slice(0, html.indexOf("<script>self.__next_f") >>> 0);
    holds(shown.includes("ada@example.com") && shown.includes("Red lentil soup"), `the page without script: ${shown}`);
    const bob = await signUp(house, "bob@example.com");
    await suggest(bob.page, "Leek and potato");
    await ada.page.getByText("Leek and potato", { exact: true }).waitFor();
    await bob.page.getByText("Open a kitchen").click();
    await bob.page.getByLabel("Name of the kitchen").fill("Harbour");
    await bob.page.getByRole("button", { name: "Open", exact: true }).click();
    await bob.page.locator(".kitchens > span", { hasText: "Harbour" }).waitFor();
    await bob.page.getByText("Red lentil soup").waitFor({ state: "detached" });
    await ada.page.getByRole("button", { name: "Sign out" }).click();
    await ada.page.getByRole("link", { name: "Sign in" }).waitFor();
    same(ada.page.url(), `${house.url}/`);
    const again = await signIn(house, "ada@example.com");
    same(again.page.url(), `${house.url}/board`);
    await again.page.reload();
    await atBoard(again.page, "ada@example.com");
    same([...ada.person.problems, ...bob.person.problems, ...again.person.problems], []);
  } finally {
    await close(house);
  }
};

export const scenarios = {
  "authkit-nextjs 2 on Next.js 15, built by Turbopack": way(2, "--turbopack"),
  "authkit-nextjs 3 on Next.js 15, built by webpack": way(3),
};
