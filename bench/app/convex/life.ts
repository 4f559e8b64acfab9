import { v } from "convex/values";
import { mutation, query } from "./_generated/server";
import type { DatabaseReader } from "./_generated/server";

async function account(db: DatabaseReader, name: string) {
  const found = await db
    .query("cells")
    .withIndex("by_name", (q) => q.eq("name", name))
    .unique();
  if (found === null) throw new Error(`no account ${name}`);
  return found;
}

/** Moves an amount between two accounts. */
export const transfer = mutation({
  args: { from: v.string(), to: v.string(), amount: v.number() },
  handler: async (ctx, { from, to, amount }) => {
    const a = await account(ctx.db, from);
    const b = await account(ctx.db, to);
    await ctx.db.patch(a._id, { value: a.value - amount });
    await ctx.db.patch(b._id, { value: b.value + amount });
  },
});

/** The sum and the number of the accounts whose name begins with a prefix. */
export const total = query({
  args: { prefix: v.string() },
  handler: async (ctx, { prefix }) => {
    const all = await ctx.db
      .query("cells")
      .withIndex("by_name", (q) => q.gte("name", prefix).lt("name", prefix + "~"))
      .collect();
    return { sum: all.reduce((n, c) => n + c.value, 0), count: all.length };
  },
});

/** Adds one to a row. */
export const churn = mutation({
  args: { name: v.string() },
  handler: async (ctx, { name }) => {
    const c = await account(ctx.db, name);
    await ctx.db.patch(c._id, { value: c.value + 1 });
  },
});

/** Fifty rows around a name. */
export const around = query({
  args: { name: v.string(), salt: v.number() },
  handler: async (ctx, { name }) =>
    await ctx.db
      .query("cells")
      .withIndex("by_name", (q) => q.gte("name", name))
      .take(50),
});

/** The rows of a channel, all of them: a large answer that one write changes. */
export const whole = query({
  args: { channel: v.string(), salt: v.optional(v.number()) },
  handler: async (ctx, { channel }) =>
    await ctx.db
      .query("messages")
      .withIndex("by_channel", (q) => q.eq("channel", channel))
      .collect(),
});

/** Changes the newest row of a channel. */
export const shake = mutation({
  args: { channel: v.string(), body: v.string() },
  handler: async (ctx, { channel, body }) => {
    const last = await ctx.db
      .query("messages")
      .withIndex("by_channel", (q) => q.eq("channel", channel))
      .order("desc")
      .first();
    await ctx.db.patch(last!._id, { body });
  },
});
