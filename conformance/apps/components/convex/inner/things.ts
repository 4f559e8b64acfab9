import { v } from "convex/values";
import { mutation, query } from "./_generated/server";

export const put = mutation({
  args: { key: v.string() },
  handler: async (ctx, { key }) => {
    await ctx.db.insert("things", { key });
  },
});

export const where = query({
  args: {},
  handler: async (ctx) => ({ componentPath: (await ctx.meta.getFunctionMetadata()).componentPath, things: (await ctx.db.query("things").collect()).length }),
});
