// @convex-dev/sharded-counter: a component called from queries, mutations and actions, mounted twice.
import { ShardedCounter } from "@convex-dev/sharded-counter";
import { v } from "convex/values";
import { components, internal } from "./_generated/api";
import { action, internalMutation, mutation, query } from "./_generated/server";

const counter = new ShardedCounter<string>(components.shardedCounter, { defaultShards: 4 });
const other = new ShardedCounter(components.otherCounter);

export const add = mutation({
  args: { name: v.string(), n: v.number(), fail: v.optional(v.boolean()) },
  returns: v.null(),
  handler: async (ctx, { name, n, fail }) => {
    await counter.add(ctx, name, n);
    await other.inc(ctx, "calls");
    if (fail) {
      throw new Error(`not ${n}`);
    }
    return null;
  },
});

export const count = query({
  args: { name: v.string() },
  returns: v.object({ mine: v.number(), others: v.number() }),
  handler: async (ctx, { name }) => ({ mine: await counter.count(ctx, name), others: await other.count(ctx, name) }),
});

/** A called mutation that fails takes what its components wrote with it; its caller goes on. */
export const addAndForgive = mutation({
  args: { name: v.string() },
  handler: async (ctx, { name }) => {
    await counter.inc(ctx, name);
    try {
      await ctx.runMutation(internal.counter.addAndThrow, { name });
    } catch (error) {
      return String(error);
    }
  },
});

export const addAndThrow = internalMutation({
  args: { name: v.string() },
  handler: async (ctx, { name }) => {
    await counter.add(ctx, name, 1000);
    throw new Error("no");
  },
});

export const fromAction = action({
  args: { name: v.string() },
  handler: async (ctx, { name }) => {
    await counter.for(name).inc(ctx);
    return await counter.for(name).count(ctx);
  },
});
