// The dashboard in a real browser: every page, what it lets people do, that it is live, and that it keeps to its own rules.
import { ConvexHttpClient } from "convex/browser";
import { readFileSync } from "node:fs";
import { enterPassword } from "../lib/browser.mjs";
import { contains, holds, lacks, same } from "../lib/check.mjs";
import { breaches, calm, closeDashboard, keepBaselines, link, looksAsBefore, openDashboard, owner, visit } from "../lib/dashboard.mjs";
import { until } from "../lib/lentil.mjs";

export const setUp = openDashboard;
export const tearDown = closeDashboard;

const png = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAAFklEQVR4nGP8z8Dwn4GBgYGJAQoAHgQCAQ2mMlIAAAAASUVORK5CYII=", "base64");
const alerted = (page, words) => page.getByTestId("alert").filter({ hasText: words }).first().waitFor();
const main = (page) => page.locator("main").innerText();
const notice = (page, words) => page.locator("#notice").getByText(words).waitFor();

/** Every page of a house; those of a deployment begin with "@". */
const pages = {
  "projects": "/", "team": "/t/my-team", "members": "/t/my-team/-/members", "project": "/t/my-team/my-project", "you": "/you",
  "health": "@/health", "data": "@/data?table=breads", "data-edit": "@/data?table=breads&new=1", "functions": "@/functions", "function": "@/functions?fn=breads:list&args={}&run=1",
  "logs": "@/logs?pause=1", "schedules": "@/schedules", "variables": "@/variables", "files": "@/files", "history": "@/history", "backups": "@/backups", "settings": "@/settings",
  "not-found": "/nothing-here",
};

