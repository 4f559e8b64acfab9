import { v } from "convex/values";
import { api, internal } from "./_generated/api";
import { action, mutation, query } from "./_generated/server";

export const wait = action({
  args: { ms: v.number() },
  handler: async (_ctx, { ms }) => {
    await new Promise((done) => setTimeout(done, ms));
    return ms;
  },
});

export const chain = action({
  args: { channel: v.string() },
  handler: async (ctx, { channel }): Promise<{ before: number; after: number; secret: number }> => {
    const before = (await ctx.runQuery(api.messages.list, { channel })).length;
    await ctx.runMutation(api.messages.send, { channel, body: "from an action" });
    await ctx.runMutation(internal.messages.secretWrite, { body: "from an action" });
    const after = (await ctx.runQuery(api.messages.list, { channel })).length;
    const secret = await ctx.runQuery(internal.messages.secretCount, {});
    return { before, after, secret };
  },
});

export const fetchText = action({
  args: { url: v.string() },
  handler: async (_ctx, { url }) => {
    const response = await fetch(url, { method: "POST", body: "ping", headers: { "x-test": "1" } });
    return { status: response.status, text: await response.text() };
  },
});

/** A nested mutation that throws takes back its own writes only. */
export const nested = mutation({
  args: { channel: v.string() },
  handler: async (ctx, { channel }): Promise<{ thrown: string; bodies: string[] }> => {
    await ctx.db.insert("messages", { channel, body: "outer" });
    let thrown = "";
    try {
      await ctx.runMutation(api.actions.nestedInner, { channel });
    } catch (error) {
      thrown = (error as Error).message;
    }
    const rows = await ctx.runQuery(api.messages.list, { channel });
    return { thrown, bodies: rows.map((row) => row.body) };
  },
});

export const nestedInner = mutation({
  args: { channel: v.string() },
  handler: async (ctx, { channel }) => {
    await ctx.db.insert("messages", { channel, body: "inner" });
    throw new Error("inner failed");
  },
});

export const whoami = query({ args: {}, handler: async (ctx) => await ctx.auth.getUserIdentity() });

export const chatty = query({
  args: { word: v.string() },
  handler: async (_ctx, { word }) => {
    console.log("hello", word, { a: 1, b: ["x"] });
    console.warn("careful");
    return word.length;
  },
});
