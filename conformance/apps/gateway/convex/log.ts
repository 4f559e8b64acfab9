import { v } from "convex/values";
import { internalMutation, internalQuery, query } from "./_generated/server";

export const add = internalMutation({
  args: { text: v.string() },
  handler: async (ctx, { text }) => {
    await ctx.db.insert("log", { text });
  },
});

export const all = query({ args: {}, handler: async (ctx) => (await ctx.db.query("log").collect()).map((row) => row.text) });

export const link = internalMutation({ args: {}, handler: async (ctx) => await ctx.storage.generateUploadUrl() });

export const file = internalQuery({
  args: { id: v.id("_storage") },
  handler: async (ctx, { id }) => ({ row: await ctx.db.system.get(id), url: await ctx.storage.getUrl(id) }),
});
