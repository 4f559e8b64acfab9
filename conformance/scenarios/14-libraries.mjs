// Apps that lean on libraries: convex-helpers and Zod; a monorepo with packages of every kind.
import { anyApi as api } from "convex/server";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { contains, fails, same } from "../lib/check.mjs";
import { House } from "../lib/house.mjs";
import { write } from "../lib/lentil.mjs";

export const setUp = () => House.open();
export const tearDown = (house) => house?.close();

export const scenarios = {
  "helpers: custom functions, triggers, row-level security, relationships, Zod": async (house) => {
    await house.push("helpers");
    const client = house.http();
    const cook = await client.mutation(api.recipes.cook, { name: "Ann" });
    const add = (title, minutes, level, tags = [], more = {}) => client.mutation(api.recipes.add, { cook, title, minutes, level, tags, ...more });
    const red = await add("Red soup", 40, "easy", [" Lentils", "WINTER"]);
    const stew = await add("A very long stew", 120, "hard", ["winter"], { source: "https://example.test/stew" });
    const dal = await add("Dal", 30, "hard");
    same(await client.query(api.recipes.show, { id: red }).then((r) => [r.title, r.cook.name, r.cook.published, r.tags]), ["Red soup", "Ann", 3, ["lentils", "winter"]]);
    contains((await fails(() => add("Fourth", 1, "easy"), "a fourth recipe")).message, "three recipes are enough");
    same(await client.query(api.recipes.byCook, { name: "Ann" }), ["Red soup", "A very long stew", "Dal"]);
    same(await client.query(api.recipes.byCook, { name: "Eve" }), null);
    same(await client.query(api.recipes.titles, { ids: [dal, red] }), ["Dal", "Red soup"]);
    const zod = (await fails(() => add("x", -1, "easy", ["a", "b", "c", "d"]), "three things that Zod minds")).data;
    same(zod.ZodError.map((issue) => issue.path.join(".")).sort(), ["minutes", "tags", "title"]);
    contains((await fails(() => add("Soup", 5, "impossible"), "an unknown level")).message, "ArgumentValidationError");
    await client.mutation(api.recipes.change, { id: dal, fields: { minutes: 35 } });

    const wordy = await client.query(api.recipes.wordy, { words: 2, paginationOpts: { cursor: null, numItems: 5 } });
    same([wordy.page.map((r) => r.title), wordy.isDone], [["Red soup", "A very long stew"], true]);
    const first = await client.query(api.recipes.twoPages, { cursors: [null, null] });
    const second = await client.query(api.recipes.twoPages, { cursors: first.map((p) => p.cursor) });
    same([first.map((p) => p.minutes), second.map((p) => p.minutes)], [[[40], [35]], [[], [120]]]);
    const merged = [];
    for (let cursor = null, done = false; !done; ) {
      const page = await client.query(api.recipes.quickest, { paginationOpts: { cursor, numItems: 2 } });
      merged.push(...page.page.map((r) => r.minutes));
      [cursor, done] = [page.continueCursor, page.isDone];
    }
    same(merged, [35, 40, 120]);

    await client.mutation(api.recipes.remove, { id: red });
    same((await client.query(api.recipes.show, { id: stew })).cook.published, 2);
    same(await client.query(api.recipes.changes, {}), ["insert", "insert", "insert", "update", "delete"]);
    contains((await fails(() => client.query(api.recipes.show, { id: red }), "a recipe that is gone")).message, "Could not find id");
    same(JSON.parse((await house.cli(["data", "recipeTags", "--format", "json"])).stdout).length, 1);

    const [mine, others] = ["11111111-aaaa", "22222222-bbbb"].map((sessionId) => ({ sessionId }));
    const draft = await client.mutation(api.recipes.draft, { ...mine, text: "secret" });
    await client.mutation(api.recipes.draft, { ...others, text: "theirs" });
    same([await client.query(api.recipes.drafts, mine), await client.query(api.recipes.drafts, others)], [["secret"], ["theirs"]]);
    await client.mutation(api.recipes.redraft, { ...mine, id: draft, text: "changed" });
    contains((await fails(() => client.mutation(api.recipes.redraft, { ...others, id: draft, text: "x" }), "a draft of others")).message, "no read access or doc does not exist");
    contains((await fails(() => client.mutation(api.recipes.draft, { ...others, text: "x", as: "11111111-aaaa" }), "a draft for others")).message, "insert access not allowed");

    const preflight = await fetch(`${house.siteUrl}/time`, { method: "OPTIONS", headers: { Origin: "https://cooks.example.test", "Access-Control-Request-Method": "GET" } });
    same([preflight.status, preflight.headers.get("access-control-allow-origin")], [204, "https://cooks.example.test"]);
    const time = await fetch(`${house.siteUrl}/time`, { headers: { Origin: "https://cooks.example.test" } });
    same([await time.json(), time.headers.get("access-control-allow-credentials")], [{ now: "number" }, "true"]);
    same((await fetch(`${house.siteUrl}/time`, { headers: { Origin: "https://evil.example.test" } })).headers.get("access-control-allow-origin"), null);
  },

  "monorepo: functions in a folder of their own, shared code, packages of every kind, static types": async (house) => {
    await house.push("monorepo", { at: "packages/backend" });
    const client = house.http();
    const types = readFileSync(join(house.app, "src/functions/_generated/api.d.ts"), "utf8");
    contains(types, "admin: {");
    contains(types, 'currency: "EUR" | "USD"');
    const code = await client.mutation(api.orders.place, { country: "FR", price: { cents: 123456n, currency: "USD" }, items: [{ sku: "b", n: 2 }, { sku: "a", n: 1 }, { sku: "b", n: 3 }] });
    same(code.length, 12);
    same(await client.query(api.orders.receipt, { code }), { total: "$1,234.56", country: "France", skus: ["a", "b"], due: "1970-01-15", pieces: 6 });
    same(await client.query(api.orders.receipt, { code: "none" }), null);
    const imported = await client.action(api.orders.importText, { text: '{"items":[{"sku":"z","n":"7"}]}' });
    same((await client.query(api.orders.receipt, { code: imported })).pieces, 7);
    contains((await fails(() => client.action(api.orders.importText, { text: '{"items":[{}]}' }), "what Zod minds")).message, "ZodError");
    contains((await fails(() => client.mutation(api.orders.place, { country: "XX", price: { cents: 1n, currency: "EUR" }, items: [] }), "an unknown country")).message, "no business in XX");
    await house.cli(["run", "admin/users:add", '{"name":"root"}']);
    same(JSON.parse((await house.cli(["run", "src/functions/admin/users.ts"])).stdout), ["root"]);
    same(await client.query(api.admin.users.default, {}), ["root"]);
    same(await client.query("admin/users", {}), ["root"]);

    // A type that is wrong is found before anything is pushed.
    const path = join(house.app, "src/functions/admin/users.ts");
    write(path, readFileSync(path, "utf8").replace("user.name)", "user.nome)"));
    const wrong = await house.cli(["deploy", "-y"], { allowFailure: true });
    same(wrong.code, 1);
    contains(wrong.text, "'nome' does not exist");
    same(await client.query("admin/users", {}), ["root"]);
  },
};
