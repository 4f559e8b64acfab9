import { v } from "convex/values";
import { mutation, query } from "./_generated/server";
import type { DatabaseReader } from "./_generated/server";
import { version } from "./version";

async function named(db: DatabaseReader, name: string) {
  const found = await db
    .query("accounts")
    .withIndex("by_name", (q) => q.eq("name", name))
    .unique();
  if (found === null) throw new Error(`no account ${name}`);
  return found;
}

export const open = mutation({
  args: { from: v.number(), to: v.number() },
  handler: async (ctx, { from, to }) => {
    for (let i = from; i < to; i++) {
      await ctx.db.insert("accounts", { name: `account-${i}`, balance: 0, region: i % 2 ? "north" : "south" });
    }
  },
});

export const transfer = mutation({
  args: { from: v.string(), to: v.string(), amount: v.number() },
  handler: async (ctx, { from, to, amount }) => {
    const a = await named(ctx.db, from);
    const b = await named(ctx.db, to);
    await ctx.db.patch(a._id, { balance: a.balance - amount });
    await ctx.db.patch(b._id, { balance: b.balance + amount });
    return version;
  },
});

export const balance = query({
  args: { name: v.string() },
  handler: async (ctx, { name }) => (await named(ctx.db, name)).balance,
});

export const versioned = query({
  args: { name: v.string() },
  handler: async (ctx, { name }) => ({ version, balance: (await named(ctx.db, name)).balance }),
});

export const total = query({
  args: {},
  handler: async (ctx) => (await ctx.db.query("accounts").collect()).reduce((sum, a) => sum + a.balance, 0),
});

/** A large answer, of which a write changes a little. */
export const whole = query({
  args: {},
  handler: async (ctx) => ({ all: await ctx.db.query("logs").collect() }),
});

export const log = mutation({
  args: { text: v.string(), times: v.number() },
  handler: async (ctx, { text, times }) => {
    for (let i = 0; i < times; i++) await ctx.db.insert("logs", { text });
  },
});
