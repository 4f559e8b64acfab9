import { v } from "convex/values";
import { mutation, query } from "./_generated/server";

export const echo = query({
  args: { value: v.any() },
  handler: async (_ctx, { value }) => value,
});

export const store = mutation({
  args: { value: v.any() },
  handler: async (ctx, { value }) => {
    const id = await ctx.db.insert("anything", { value });
    return (await ctx.db.get(id))!.value;
  },
});

export const deterministic = query({
  args: {},
  handler: async () => {
    const before = Date.now();
    for (let i = 0; i < 1000; i++) {
      Math.random();
    }
    return { frozen: Date.now() === before, random: Math.random(), now: Date.now() };
  },
});

let calls = 0;

/** Module state must not survive an invocation. */
export const fresh = query({ args: { salt: v.number() }, handler: async () => ++calls });
