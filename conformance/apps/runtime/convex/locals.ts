import { anyApi as api } from "convex/server";
import { action, mutation, query } from "./_generated/server";

declare const AsyncLocalStorage: any;
declare const AsyncResource: any;
const store = new AsyncLocalStorage();
const seen = () => store.getStore() ?? "none";
const thenable = (value: unknown) => ({ then: (f: (v: unknown) => void) => f(value) });

async function common() {
  const out: Record<string, unknown> = { outside: seen() };
  await store.run("a", async () => {
    await null;
    out.awaited = seen();
    out.then = await Promise.resolve().then(seen);
    out.caught = await Promise.reject(1).catch(seen);
    out.finally = await new Promise((r) => void Promise.resolve().finally(() => r(seen())));
    out.thenable = await (async () => (await thenable(1), seen()))();
    out.all = await Promise.all([1, 2].map(async () => (await null, seen())));
    out.microtask = await new Promise((r) => queueMicrotask(() => r(seen())));
    out.nested = await store.run("b", async () => (await null, seen()));
    out.after = seen();
    out.exit = store.exit(seen);
    out.generator = await (async () => {
      async function* g() {
        yield seen();
        await null;
        yield seen();
      }
      const all = [];
      for await (const x of g()) all.push(x);
      return all;
    })();
  });
  const resource = store.run("resource", () => new AsyncResource("R"));
  out.resource = store.run("caller", () => resource.runInAsyncScope((x: string) => seen() + x, null, "!"));
  out.bound = store.run("bound", () => AsyncResource.bind(seen))();
  out.snapshot = store.run("snap", () => AsyncLocalStorage.snapshot())(seen);
  out.boundStore = store.run("bind", () => AsyncLocalStorage.bind(seen))();
  store.enterWith("entered");
  await null;
  out.entered = seen();
  out.end = await Promise.all([store.run(1, async () => (await null, seen())), store.run(2, async () => (await null, seen()))]);
  return out;
}

export const list = query({ args: {}, handler: async () => 1 });
export const inQuery = query({ args: {}, handler: common });
export const inMutation = mutation({
  args: {},
  handler: async (ctx) => await store.run("m", async () => (await ctx.runQuery(api.locals.list), await ctx.db.query("things" as any).collect(), seen())),
});
export const inAction = action({
  args: {},
  handler: async (ctx) => {
    const out: Record<string, unknown> = await common();
    await store.run("x", async () => {
      out.timer = await new Promise((r) => setTimeout(() => r(seen()), 1));
      await ctx.runQuery(api.locals.list);
      out.call = seen();
      await fetch("data:,x").catch(() => {});
      out.fetch = seen();
      const c = new AbortController();
      out.stream = await new Promise((r) => new ReadableStream({ pull: (k) => (r(seen()), k.close()) }).getReader().read());
      c.abort();
    });
    return out;
  },
});
