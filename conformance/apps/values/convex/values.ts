import { v } from "convex/values";
import { mutation, query, action } from "./_generated/server";
import { api } from "./_generated/api";

export const keep = mutation({
  args: { name: v.string(), value: v.any() },
  handler: async (ctx, { name, value }) => {
    const old = await ctx.db
      .query("kept" as any)
      .filter((q) => q.eq(q.field("name"), name))
      .first();
    if (old) {
      await ctx.db.delete(old._id);
    }
    await ctx.db.insert("kept" as any, { name, value });
    return value;
  },
});

export const get = query({
  args: { name: v.string() },
  handler: async (ctx, { name }) =>
    (
      await ctx.db
        .query("kept" as any)
        .filter((q) => q.eq(q.field("name"), name))
        .first()
    )?.value,
});

export const through = action({ args: { value: v.any() }, handler: async (ctx, { value }): Promise<any> => await ctx.runMutation(api.values.keep, { name: "through", value }) });
