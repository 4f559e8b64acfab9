// What callbacks leave behind, for the scenarios to see.
import { v } from "convex/values";
import { internalMutation, query } from "./_generated/server";

export const list = query({
  args: { tag: v.string() },
  handler: async (ctx, { tag }) =>
    (await ctx.db.query("events").withIndex("by_tag", (q) => q.eq("tag", tag)).collect()).map((event) => event.data),
});

export const note = internalMutation({
  args: { tag: v.string(), data: v.any() },
  handler: async (ctx, { tag, data }) => {
    await ctx.db.insert("events", { tag, data });
  },
});
