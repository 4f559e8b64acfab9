import { v } from "convex/values";
import { internal } from "./_generated/api";
import { internalAction, internalMutation, mutation, query } from "./_generated/server";

export const list = query({
  args: {},
  handler: async (ctx) => (await ctx.db.query("notes").collect()).map((note) => note.text),
});

export const add = mutation({
  args: { text: v.string() },
  handler: async (ctx, { text }) => {
    console.log("noted", text);
    await ctx.db.insert("notes", { text });
  },
});

export const write = internalMutation({
  args: { text: v.string() },
  handler: async (ctx, { text }) => {
    await ctx.db.insert("notes", { text });
  },
});

/** Asks a service, and writes when it has answered. */
export const job = internalAction({
  args: { text: v.string(), url: v.string() },
  handler: async (ctx, { text, url }) => {
    await fetch(url);
    await ctx.runMutation(internal.notes.write, { text });
  },
});

export const later = mutation({
  args: { text: v.string(), url: v.string(), ms: v.number() },
  handler: async (ctx, { text, url, ms }) => {
    await ctx.scheduler.runAfter(ms, internal.notes.job, { text, url });
  },
});

export const whoami = query({ args: {}, handler: async (ctx) => (await ctx.auth.getUserIdentity())?.subject ?? null });

export const place = query({ args: {}, handler: async () => [process.env.CONVEX_CLOUD_URL, process.env.CONVEX_SITE_URL, process.env.WORKOS_CLIENT_ID ?? null] });

export const uploadUrl = mutation({ args: {}, handler: async (ctx) => await ctx.storage.generateUploadUrl() });

export const fileUrl = query({ args: { id: v.id("_storage") }, handler: async (ctx, { id }) => await ctx.storage.getUrl(id) });

/** Keeps a worker busy, in a number of turns; the clock stands still in a query. */
export const spin = query({
  args: { turns: v.number(), n: v.number() },
  handler: async (_ctx, { turns, n }) => {
    let sum = n;
    for (let i = 0; i < turns; i++) {
      sum = (sum * 31 + i) % 1_000_003;
    }
    return sum;
  },
});
