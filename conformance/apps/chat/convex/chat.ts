import { paginationOptsValidator } from "convex/server";
import { ConvexError, v } from "convex/values";
import { internal } from "./_generated/api";
import { internalMutation, mutation, query } from "./_generated/server";

export const list = query({
  args: { channel: v.string(), paginationOpts: paginationOptsValidator },
  handler: async (ctx, { channel, paginationOpts }) =>
    await ctx.db
      .query("messages")
      .withIndex("by_channel", (q) => q.eq("channel", channel))
      .order("desc")
      .paginate(paginationOpts),
});

export const send = mutation({
  args: { channel: v.string(), author: v.string(), body: v.string() },
  handler: async (ctx, message) => {
    if (/spam/i.test(message.body)) {
      throw new ConvexError({ rejected: message.body });
    }
    return await ctx.db.insert("messages", { ...message, likes: 0 });
  },
});

export const like = mutation({
  args: { id: v.id("messages") },
  handler: async (ctx, { id }) => await ctx.db.patch(id, { likes: (await ctx.db.get(id))!.likes + 1 }),
});

export const remove = mutation({ args: { id: v.id("messages") }, handler: async (ctx, { id }) => await ctx.db.delete(id) });

export const fill = internalMutation({
  args: { channel: v.string(), count: v.number() },
  handler: async (ctx, { channel, count }) => {
    for (let i = 0; i < count; i++) {
      await ctx.db.insert("messages", { channel, author: "history", body: `old ${i}`, likes: 0 });
    }
  },
});

export const type = mutation({
  args: { channel: v.string(), author: v.string() },
  handler: async (ctx, { channel, author }) => {
    const row = await ctx.db
      .query("typing")
      .withIndex("by_channel", (q) => q.eq("channel", channel).eq("author", author))
      .unique();
    const until = Date.now() + 2000;
    if (row) {
      await ctx.db.patch(row._id, { until });
    } else {
      await ctx.db.insert("typing", { channel, author, until });
    }
    await ctx.scheduler.runAt(until, internal.chat.stop, { channel, author });
  },
});

export const stop = internalMutation({
  args: { channel: v.string(), author: v.string() },
  handler: async (ctx, { channel, author }) => {
    const row = await ctx.db
      .query("typing")
      .withIndex("by_channel", (q) => q.eq("channel", channel).eq("author", author))
      .unique();
    if (row && row.until <= Date.now()) {
      await ctx.db.delete(row._id);
    }
  },
});

export const typing = query({
  args: { channel: v.string() },
  handler: async (ctx, { channel }) =>
    (
      await ctx.db
        .query("typing")
        .withIndex("by_channel", (q) => q.eq("channel", channel))
        .collect()
    ).map((row) => row.author),
});
