import { v } from "convex/values";
import { mutation, query } from "./_generated/server";

/** One durable row. */
export const send = mutation({
  args: { channel: v.string(), body: v.string() },
  handler: async (ctx, args) => {
    await ctx.db.insert("messages", args);
  },
});

/** The newest rows of a channel; `salt` makes calls differ for the cache. */
export const list = query({
  args: { channel: v.string(), salt: v.optional(v.number()) },
  handler: async (ctx, { channel }) =>
    await ctx.db
      .query("messages")
      .withIndex("by_channel", (q) => q.eq("channel", channel))
      .order("desc")
      .take(20),
});

/** Makes cells `${prefix}${from}` up to `${prefix}${to - 1}`. */
export const fill = mutation({
  args: { prefix: v.string(), from: v.number(), to: v.number() },
  handler: async (ctx, { prefix, from, to }) => {
    for (let i = from; i < to; i++) {
      await ctx.db.insert("cells", { name: `${prefix}${i}`, value: 0 });
    }
  },
});

/** Writes one cell. */
export const touch = mutation({
  args: { name: v.string(), value: v.number() },
  handler: async (ctx, { name, value }) => {
    const cell = await ctx.db
      .query("cells")
      .withIndex("by_name", (q) => q.eq("name", name))
      .unique();
    await ctx.db.patch(cell!._id, { value });
  },
});

/** Reads one cell. */
export const cell = query({
  args: { name: v.string() },
  handler: async (ctx, { name }) =>
    (await ctx.db
      .query("cells")
      .withIndex("by_name", (q) => q.eq("name", name))
      .unique())?.value ?? null,
});
