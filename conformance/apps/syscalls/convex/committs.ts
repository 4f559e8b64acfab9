import { v } from "convex/values";
import { anyApi } from "convex/server";
import { internalMutation, internalQuery, mutation, query } from "./_generated/server";

export const add = mutation({
  args: { tag: v.string() },
  handler: async (ctx, { tag }) => {
    const now = ctx.db.vars.commitTs;
    const id = await ctx.db.insert("events", { at: now, tag, nested: { times: [now, 7n, now] } } as any);
    const back = await ctx.db.get("events", id);
    return {
      id,
      same: (back as any).at === now,
      text: String((back as any).at),
      snapshotTs: ctx.meta.getSnapshotTs(),
      at: now,
      list: [now, 1n],
    };
  },
});

export const addTwice = mutation({
  args: { tag: v.string() },
  handler: async (ctx, { tag }) => {
    // The newest of the transaction sorts after all that is committed.
    const old = await ctx.db.insert("events", { at: 5n, tag } as any);
    const young = await ctx.db.insert("events", { at: ctx.db.vars.commitTs, tag } as any);
    await ctx.db.patch("events", young, { tag, at: ctx.db.vars.commitTs } as any);
    const rows = await ctx.db.query("events").withIndex("by_tag", (q) => q.eq("tag", tag)).collect();
    const above = await ctx.db.query("events").withIndex("by_tag", (q) => q.eq("tag", tag).gt("at", 9223372036854775807n)).collect();
    return { order: rows.map((r) => r._id), wanted: [old, young], above: above.length };
  },
});

export const list = query({
  args: { after: v.optional(v.int64()) },
  handler: (ctx, { after }) => ctx.db.query("events").withIndex("by_at", (q) => q.gt("at", after ?? -1n)).collect(),
});

export const byStaged = query({ args: {}, handler: (ctx) => (ctx.db.query("events") as any).withIndex("by_nested").collect() });

export const read = internalQuery({ args: { tag: v.string() }, handler: (ctx, { tag }) => ctx.db.query("events").withIndex("by_tag", (q) => q.eq("tag", tag)).first() });
export const echo = internalQuery({ args: { value: v.any() }, handler: (_ctx, { value }) => value });
export const addInner = internalMutation({
  args: { tag: v.string(), at: v.any() },
  handler: async (ctx, { tag, at }) => {
    await ctx.db.insert("events", { tag, at } as any);
    return at;
  },
});

export const misuse = mutation({
  args: { how: v.string() },
  handler: async (ctx, { how }): Promise<any> => {
    const at = ctx.db.vars.commitTs;
    const { committs, limits } = anyApi;
    switch (how) {
      case "through queries": {
        await ctx.db.insert("events", { at, tag: "m" } as any);
        const read = (await ctx.runQuery(committs.read as any, { tag: "m" })) as any;
        return { read: read.at, same: read.at === at, echo: await ctx.runQuery(committs.echo as any, { value: [at] } as any) };
      }
      case "scheduled":
        return await ctx.scheduler.runAfter(0, committs.addInner as any, { tag: "m", at } as any);
      case "as a number":
        return Number(at) + 1;
      case "as another type":
        return await ctx.db.insert("rows", { n: at, text: "a" } as any);
      case "through a mutation":
        return { at: await ctx.runMutation(committs.addInner as any, { tag: "inner", at } as any), limits: limits !== undefined };
    }
  },
});
