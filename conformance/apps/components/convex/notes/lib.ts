import { createFunctionHandle, type FunctionHandle } from "convex/server";
import { v } from "convex/values";
import { api, components, internal } from "./_generated/api";
import { action, env, internalMutation, internalQuery, mutation, query } from "./_generated/server";

const loaded = { times: 0 };

export const add = mutation({
  args: { text: v.string() },
  returns: v.string(),
  handler: async (ctx, { text }): Promise<string> => await ctx.db.insert("notes", { text }),
});

export const list = query({
  args: {},
  handler: async (ctx) => (await ctx.db.query("notes").withIndex("by_text").collect()).map((note) => note.text),
});

export const get = query({ args: { id: v.id("notes") }, handler: async (ctx, { id }) => (await ctx.db.get(id))?.text ?? null });
export const normalize = query({ args: { id: v.string() }, handler: async (ctx, { id }) => ctx.db.normalizeId("notes", id) });
export const count = internalQuery({ args: {}, handler: async (ctx): Promise<number> => (await ctx.db.query("notes").collect()).length });
export const secret = internalQuery({ args: {}, handler: async () => "secret" });
export const ticks = query({ args: {}, handler: async (ctx) => (await ctx.db.query("ticks").collect()).length });

export const tick = internalMutation({
  args: {},
  handler: async (ctx) => {
    await ctx.db.insert("ticks", { n: 1 });
  },
});

/** Writes here and in the child, and fails after both. */
export const addAndFail = mutation({
  args: { text: v.string() },
  handler: async (ctx, { text }) => {
    await ctx.db.insert("notes", { text });
    await ctx.runMutation(components.inner.things.put, { key: text });
    throw new Error(`no ${text}`);
  },
});

export const who = query({ args: {}, handler: async (ctx) => (await ctx.auth.getUserIdentity())?.subject ?? null });
export const whoFromAction = action({ args: {}, handler: async (ctx): Promise<string | null> => (await ctx.auth.getUserIdentity())?.subject ?? null });

export const where = query({
  args: {},
  handler: async (ctx): Promise<object> => {
    loaded.times++;
    const { componentPath, name } = await ctx.meta.getFunctionMetadata();
    const below: object = await ctx.runQuery(components.inner.things.where, {});
    return { componentPath, name, below, shared: (globalThis as Record<string, unknown>).shared ?? null };
  },
});

declare const process: { env: Record<string, string | undefined> };

export const environment = query({
  args: {},
  handler: async () => ({
    name: env.NAME, mode: env.MODE, absent: env.ABSENT ?? null,
    secret: process.env.SECRET ?? null, greeting: process.env.GREETING ?? null, site: process.env.CONVEX_SITE_URL!,
  }),
});

export const page = query({
  args: {},
  handler: async (ctx) => await ctx.db.query("notes").paginate({ cursor: null, numItems: 1 }),
});

export const own = action({ args: {}, handler: async (ctx): Promise<number> => await ctx.runQuery(internal.lib.count, {}) });

export const handle = query({ args: {}, handler: async (): Promise<string> => await createFunctionHandle(internal.lib.secret) });

export const callBack = mutation({
  args: { handle: v.string(), text: v.string(), later: v.boolean() },
  handler: async (ctx, { handle, text, later }): Promise<string | null> => {
    const f = handle as FunctionHandle<"mutation", { what: string; data: unknown }, string>;
    if (later) {
      await ctx.scheduler.runAfter(0, f, { what: text, data: "later" });
      return null;
    }
    return await ctx.runMutation(f, { what: text, data: "now" });
  },
});

export const addLater = mutation({
  args: { text: v.string() },
  handler: async (ctx, { text }): Promise<string> => await ctx.scheduler.runAfter(0, api.lib.add, { text }),
});

export const job = query({
  args: { id: v.string() },
  handler: async (ctx, { id }) => {
    const known = ctx.db.system.normalizeId("_scheduled_functions", id);
    const row = known && (await ctx.db.system.get(known));
    return row && { name: row.name, state: row.state.kind, fields: Object.keys(row).sort() };
  },
});

export const keepFile = action({
  args: { text: v.string() },
  handler: async (ctx, { text }): Promise<{ id: string; url: string | null }> => {
    const id = await ctx.storage.store(new Blob([text], { type: "text/plain" }));
    return { id, url: await ctx.storage.getUrl(id) };
  },
});

export const files = query({ args: {}, handler: async (ctx) => (await ctx.db.system.query("_storage").collect()).length });
export const uploadUrl = mutation({ args: {}, handler: async (ctx) => await ctx.storage.generateUploadUrl() });

export const deep = mutation({
  args: { handle: v.string(), n: v.number() },
  handler: async (ctx, { handle, n }): Promise<number> =>
    n === 0 ? 0 : 1 + (await ctx.runMutation(handle as FunctionHandle<"mutation", { n: number }, number>, { n: n - 1 })),
});

export const token = mutation({ args: {}, handler: async (ctx): Promise<string> => await ctx.auth.signJwt({ claims: {}, expiresInSeconds: 60 }) });
