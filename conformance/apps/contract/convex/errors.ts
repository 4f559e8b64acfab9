import { ConvexError, v } from "convex/values";
import { action, mutation, query } from "./_generated/server";
import { api } from "./_generated/api";

export const plain = query({
  args: {},
  handler: async () => {
    throw new Error("the plain one");
  },
});

export const convexError = mutation({
  args: { code: v.number() },
  handler: async (_ctx, { code }) => {
    throw new ConvexError({ code, why: "on purpose" });
  },
});

export const wrongReturn = query({
  args: {},
  returns: v.string(),
  handler: async () => 42 as unknown as string,
});

export const halfWritten = mutation({
  args: {},
  handler: async (ctx) => {
    await ctx.db.insert("messages", { channel: "half", body: "must not stay" });
    throw new Error("after the write");
  },
});

export const breaksSchema = mutation({
  args: {},
  handler: async (ctx) => {
    await ctx.db.insert("messages", { channel: 5, body: "x" } as never);
  },
});

export const throughAction = action({
  args: {},
  handler: async (ctx): Promise<string> => {
    try {
      await ctx.runMutation(api.errors.convexError, { code: 7 });
    } catch (error) {
      if (error instanceof ConvexError) {
        return `caught ${(error.data as { code: number }).code}`;
      }
      return `another: ${error}`;
    }
    return "nothing thrown";
  },
});

export const endless = query({
  args: {},
  handler: async () => {
    for (;;) {
      // never ends by itself
    }
  },
});

export const greedy = query({
  args: {},
  handler: async () => {
    const heap: unknown[] = [];
    for (;;) {
      heap.push(new Array(1000).fill(heap.length));
    }
  },
});

export const fetches = query({
  args: {},
  handler: async () => {
    await fetch("https://example.com");
  },
});
