import { v } from "convex/values";
import { internalMutation, internalQuery, query } from "./_generated/server";

export const begin = internalMutation({
  args: { thread: v.string(), prompt: v.string() },
  handler: async (ctx, { thread, prompt }) => {
    await ctx.db.insert("messages", { thread, role: "user", text: prompt, state: "done" });
    return await ctx.db.insert("messages", { thread, role: "assistant", text: "", state: "streaming" });
  },
});

export const write = internalMutation({
  args: { id: v.id("messages"), text: v.string(), state: v.union(v.literal("streaming"), v.literal("done"), v.literal("stopped")) },
  handler: async (ctx, { id, text, state }) => await ctx.db.patch(id, { text, state }),
});

export const context = internalQuery({
  args: { thread: v.string() },
  handler: async (ctx, { thread }) =>
    (
      await ctx.db
        .query("messages")
        .withIndex("by_thread", (q) => q.eq("thread", thread))
        .collect()
    ).map(({ role, text }) => ({ role, text })),
});

export const list = query({
  args: { thread: v.string() },
  handler: async (ctx, { thread }) =>
    await ctx.db
      .query("messages")
      .withIndex("by_thread", (q) => q.eq("thread", thread))
      .collect(),
});
