// The same app, with the document's middleware.ts on Next.js 15 and the older major versions of the package for Next.js. They
// take turns over one house: what is pushed and written down is the same for both.
import { holds, same } from "../lib/check.mjs";
import { atBoard, close, live, openOlder, serveOlder, signIn, signUp, suggest } from "../lib/nextjs.mjs";

export const setUp = openOlder;
export const tearDown = close;

/** The app's way through, shorter than the example's own. */
const way = (major, ...flags) => async (house) => {
  await serveOlder(house, major, flags);
  const [adas, bobs] = [`ada@version${major}.example`, `bob@version${major}.example`];
  const [red, leek] = [`Red lentil soup ${major}`, `Leek and potato ${major}`];
  const ada = await signUp(house, adas);
  await suggest(ada.page, red);
  await live(ada.page);
  const html = await (await ada.page.request.get(`${house.url}/board`)).text();
  const shown = html.slice(0, html.indexOf("<script>self.__next_f") >>> 0);
  holds(shown.includes(adas) && shown.includes(red), `the page without script: ${shown}`);
  const bob = await signUp(house, bobs);
  await suggest(bob.page, leek);
  await ada.page.getByText(leek, { exact: true }).waitFor();
  await bob.page.getByText("Open a kitchen").click();
  await bob.page.getByLabel("Name of the kitchen").fill("Harbour");
  await bob.page.getByRole("button", { name: "Open", exact: true }).click();
  await bob.page.locator(".kitchens > span", { hasText: "Harbour" }).waitFor();
  await bob.page.getByText(red).waitFor({ state: "detached" });
  await ada.page.getByRole("button", { name: "Sign out" }).click();
  await ada.page.waitForURL(`${house.url}/`);
  await ada.page.getByRole("link", { name: "Sign in" }).waitFor();
  const again = await signIn(house, adas);
  same(again.page.url(), `${house.url}/board`);
  await again.page.reload();
  await atBoard(again.page, adas);
  same([...ada.person.problems, ...bob.person.problems, ...again.person.problems], []);
  await Promise.all([ada, bob, again].map(({ person }) => person.close()));
};

export const scenarios = {
  "authkit-nextjs 2 on Next.js 15, built by Turbopack": way(2, "--turbopack"),
  "authkit-nextjs 3 on Next.js 15, built by webpack": way(3),
};
