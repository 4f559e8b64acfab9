import { v } from "convex/values";
import { mutation, query } from "./_generated/server";

export const read = query({
  args: { name: v.string() },
  handler: async (ctx, { name }) =>
    (await ctx.db.query("counters").withIndex("by_name", (q) => q.eq("name", name)).unique())?.value ?? 0,
});

export const increment = mutation({
  args: { name: v.string() },
  returns: v.number(),
  handler: async (ctx, { name }) => {
    const row = await ctx.db
      .query("counters")
      .withIndex("by_name", (q) => q.eq("name", name))
      .unique();
    if (row === null) {
      await ctx.db.insert("counters", { name, value: 1 });
      return 1;
    }
    await ctx.db.patch(row._id, { value: row.value + 1 });
    return row.value + 1;
  },
});

/** A read-modify-write over two rows: the sum must never change. */
export const transfer = mutation({
  args: { from: v.string(), to: v.string(), amount: v.number() },
  handler: async (ctx, { from, to, amount }) => {
    for (const [name, change] of [
      [from, -amount],
      [to, amount],
    ] as const) {
      const row = await ctx.db
        .query("counters")
        .withIndex("by_name", (q) => q.eq("name", name))
        .unique();
      if (row === null) {
        await ctx.db.insert("counters", { name, value: change });
      } else {
        await ctx.db.patch(row._id, { value: row.value + change });
      }
    }
  },
});

export const sum = query({
  args: {},
  handler: async (ctx) => (await ctx.db.query("counters").collect()).reduce((all, row) => all + row.value, 0),
});