export const scenarios = {
  "every page looks as it did, in the light, in the dark and on a phone, and keeps to the rules": async (house) => {
    const modes = { light: {}, dark: { colorScheme: "dark" }, phone: { viewport: { width: 390, height: 780 } } };
    const wrong = [];
    for (const [mode, options] of Object.entries(modes)) {
      const page = await owner(house, options);
      for (const [name, path] of Object.entries(pages)) {
        await page.goto(path.startsWith("@") ? house.here + path.slice(1) : house.dash + path);
        await page.locator("body[data-ready]").waitFor();
        if (name === "function") {
          await page.getByTestId("result").waitFor();
        }
        wrong.push(...(await breaches(page)).map((w) => `${name} (${mode}): ${w}`));
        wrong.push(...(await looksAsBefore(house, page, `${name} ${mode}`)));
      }
      calm(page);
      await page.context().close();
    }
    const stranger = await house.browser.newPage();
    await stranger.goto(`${house.here}/data`);
    same(new URL(stranger.url()).pathname, "/sign-in");
    await stranger.locator("body[data-ready]").waitFor();
    wrong.push(...(await breaches(stranger)).map((w) => `sign-in: ${w}`), ...(await looksAsBefore(house, stranger, "sign-in light")));
    await stranger.close();
    keepBaselines();
    same(wrong, []);
  },

  "a link signs in once; a used one and a wrong one say what to do": async (house) => {
    const url = link(house);
    const page = await house.browser.newPage();
    await page.goto(`${house.here}/logs?level=WARN`);
    await page.getByLabel("The link").fill("nonsense");
    await page.getByRole("button", { name: "Sign in" }).click();
    await alerted(page, "lentil dashboard");
    await page.getByLabel("The link").fill(url);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.waitForURL(`${house.here}/logs?level=WARN`); // where they wanted to go
    const other = await house.browser.newPage();
    await other.goto(url);
    contains(await main(other), "used already");
    await page.getByLabel("You: ").click();
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("heading", { name: "Sign in to this house" }).waitFor();
    await page.goto(`${house.here}/logs`);
    same(new URL(page.url()).pathname, "/sign-in");
    await page.close();
    await other.close();
  },

  "a mutation of the official client is on the page at once; what is being typed stays": async (house) => {
    const page = await owner(house);
    await visit(house, page, "/data?table=breads");
    const value = page.getByLabel("Value");
    await value.fill("half a wor");
    await value.evaluate((el) => el.setSelectionRange(2, 6));
    const client = new ConvexHttpClient(house.url, { logger: false });
    const { api } = await import("convex/server").then((m) => ({ api: m.anyApi }));
    await client.mutation(api.breads.bake, { name: "Ciabatta & <i>olives</i>", price: 4 });
    await page.getByRole("link", { name: "name: Ciabatta & <i>olives</i>. Edit" }).waitFor();
    same(await value.evaluate((el) => [el.value, el.selectionStart, el.selectionEnd, el === document.activeElement]), ["half a wor", 2, 6, true]);
    same(await page.locator("main i").count(), 0);

    // The same page in a second window changes with the first, and a query that is watched does, too.
    const watched = await page.context().newPage();
    await visit(house, watched, "/functions?fn=breads:list");
    await watched.getByLabel("Arguments").fill("{ cheaperThan: 3 }");
    await watched.getByRole("button", { name: "Watch it" }).click();
    await watched.getByText("live", { exact: true }).waitFor();
    lacks(await watched.getByTestId("result").innerText(), "Roll");
    await client.mutation(api.breads.bake, { name: "Roll", price: 0.5 });
    await watched.getByTestId("result").getByText("Roll").waitFor();
    calm(page);
    await page.context().close();
  },

  "what is typed stays when somebody else changes it, when the session ends, and when the house is away": async (house) => {
    const page = await owner(house, { timezoneId: "Asia/Tokyo" });
    const other = await owner(house);
    await house.run("breads:bake", { name: "Contested", price: 3 });
    const row = "/data?table=breads&f=name&o=eq&v=Contested";
    await visit(house, page, row);
    await page.getByRole("link", { name: "price: 3. Edit" }).click();
    const cell = page.getByLabel("Value of price");
    await cell.fill("4.5");
    await visit(house, other, row);
    await other.getByRole("link", { name: "price: 3. Edit" }).click();
    await other.getByLabel("Value of price").fill("9");
    await other.getByRole("button", { name: "Save" }).click();
    await notice(other, "Saved.");
    // The picture of the row has changed; the field that is typed in has not.
    await house.run("breads:bake", { name: "Contested", price: 5 });
    await page.getByRole("link", { name: "price: 5. Edit" }).waitFor();
    same(await cell.evaluate((el) => [el.value, el === document.activeElement]), ["4.5", true], "while it is typed");
    await page.getByRole("button", { name: "Save" }).click();
    await alerted(page, "meanwhile");
    same((await page.getByTestId("now").innerText()).trim(), "9");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByRole("link", { name: "price: 4.5. Edit" }).waitFor();

    // Times are those of the place where one looks.
    const made = page.locator("tbody time").first();
    same(await made.innerText(), await made.evaluate((el) => new Date(Date.parse(el.dateTime) + 9 * 3600_000).toISOString().slice(0, 23).replace("T", " ")));
    // A condition without a value keeps the next one's value in its place.
    await visit(house, page, "/data?table=breads&f=notes&o=unset&v=");
    await page.locator("#f").fill("name");
    await page.locator("#v").fill("Contested");
    await page.getByRole("button", { name: "Show" }).click();
    await page.locator(".chip", { hasText: "Contested" }).waitFor();
    same(await page.locator(".grid tbody tr").count(), 2);

    // Signed out in another window, and in again.
    await visit(house, page, "/data?table=bakers&new=1");
    const text = page.getByLabel("Fields, as JavaScript or JSON");
    await text.fill("{ name: 'Uli', shift: 'late' }");
    const away = await page.context().newPage();
    await away.goto(house.dash);
    await away.getByLabel("You: ").click();
    await away.getByRole("button", { name: "Sign out" }).click();
    await away.waitForURL(/sign-in/);
    await page.bringToFront();
    await page.getByRole("button", { name: "Add it" }).click();
    await page.getByRole("alert").getByText("not signed in any more").waitFor();
    same(await text.inputValue(), "{ name: 'Uli', shift: 'late' }");
    await away.goto(link(house));
    await away.waitForURL(`${house.dash}/`);
    await page.bringToFront();
    await page.route("**/data*", (route) => (route.request().method() === "POST" ? route.abort() : route.continue()));
    await page.getByRole("button", { name: "Add it" }).click();
    await page.getByRole("alert").getByText("nothing was sent").waitFor();
    await page.unroute("**/data*");
    await page.getByRole("button", { name: "Add it" }).click();
    await notice(page, "Added");
    await page.getByRole("link", { name: "name: Uli. Edit" }).waitFor();
    await other.context().close();
    await page.context().close();
  },

  "documents are edited, added, filtered and deleted; what the schema forbids is told": async (house) => {
    const page = await owner(house);
    await visit(house, page, "/data?table=breads&f=name&o=eq&v=Loaf+007");
    await page.getByRole("link", { name: "price: 2. Edit" }).click();
    const cell = page.getByLabel("Value of price");
    await cell.fill("'dear'");
    await page.getByRole("button", { name: "Save" }).click();
    await alerted(page, "price");
    same(await cell.inputValue(), "'dear'"); // what was typed is still there
    await cell.fill("2.75");
    await cell.press("Control+Enter");
    await page.getByRole("link", { name: "price: 2.75. Edit" }).waitFor();
    same((await house.run("breads:list", {})).find((b) => b.name === "Loaf 007").price, 2.75);

    await visit(house, page, "/data?table=bakers");
    await page.keyboard.press("n");
    const text = page.getByLabel("Fields, as JavaScript or JSON");
    await text.fill("{ name: 'Jo', shift: 'noon' }");
    await page.getByRole("button", { name: "Add it" }).click();
    await alerted(page, "noon");
    await text.fill("{ name: 'Jo', shift: }");
    await page.getByRole("button", { name: "Add it" }).click();
    await alerted(page, "Line 1, column 22");
    await text.fill("{ name: 'Jo', shift: 'late' }");
    await page.getByRole("button", { name: "Add it" }).click();
    await notice(page, "Added");
    await page.getByRole("link", { name: "name: Jo. Edit" }).waitFor();

    // Two people change one document: the later one is told.
    const edit = await page.locator("tr", { hasText: "Jo" }).getByRole("link", { name: /^Edit / }).getAttribute("href");
    const second = await page.context().newPage();
    await second.goto(house.dash + edit);
    await page.goto(house.dash + edit);
    await page.getByLabel("Fields").fill("{ name: 'Joan', shift: 'late' }");
    await page.getByRole("button", { name: "Save" }).click();
    await notice(page, "Saved");
    await second.getByLabel("Fields").fill("{ name: 'Joe', shift: 'late' }");
    await second.getByRole("button", { name: "Save" }).click();
    await alerted(second, "meanwhile");
    await second.close();

    await visit(house, page, "/data?table=bakers");
    await page.locator("tr", { hasText: "Joan" }).getByRole("checkbox").check();
    await page.getByRole("button", { name: "Delete the chosen" }).click();
    await page.getByRole("heading", { name: "Delete 1 document?" }).waitFor();
    await page.getByRole("button", { name: "Delete", exact: true }).click();
    await notice(page, "Deleted 1 document");
    same(await page.getByText("Joan").count(), 0);
    await page.locator("summary", { hasText: "Delete all documents" }).click();
    await page.getByLabel("Type bakers").fill("breads");
    await page.getByRole("button", { name: "Delete all" }).click();
    await alerted(page, "Type bakers");

    // Paging by an index, there and back, and a reference that leads to its document.
    await visit(house, page, "/data?table=breads&index=by_name&order=asc");
    const firstName = () => page.locator(".grid tbody tr").first().innerText();
    const first = await firstName();
    await page.getByRole("link", { name: "After" }).click();
    await until("the second page", async () => (await firstName()) !== first);
    await page.getByRole("link", { name: "Before" }).click();
    await until("the first page", async () => (await firstName()) === first);
    await page.locator("td.id a").first().click();
    await page.getByRole("heading", { name: "bakers" }).waitFor();
    contains(await main(page), "Ida");
    calm(page);
    await page.context().close();
  },

  "functions are run: with wrong arguments, with right ones, as somebody; logs show it live": async (house) => {
    const page = await owner(house);
    const logs = await page.context().newPage();
    await visit(house, logs, "/logs");
    await page.bringToFront(); // pages behind draw a picture a second
    await visit(house, page, "/functions?fn=breads:bake");
    contains(await main(page), "tags?: string[]");
    const args = page.getByLabel("Arguments");
    await args.fill("{ name: 'Bagel' }");
    await page.getByTestId("run").click();
    await page.getByTestId("result").waitFor();
    contains(await page.getByTestId("result").innerText(), "price");
    await args.fill("{ name: 'Bagel', price: }");
    await page.getByTestId("run").click();
    await alerted(page, "Line 1");
    await args.fill("{ name: 'Bagel', price: 30 }");
    await args.press("Control+Enter");
    await page.getByText("that is dear").waitFor();
    await logs.locator(".entries li", { hasText: "that is dear" }).waitFor();
    await args.fill("{ name: 'Bagel', price: -1 }");
    await page.getByTestId("run").click();
    await page.getByText("a bread costs something").first().waitFor();

    await visit(house, page, "/functions?fn=breads:whoAmI");
    await page.getByTestId("run").click();
    await page.getByTestId("result").getByText("nobody").waitFor();
    await page.locator("summary", { hasText: "Act as a user" }).click();
    await page.getByLabel("Identity").fill("{ email: 'ada@example.com' }");
    await page.getByTestId("run").click();
    await page.getByTestId("result").getByText("ada@example.com").waitFor();

    await logs.bringToFront();
    await logs.getByRole("button", { name: "Pause" }).click();
    await logs.getByRole("link", { name: "Go on" }).waitFor();
    await house.run("breads:scald").catch(() => {});
    await logs.getByRole("link", { name: "Go on" }).click();
    await logs.locator(".entries li", { hasText: "burnt" }).waitFor();
    await logs.getByLabel("Level").selectOption("ERROR");
    await until("errors alone", async () => (await logs.locator(".entries li", { hasText: "that is dear" }).count()) === 0);
    // An answer that comes after that of what was asked for later is nobody's any more.
    let overtaken;
    await logs.route(/\/logs\?.*q=burn&/, async (route) => ((overtaken ??= route) === route ? undefined : await route.continue()));
    await logs.getByLabel("Text").fill("burn");
    await until("a question that is not answered", () => overtaken);
    await logs.getByLabel("Text").fill("burnt");
    await logs.waitForURL(/q=burnt/);
    const late = logs.waitForResponse(/q=burn&/);
    await overtaken.continue();
    await (await late).finished();
    await logs.evaluate(() => new Promise((done) => setTimeout(done)));
    holds(logs.url().includes("q=burnt"), logs.url());
    await logs.locator(".entries a", { hasText: "breads:scald" }).first().click();
    await logs.getByRole("heading", { name: "breads:scald" }).waitFor();
    contains(await main(logs), "burnt"); // among the last errors
    calm(page);
    await page.context().close();
  },

  "variables are set, shown on demand, pasted and deleted; a refused token is explained": async (house) => {
    const page = await owner(house);
    await visit(house, page, "/variables");
    await page.getByLabel("Name", { exact: true }).fill("not a name");
    await page.getByLabel("Value", { exact: true }).fill("x");
    await page.getByRole("button", { name: "Set it" }).click();
    await alerted(page, "not a name");
    await page.getByLabel("Name", { exact: true }).fill("OVEN");
    await page.getByLabel("Value", { exact: true }).fill("hot & <b>");
    await page.getByRole("button", { name: "Set it" }).click();
    await notice(page, "OVEN is set");
    lacks(await page.content(), "hot &amp;");
    await page.getByRole("link", { name: "Show the value of OVEN" }).click();
    await page.getByText("hot & <b>").waitFor();
    await page.locator("summary", { hasText: "Paste a .env file" }).click();
    await page.getByLabel("Its text").fill("nothing here");
    await page.getByRole("button", { name: "Set them all" }).click();
    await alerted(page, "NAME=value");
    await page.getByLabel("Its text").fill("# bakery\nFLOUR=rye\nSALT='sea salt'\n");
    await page.getByRole("button", { name: "Set them all" }).click();
    await notice(page, "2 variables set");
    page.once("dialog", (d) => d.accept());
    await page.getByRole("button", { name: "Delete FLOUR" }).click();
    await notice(page, "FLOUR is gone");
    const list = await house.admin("/api/list_environment_variables");
    const names = Object.keys(list.environmentVariables ?? list);
    holds(names.includes("SALT") && names.includes("OVEN") && !names.includes("FLOUR"), `variables ${names}`);

    const refused = await fetch(`${house.url}/api/query`, {
      method: "POST", headers: { "Content-Type": "application/json", Authorization: `Bearer ${["{\"alg\":\"RS256\"}", "{\"iss\":\"https://elsewhere.example\",\"sub\":\"x\",\"exp\":4102444800}", "x"].map((p) => Buffer.from(p).toString("base64url")).join(".")}` },
      body: JSON.stringify({ path: "breads:list", args: {}, format: "json" }),
    });
    same(refused.status, 401);
    await visit(house, page, "/logs");
    await page.locator("summary", { hasText: "Refused lately" }).click();
    contains(await main(page), "https://elsewhere.example");
    calm(page);
    await page.context().close();
  },

  "files are stored, looked at, downloaded and deleted": async (house) => {
    const page = await owner(house);
    await visit(house, page, "/files");
    await page.getByLabel("Store a file").setInputFiles({ name: "dot.png", mimeType: "image/png", buffer: png });
    await page.getByRole("button", { name: "Store it" }).click();
    await notice(page, "Stored dot.png");
    await page.locator("tbody th a").click();
    const image = page.getByAltText(/The stored picture/);
    await image.waitFor();
    same(await image.evaluate(async (el) => (await el.decode(), el.naturalWidth)), 2);
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: /^Download / }).click()]);
    same(readFileSync(await download.path()), png);
    // A page that somebody stored does nothing on the dashboard's own address.
    await page.getByLabel("Store a file").setInputFiles({ name: "x.html", mimeType: "text/html", buffer: Buffer.from("<script>document.title='owned'</script>") });
    await page.getByRole("button", { name: "Store it" }).click();
    await notice(page, "Stored x.html");
    const raw = await page.locator("tbody a[download]").first().getAttribute("href");
    const other = await page.context().newPage();
    const answer = await other.goto(house.dash + raw.replace(/\?keep=1$/, ""));
    same(answer.headers()["content-type"], "text/plain; charset=utf-8");
    contains(answer.headers()["content-security-policy"], "sandbox");
    holds((await other.title()) !== "owned");
    await other.close();
    page.on("dialog", (d) => d.accept());
    for (const left of [1, 0]) {
      await page.getByRole("button", { name: /^Delete / }).first().click();
      await until("one file less", async () => (await page.locator("tbody tr").count()) === left);
    }
    await page.getByText("No file is stored").waitFor();
    calm(page);
    await page.context().close();
  },

  "schedules: what waits is canceled, a cron job runs now": async (house) => {
    const page = await owner(house);
    await visit(house, page, "/schedules");
    await house.run("breads:order", { name: "Never", in: 3_600_000 });
    const job = page.locator("tr", { hasText: "Never" });
    await job.getByRole("button", { name: "Cancel" }).click();
    await page.locator("tr", { hasText: "Never" }).getByText("canceled").waitFor();
    await page.getByRole("button", { name: "Run evening bread now" }).click();
    await page.locator("tr", { hasText: "Evening loaf" }).getByText("done").waitFor();
    contains(JSON.stringify(await house.run("breads:list", {})), "Evening loaf");
    calm(page);
    await page.context().close();
  },

  "settings and backups: a deploy key that works until it is revoked, an export, and what is asked before an import": async (house) => {
    const page = await owner(house);
    await visit(house, page, "/settings");
    await page.getByLabel("New key").fill("   ");
    await page.getByRole("button", { name: "Make it" }).first().click();
    await alerted(page, "say what it is for");
    await page.getByLabel("New key").fill("CI");
    await page.getByRole("button", { name: "Make it" }).first().click();
    const key = (await page.getByTestId("fresh").evaluate((el) => el.firstChild.textContent)).trim();
    const asked = () => fetch(`${house.url}/api/list_environment_variables`, { headers: { Authorization: `Convex ${key}` } });
    same((await asked()).status, 200);
    await page.reload();
    lacks(await page.content(), key);
    page.on("dialog", (d) => d.accept());
    await page.getByRole("button", { name: "Revoke" }).click();
    await notice(page, "is revoked");
    same((await asked()).status, 401);
    await page.getByLabel("New stream").fill("https://");
    await page.getByRole("button", { name: "Make it" }).nth(1).click().catch(() => {});
    contains(await page.getByLabel("New stream").evaluate((el) => el.validationMessage), "URL");

    await visit(house, page, "/backups");
    await page.getByRole("button", { name: "Make an export" }).click();
    const download = page.getByRole("link", { name: "Download" });
    await download.waitFor();
    const [file] = await Promise.all([page.waitForEvent("download"), download.click()]);
    const zip = readFileSync(await file.path());
    same(zip.subarray(0, 2).toString(), "PK");
    await page.getByLabel("Data that is there").selectOption("replace");
    await page.getByLabel("ZIP file").setInputFiles({ name: "backup.zip", mimeType: "application/zip", buffer: zip });
    await page.getByRole("button", { name: "Read it" }).click();
    await page.getByText("waits for you").waitFor();
    await page.getByRole("button", { name: "Import", exact: true }).click();
    await page.getByText("completed").waitFor();
    await page.getByLabel("ZIP file").setInputFiles({ name: "no.zip", mimeType: "application/zip", buffer: Buffer.from("no zip at all") });
    await page.getByRole("button", { name: "Read it" }).click();
    await page.getByText("failed").waitFor();
    calm(page);
    await page.context().close();
  },

  "with the keyboard alone: the palette, the sheet of shortcuts, pages, rows, and where the focus is": async (house) => {
    const page = await owner(house);
    await visit(house, page, "/health");
    await page.keyboard.press("Control+k");
    const find = page.getByRole("combobox", { name: "Go to" });
    await find.waitFor();
    await page.keyboard.type("bake bre");
    await page.getByRole("option", { name: /breads:bake/ }).waitFor();
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("ArrowUp");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "breads:bake" }).waitFor();
    await page.locator("body[data-ready]").waitFor();
    await page.keyboard.press("Control+k");
    await find.waitFor();
    await page.keyboard.type("no such thing");
    await page.getByText("Nothing has that name").waitFor();
    await page.keyboard.press("Escape");
    await until("the palette closed", () => page.locator("#palette").evaluate((d) => !d.open));
    await page.keyboard.press("?");
    await page.getByRole("heading", { name: "Keyboard shortcuts" }).waitFor();
    same(await breaches(page), []);
    await page.keyboard.press("Escape");
    await page.locator("body").press("g");
    await page.keyboard.press("d");
    await page.waitForURL(/\/data/);
    await visit(house, page, "/data?table=breads");
    await page.keyboard.press("j");
    await page.keyboard.press("j");
    const row = () => page.evaluate(() => [...document.querySelectorAll("[data-row]")].findIndex((r) => r.contains(document.activeElement)));
    same(await row(), 1);
    await page.keyboard.press("k");
    same(await row(), 0);
    await page.keyboard.press("e");
    await page.getByLabel("Fields, as JavaScript or JSON").waitFor();
    await until("the form has the focus", () => page.evaluate(() => document.activeElement.id === "doc"));
    await page.keyboard.press("Escape");
    await until("the form closed", async () => (await page.getByLabel("Fields, as JavaScript or JSON").count()) === 0);
    await page.keyboard.press("/");
    same(await page.evaluate(() => document.activeElement.id), "f");

    // Tab from the top: the first stop skips to the page, and every stop shows where it is.
    await visit(house, page, "/variables");
    await page.evaluate(() => document.activeElement.blur());
    await page.keyboard.press("Tab");
    same(await page.evaluate(() => document.activeElement.textContent), "Skip to the page");
    await page.keyboard.press("Enter");
    await until("the focus on the page", async () => (await page.evaluate(() => document.activeElement.id)) === "main");
    for (let i = 0; i < 12; i++) {
      await page.keyboard.press("Tab");
      const seen = await page.evaluate(() => {
        const el = document.activeElement;
        const s = getComputedStyle(el);
        return el === document.body || (s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 2) || s.boxShadow !== "none" ? "" : el.outerHTML.slice(0, 100);
      });
      same(seen, "", "focus that does not show");
    }
    calm(page);
    await page.context().close();
  },

  "an invited viewer makes an account on the hosted pages, sees everything, and changes nothing": async (house) => {
    const page = await owner(house);
    await page.goto(`${house.dash}/t/my-team/-/members`);
    await page.getByLabel("E-mail").fill("ada@localhost");
    await page.getByLabel("Role", { exact: true }).selectOption("viewer");
    await page.getByRole("button", { name: "Invite" }).click();
    await notice(page, "is in the team");
    const mail = await until("the invitation", async () => (await house.lentil.outbox("ada@localhost"))[0]);
    const invitation = /https?:\S+\/invite\?token=\S+/.exec(mail.text)[0];

    const hers = await house.browser.newContext();
    const ada = await hers.newPage();
    await ada.goto(invitation);
    await ada.getByLabel("Password").fill("correct horse battery staple");
    await ada.getByRole("button", { name: "Continue" }).click();
    await ada.waitForURL((u) => u.href.startsWith(house.dash) && u.pathname === "/");
    contains(await main(ada), "My project");
    contains(await main(ada), "viewer");
    for (const path of ["/data?table=breads", "/functions?fn=breads:list", "/variables", "/schedules", "/files", "/settings", "/backups"]) {
      await visit(house, ada, path);
      const forms = await ada.locator("main form[method=post]").count();
      same(forms, 0, `forms of ${path}`);
    }
    await visit(house, ada, "/variables?reveal=OVEN");
    lacks(await main(ada), "hot &");
    // What the page does not offer, the server does not do.
    await visit(house, ada, "/history");
    contains(await main(ada), "modules added or changed");
    contains(await main(ada), "WORKOS_API_KEY set"); // its name alone
    const status = await ada.evaluate(async (url) => {
      const secret = document.querySelector("form[action='/sign-out'] input[name=form]").value;
      return (await fetch(url, { method: "POST", body: new URLSearchParams({ form: secret, do: "set", name: "EVIL", value: "1" }) })).status;
    }, `${house.here}/variables`);
    same(status, 403);
    await ada.goto(`${house.dash}/sign-in`);
    same(new URL(ada.url()).pathname, "/"); // signed in already

    // A developer from now on: the page offers it without being loaded again.
    await visit(house, ada, "/schedules");
    same(await ada.getByRole("button", { name: /Run morning bread/ }).count(), 0);
    await page.getByLabel("Role of ada@localhost").selectOption("developer");
    await ada.getByRole("button", { name: /Run morning bread/ }).waitFor();
    // She comes back with her account, and is out when she is removed.
    await ada.getByLabel("You: ").click();
    await ada.getByRole("button", { name: "Sign out" }).click();
    await ada.getByTestId("with-account").click();
    await enterPassword(ada, "ada@localhost", "correct horse battery staple");
    await ada.waitForURL((u) => u.href.startsWith(house.dash) && u.pathname === "/");
    page.on("dialog", (d) => d.accept());
    await page.getByRole("button", { name: "Remove" }).click();
    await notice(page, "not in the team any more");
    await ada.waitForURL(/\/sign-in/);
    await hers.close();
    calm(page);
    await page.context().close();
  },

  "a project is made, with a production deployment of its own, and deleted again": async (house) => {
    const page = await owner(house);
    await page.goto(`${house.dash}/t/my-team`);
    await page.getByLabel("New project").fill("  ");
    await page.getByRole("button", { name: "Make it" }).click();
    await alerted(page, "name of a project");
    await page.getByLabel("New project").fill("Second shop");
    await page.getByRole("button", { name: "Make it" }).click();
    await page.getByRole("heading", { name: "Second shop" }).waitFor();
    await page.getByLabel("New deployment", { exact: true }).selectOption("prod");
    await page.getByRole("button", { name: "Make it", exact: true }).click();
    await page.getByRole("heading", { name: "Health" }).waitFor();
    await page.locator("body.production").waitFor();
    const address = await page.locator(".facts dd").first().evaluate((el) => el.firstChild.textContent);
    holds((await fetch(`${address}/version`)).ok, "the new deployment answers");
    await page.locator("[data-go=t]").click();
    await page.locator("summary", { hasText: "Delete the deployment" }).click();
    const name = new URL(page.url()).pathname.split("/")[2];
    await page.getByLabel(`Type ${name}`).fill("something");
    await page.getByRole("button", { name: "Delete", exact: true }).click();
    await alerted(page, `Type ${name}`);
    await page.getByLabel(`Type ${name}`).fill(name);
    await page.getByRole("button", { name: "Delete", exact: true }).click();
    await notice(page, "is gone");
    calm(page);
    await page.context().close();
  },

  "without script every form works, and a token of one's own lets a program in": async (house) => {
    const context = await house.browser.newContext({ javaScriptEnabled: false });
    const page = await context.newPage();
    await page.goto(link(house));
    await page.waitForURL(`${house.dash}/`); // by the page's own refresh
    await page.goto(`${house.here}/variables`);
    await page.getByLabel("Name", { exact: true }).fill("PLAIN");
    await page.getByLabel("Value", { exact: true }).fill("html");
    await page.getByRole("button", { name: "Set it" }).click();
    await notice(page, "PLAIN is set");
    await page.goto(`${house.dash}/you`);
    await page.getByLabel("New token").fill("a program");
    await page.getByRole("button", { name: "Make it" }).click();
    const token = (await page.getByTestId("fresh").innerText()).trim();
    const made = await fetch(`${house.dash}/-/link`, { method: "POST", headers: { Authorization: `Bearer ${token}` } });
    contains((await made.json()).url, "/sign-in/link/");
    await page.goto(`${house.dash}/you`);
    lacks(await page.content(), token);
    await context.close();
  },
};
