// A public API with keys: so many calls at once, so many per second after that.
import { ConvexError, v } from "convex/values";
import { hashOf } from "./keys";
import { type MutationCtx, type QueryCtx, mutation, query } from "./_generated/server";

const capacity = 5;
const perSecond = 2;

async function holder(ctx: QueryCtx, key: string) {
  const hash = await hashOf(key);
  const row = await ctx.db
    .query("keys")
    .withIndex("by_hash", (q) => q.eq("hash", hash))
    .unique();
  if (!row || row.revoked) {
    throw new ConvexError({ code: "UNAUTHORIZED", status: 401 });
  }
  return row;
}

async function take(ctx: MutationCtx, key: Awaited<ReturnType<typeof holder>>) {
  const now = Date.now();
  const bucket = await ctx.db
    .query("buckets")
    .withIndex("by_key", (q) => q.eq("key", key._id))
    .unique();
  const tokens = bucket ? Math.min(capacity, bucket.tokens + ((now - bucket.at) / 1000) * perSecond) : capacity;
  if (tokens < 1) {
    throw new ConvexError({ code: "RATE_LIMITED", status: 429, retryAfterMs: Math.ceil(((1 - tokens) / perSecond) * 1000) });
  }
  if (bucket) {
    await ctx.db.replace(bucket._id, { key: key._id, tokens: tokens - 1, at: now });
  } else {
    await ctx.db.insert("buckets", { key: key._id, tokens: tokens - 1, at: now });
  }
  return Math.floor(tokens - 1);
}

export const shout = mutation({
  args: { key: v.string(), word: v.string() },
  returns: v.object({ word: v.string(), left: v.number() }),
  handler: async (ctx, { key, word }) => {
    const who = await holder(ctx, key);
    const left = await take(ctx, who);
    if (word.length > 20) {
      throw new ConvexError({ code: "TOO_LONG", status: 400 }); // and costs nothing: the bucket is rolled back
    }
    await ctx.db.insert("uses", { key: who._id, word });
    return { word: word.toUpperCase(), left };
  },
});

export const usage = query({
  args: { key: v.string() },
  handler: async (ctx, { key }) => {
    const who = await holder(ctx, key);
    const uses = await ctx.db
      .query("uses")
      .withIndex("by_key", (q) => q.eq("key", who._id))
      .collect();
    return { name: who.name, words: uses.map((use) => use.word) };
  },
});
