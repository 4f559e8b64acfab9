// Apps about data: ordering, tenants, ranks, event sourcing, reservations, presence.
import { anyApi as api } from "convex/server";
import { contains, fails, same } from "../lib/check.mjs";
import { House } from "../lib/house.mjs";
import { sleep, until } from "../lib/lentil.mjs";

export const setUp = () => House.open();
export const tearDown = (house) => house?.close();

export const scenarios = {
  "kanban: cards are dragged by two people at once, in order and within limits": async (house) => {
    await house.push("kanban");
    const [ann, bob] = [house.live(), house.live()];
    const board = await ann.mutation(api.board.create, { name: "Soup", columns: ["todo", "doing", "done"], limit: 8 });
    const seen = house.watch(bob, api.board.show, { board });
    const [todo, doing] = (await until("the board", () => seen.last())).map((column) => column._id);
    const cards = [];
    for (const title of ["peel", "chop", "boil"]) {
      cards.push(await ann.mutation(api.board.add, { column: todo, title, labels: ["chore"] }));
    }
    const titles = (i) => seen.last()[i].cards.map((card) => card.title);
    await until("three cards", () => titles(0).length === 3);
    await bob.mutation(api.board.move, { card: cards[2], column: todo, after: null });
    await bob.mutation(api.board.move, { card: cards[0], column: todo, after: cards[1] });
    await until("the new order", () => titles(0).join() === "boil,chop,peel");
    // Many moves to the same place use up the room between two ranks.
    for (let i = 0; i < 70; i++) {
      await (i % 2 ? ann : bob).mutation(api.board.move, { card: cards[i % 2], column: todo, after: cards[2] });
    }
    await until("the order after many moves", () => titles(0).join() === "boil,chop,peel");
    // Both take the last free places: one of them is told that there are none.
    const add = (who, title) => who.mutation(api.board.add, { column: doing, title });
    const outcomes = await Promise.allSettled([...Array(10)].map((_, i) => add(i % 2 ? ann : bob, `card ${i}`)));
    same(outcomes.filter((o) => o.status === "fulfilled").length, 8);
    same(outcomes.find((o) => o.status === "rejected").reason.data, { code: "FULL", column: "doing", limit: 8 });
    same((await fails(() => ann.mutation(api.board.move, { card: cards[0], column: doing, after: null }), "a move into a full column")).data.code, "FULL");
    await ann.mutation(api.board.check, { card: cards[0], item: "carrots", done: true });
    await until("the checklist", () => seen.last()[0].cards.some((card) => card.checklist?.carrots));
    await ann.mutation(api.board.clearChecklist, { card: cards[0] });
    await until("no checklist", () => seen.last()[0].cards.every((card) => !("checklist" in card)));
    same((await ann.query(api.board.find, { prefix: "ch" })).map((card) => card.title), ["chop"]);
    contains((await fails(() => ann.mutation(api.board.add, { column: todo, title: "x", labels: ["joke"] }), "a label that is none")).message, "ArgumentValidationError");
    contains((await fails(() => ann.mutation(api.board.move, { card: todo, column: todo, after: null }), "an id of another table")).message, 'v.id("cards")');
  },

  "tenants: each sees its own, pages of a range, sums over a nested field": async (house) => {
    await house.push("tenants");
    const client = house.http();
    const ann = { user: "ann", slug: "soups" };
    const bob = { user: "bob", slug: "stews" };
    await client.mutation(api.tenants.create, ann);
    await client.mutation(api.tenants.create, bob);
    same((await fails(() => client.mutation(api.tenants.create, { user: "eve", slug: "soups" }), "a taken name")).data, { code: "TAKEN", slug: "soups" });
    await client.mutation(api.tenants.invite, { ...ann, guest: "bob", role: "guest" });
    same((await client.query(api.tenants.mine, { user: "bob" })).sort(), ["soups", "stews"]); // they come in the order of ids
    const invoices = [];
    for (const due of [30, 10, 50, 20, 40]) {
      invoices.push(await client.mutation(api.invoices.add, { ...ann, due, cents: BigInt(due) * 100n, customer: due < 35 ? { name: "Hotel", vat: "DE1" } : { name: "Café" } }));
    }
    same((await fails(() => client.mutation(api.invoices.add, { ...ann, due: 1, cents: 1n, customer: { name: "x" } }), "a sixth")).data, { code: "UPGRADE" });
    const bobInSoups = { user: "bob", slug: "soups" };
    same((await fails(() => client.mutation(api.invoices.pay, { ...bobInSoups, id: invoices[0] }), "a guest who pays")).data, { code: "FORBIDDEN", needs: "member" });
    same((await fails(() => client.mutation(api.invoices.pay, { ...bob, id: invoices[0] }), "an invoice of others")).data.code, "NOT_FOUND");
    await client.mutation(api.invoices.pay, { ...ann, id: invoices[3] });
    const pages = [];
    for (let cursor = null, done = false; !done; ) {
      const page = await client.query(api.invoices.overdue, { ...bobInSoups, now: 50, paginationOpts: { cursor, numItems: 2 } });
      pages.push(page.page.map((invoice) => invoice.due));
      [cursor, done] = [page.continueCursor, page.isDone];
    }
    same(pages.flat(), [10, 30, 40]);
    same(await client.query(api.invoices.owed, { ...ann, customer: "Hotel" }), 4000n);
    same(await client.query(api.invoices.owed, { ...ann, customer: "Café" }), 9000n);
    same(await client.mutation(api.tenants.remove, ann), 8);
    same(await client.query(api.tenants.mine, { user: "bob" }), ["stews"]);
    same((await fails(() => client.query(api.invoices.owed, { ...ann, customer: "Hotel" }), "a tenant that is gone")).data.code, "NOT_FOUND");
    contains((await fails(() => client.mutation(api.invoices.add, { ...bob, due: 1, cents: 1, customer: { name: "x" } }), "a number for an int64")).message, "v.int64()");
  },

  "leaderboard: ranks stay right under many submissions, and live": async (house) => {
    await house.push("leaderboard");
    const clients = [house.live(), house.live(), house.live()];
    const game = "tetris";
    const top = house.watch(clients[0], api.scores.top, { game, n: 3 });
    const rank = house.watch(clients[1], api.scores.rank, { game, name: "p7" });
    await until("an empty board", () => top.last()?.length === 0 && rank.values.length > 0);
    same(rank.last(), null);
    const scores = new Map();
    await Promise.all(
      [...Array(60)].map(async (_, i) => {
        const [name, score] = [`p${i % 20}`, (i * 7919) % 1000];
        scores.set(name, Math.max(scores.get(name) ?? 0, score));
        await clients[i % 3].mutation(api.scores.submit, { game, name, score });
      }),
    );
    const order = [...scores].sort((a, b) => b[1] - a[1]).map(([name]) => name);
    await until("the three best", () => top.last().map((p) => p.name).join() === order.slice(0, 3).join());
    await until("a rank", () => rank.last() === order.indexOf("p7") + 1);
    await until("the best one's three runs", () => top.last()[0].runs === 3n);
    same(await clients[2].query(api.scores.around, { game, name: order[5] }), [order[4], order[5], order[6]]);
    same(await clients[0].mutation(api.scores.submit, { game, name: order[0], score: 0 }), { best: scores.get(order[0]), improved: false, runs: 4n });
    same((await fails(() => clients[0].mutation(api.scores.submit, { game, name: "x", score: NaN }), "a score that is none")).data, "NaN is no score");
    same((await fails(() => clients[0].query(api.scores.around, { game, name: "nobody" }), "nobody")).data, { unknown: "nobody" });
  },

  "ledger: commands become events exactly once, and what was refused left nothing": async (house) => {
    await house.push("ledger");
    const client = house.http();
    const execute = (key, command) => client.mutation(api.accounts.execute, { key, command });
    for (const account of ["a", "b", "c"]) {
      same((await execute(`open ${account}`, { do: "open", account, owner: account })).outcome, "done");
      await execute(`deposit ${account}`, { do: "deposit", account, cents: 1000n });
    }
    same(await execute("deposit a", { do: "deposit", account: "a", cents: 1000n }), { outcome: "done", again: true });
    const broke = await execute("too much", { do: "transfer", from: "a", to: "b", cents: 1001n });
    same(broke.outcome, "refused");
    contains(broke.reason, "account a has not enough");
    contains((await execute("nowhere", { do: "transfer", from: "a", to: "z", cents: 1n })).reason, "account z is not open");
    same(await client.query(api.accounts.balance, { account: "a" }), 1000n);
    // Transfers all over, each sent twice.
    const accounts = ["a", "b", "c"];
    await Promise.all(
      [...Array(24)].flatMap((_, i) => {
        const command = { do: "transfer", from: accounts[i % 3], to: accounts[(i + 1 + (i % 2)) % 3], cents: BigInt(i) };
        return [execute(`t${i}`, command), execute(`t${i}`, command)];
      }),
    );
    same(await client.action(api.accounts.audit, { accounts }), 3000n);
    const explained = await house.run("accounts:explain", { account: "a" });
    same([explained.replayed, typeof explained.snapshot], [0, "number"]);
    await execute("more", { do: "deposit", account: "a", cents: 5n });
    same((await house.run("accounts:explain", { account: "a" })).replayed, 1);
    contains((await fails(() => client.mutation(api.accounts.append, { account: "a", event: { type: "closed" } }), "an internal function")).message, "Could not find public function");
    contains((await fails(() => execute("x", { do: "steal", account: "a" }), "an unknown command")).message, "ArgumentValidationError");
  },

  "inventory: what is held expires, unless it is bought or canceled before": async (house) => {
    await house.push("inventory");
    const client = house.live();
    const sku = "ladle";
    await client.mutation(api.stock.stock, { sku, quantity: 5 });
    const level = house.watch(client, api.stock.level, { sku });
    const reserve = (customer, quantity, holdMs) => client.mutation(api.stock.reserve, { sku, customer, quantity, holdMs });
    const ann = await reserve("ann", 2, 600_000);
    const bob = await reserve("bob", 2, 600_000);
    // Right behind one another, while the first still holds hers.
    const [, sixth] = await Promise.all([reserve("eve", 1, 1000), fails(() => reserve("joe", 1, 1000), "a sixth")]);
    same(sixth.data, { code: "SOLD_OUT", left: 0 });
    await client.mutation(api.stock.buy, { reservation: ann });
    await client.mutation(api.stock.cancel, { reservation: bob });
    await until("what expired is back", () => level.last().reserved === 0);
    same(level.last(), { stock: 3, reserved: 0 });
    same(await client.query(api.stock.states, { customer: "eve" }), [["expired", "success"]]);
    same(await client.query(api.stock.states, { customer: "ann" }), [["sold", "canceled"]]);
    same(await client.query(api.stock.states, { customer: "bob" }), [["canceled", "canceled"]]);
    same((await fails(() => client.mutation(api.stock.buy, { reservation: bob }), "a canceled reservation")).data, { code: "NOT_HELD", state: "canceled" });
    // Everybody wants the last three: three get one.
    const wants = await Promise.allSettled([...Array(9)].map((_, i) => reserve(`c${i}`, 1, 600_000)));
    same(wants.filter((w) => w.status === "fulfilled").length, 3);
    same(level.last().reserved, 3);
  },

  "presence: heartbeats keep somebody online; without them a scheduled function does not": async (house) => {
    await house.push("presence");
    const [ann, bob] = [house.live(), house.live()];
    const room = "kitchen";
    const seen = house.watch(bob, api.presence.here, { room });
    const online = () => seen.last()?.filter((p) => p.online).map((p) => p.user).join();
    await ann.mutation(api.presence.heartbeat, { room, user: "ann", timeoutMs: 3000, data: { cursor: [1, 2] } });
    const first = performance.now();
    await bob.mutation(api.presence.heartbeat, { room, user: "bob", timeoutMs: 60_000 });
    await until("both", () => online() === "ann,bob");
    for (let i = 0; i < 3; i++) {
      await ann.mutation(api.presence.heartbeat, { room, user: "ann", timeoutMs: 60_000 });
    }
    await sleep(first + 3200 - performance.now()); // past the first one's time
    same(online(), "ann,bob", "after further heartbeats");
    await ann.mutation(api.presence.heartbeat, { room, user: "ann", timeoutMs: 500 });
    await until("ann to be gone", () => online() === "bob");
    same(seen.last()[0].data, { cursor: [1, 2] });
    await ann.mutation(api.presence.heartbeat, { room, user: "ann", timeoutMs: 60_000 });
    await until("ann to be back", () => online() === "ann,bob");
    await bob.mutation(api.presence.leave, { room, user: "bob" });
    await until("bob to be gone for good", () => seen.last().length === 1);
    // Jobs that were put off count as canceled, and one took place.
    const jobs = JSON.parse((await house.cli(["data", "_scheduled_functions", "--format", "json"])).stdout);
    const kinds = jobs.filter((job) => job.name === "presence.js:gone").map((job) => job.state.kind).sort();
    same([kinds.filter((k) => k === "canceled").length, kinds.filter((k) => k === "success").length, kinds.filter((k) => k === "pending").length], [5, 1, 1]);
    contains((await fails(() => ann.mutation(api.presence.heartbeat, { room, user: "ann", timeoutMs: 1e15 }), "a timeout of 30,000 years")).message, "more than 5 years in the future");
  },
};
