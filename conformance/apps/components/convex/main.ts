import { createFunctionHandle } from "convex/server";
import { v } from "convex/values";
import { components, internal } from "./_generated/api";
import { action, internalMutation, mutation, query } from "./_generated/server";

(globalThis as Record<string, unknown>).shared = "of the app";

const { notes, more } = components;

export const addAll = mutation({
  args: { text: v.string() },
  handler: async (ctx, { text }) => {
    const mine: string = await ctx.db.insert("notes", { text: `app ${text}` });
    return { mine, theirs: await ctx.runMutation(notes.lib.add, { text }), others: await ctx.runMutation(more.lib.add, { text: `more ${text}` }) };
  },
});

export const listAll = query({
  args: {},
  handler: async (ctx) => ({
    mine: (await ctx.db.query("notes").collect()).map((note) => note.text),
    theirs: await ctx.runQuery(notes.lib.list, {}),
    others: await ctx.runQuery(more.lib.list, {}),
  }),
});

/** What an id means in the app, and in the component it is handed to. */
export const look = query({
  args: { id: v.string() },
  handler: async (ctx, { id }): Promise<{ mine: string | null; theirs: string | null }> => {
    const own = ctx.db.normalizeId("notes", id);
    return { mine: own && ((await ctx.db.get(own))?.text ?? null), theirs: await ctx.runQuery(notes.lib.get, { id }) };
  },
});

export const forgive = mutation({
  args: { text: v.string() },
  handler: async (ctx, { text }) => {
    await ctx.runMutation(notes.lib.add, { text: `${text} before` });
    let said = "";
    try {
      await ctx.runMutation(notes.lib.addAndFail, { text });
    } catch (error) {
      said = String(error);
    }
    await ctx.runMutation(notes.lib.add, { text: `${text} after` });
    return said;
  },
});

export const where = query({ args: {}, handler: async (ctx): Promise<unknown> => await ctx.runQuery(notes.lib.where, {}) });
export const environments = query({ args: {}, handler: async (ctx): Promise<unknown[]> => [await ctx.runQuery(notes.lib.environment, {}), await ctx.runQuery(more.lib.environment, {})] });

export const who = query({
  args: {},
  handler: async (ctx): Promise<(string | null)[]> => [(await ctx.auth.getUserIdentity())?.subject ?? null, await ctx.runQuery(notes.lib.who, {})],
});

export const whoFromAction = action({
  args: {},
  handler: async (ctx): Promise<(string | null)[]> => [
    (await ctx.auth.getUserIdentity())?.subject ?? null, await ctx.runQuery(notes.lib.who, {}), await ctx.runAction(notes.lib.whoFromAction, {}),
  ],
});

/** Calls a function of a component by a name that may not exist. */
export const call = query({
  args: { component: v.string(), path: v.array(v.string()) },
  handler: async (ctx, { component, path }): Promise<unknown> => {
    let f: any = (components as any)[component];
    for (const name of path) {
      f = f[name];
    }
    return await ctx.runQuery(f, {});
  },
});

export const callFromAction = action({
  args: { component: v.string(), path: v.array(v.string()) },
  handler: async (ctx, { component, path }): Promise<unknown> => {
    let f: any = (components as any)[component];
    for (const name of path) {
      f = f[name];
    }
    return await ctx.runAction(f, {});
  },
});

export const see = internalMutation({
  args: { what: v.string(), data: v.any() },
  handler: async (ctx, { what, data }): Promise<string> => {
    const { componentPath } = await ctx.meta.getFunctionMetadata();
    await ctx.db.insert("seen", { what, data: `${data} in "${componentPath}"` });
    return "seen";
  },
});

export const seen = query({
  args: { what: v.string() },
  handler: async (ctx, { what }) => (await ctx.db.query("seen").withIndex("by_what", (q) => q.eq("what", what)).collect()).map((row) => row.data),
});

export const handles = query({
  args: {},
  handler: async (ctx): Promise<string[]> => [await createFunctionHandle(internal.main.see), await createFunctionHandle(notes.lib.add), await ctx.runQuery(notes.lib.handle, {})],
});

export const callHandle = query({ args: { handle: v.string() }, handler: async (ctx, { handle }): Promise<unknown> => await ctx.runQuery(handle as any, {}) });

export const callBack = mutation({
  args: { text: v.string(), later: v.boolean(), handle: v.optional(v.string()) },
  handler: async (ctx, { text, later, handle }): Promise<string | null> =>
    await ctx.runMutation(notes.lib.callBack, { handle: handle ?? (await createFunctionHandle(internal.main.see)), text, later }),
});

export const schedule = mutation({
  args: { text: v.string() },
  handler: async (ctx, { text }): Promise<{ mine: string; theirs: string }> => ({
    mine: await ctx.scheduler.runAfter(0, notes.lib.add, { text: `${text} by the app` }),
    theirs: await ctx.runMutation(notes.lib.addLater, { text: `${text} by itself` }),
  }),
});

export const jobs = query({
  args: { id: v.string() },
  handler: async (ctx, { id }): Promise<unknown[]> => {
    const known = ctx.db.system.normalizeId("_scheduled_functions", id);
    const row = known && (await ctx.db.system.get(known));
    return [row && { name: row.name, state: row.state.kind, fields: Object.keys(row).sort() }, await ctx.runQuery(notes.lib.job, { id })];
  },
});

export const keepFile = action({
  args: { text: v.string() },
  handler: async (ctx, { text }): Promise<unknown> => {
    const { id, url } = await ctx.runAction(notes.lib.keepFile, { text });
    return { url, mine: await ctx.storage.getUrl(id), files: await ctx.runQuery(notes.lib.files, {}) };
  },
});

export const uploadUrl = mutation({ args: {}, handler: async (ctx): Promise<string> => await ctx.runMutation(notes.lib.uploadUrl, {}) });
export const files = query({ args: {}, handler: async (ctx): Promise<number[]> => [(await ctx.db.system.query("_storage").collect()).length, await ctx.runQuery(notes.lib.files, {})] });
export const ticks = query({ args: {}, handler: async (ctx): Promise<number> => await ctx.runQuery(notes.lib.ticks, {}) });

/** Goes back and forth between the app and the component. */
export const deep = mutation({
  args: { n: v.number() },
  handler: async (ctx, { n }): Promise<number> =>
    n === 0 ? 0 : 1 + (await ctx.runMutation(notes.lib.deep, { handle: await createFunctionHandle(internal.main.deepAgain), n: n - 1 })),
});

export const deepAgain = internalMutation({
  args: { n: v.number() },
  handler: async (ctx, { n }): Promise<number> =>
    n === 0 ? 0 : 1 + (await ctx.runMutation(notes.lib.deep, { handle: await createFunctionHandle(internal.main.deepAgain), n: n - 1 })),
});

export const token = mutation({ args: { sub: v.string() }, handler: async (ctx, { sub }) => await ctx.auth.signJwt({ claims: { sub, aud: "own" }, expiresInSeconds: 600 }) });
export const issuers = mutation({
  args: {},
  handler: async (ctx): Promise<(string | undefined)[]> =>
    [await ctx.auth.signJwt({ claims: {}, expiresInSeconds: 60 }), await ctx.runMutation(notes.lib.token, {})].map((jwt) => JSON.parse(atob(jwt.split(".")[1])).iss),
});
