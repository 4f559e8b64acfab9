import { v } from "convex/values";
import { action, internalQuery, mutation, query } from "./_generated/server";
import { internal } from "./_generated/api";

/** Numbers in [0, 1) that bench/search.go draws alike. */
function draw(seed: number) {
  let x = Math.imul(seed + 1, 2654435761) >>> 0;
  return () => (x = (Math.imul(x, 1664525) + 1013904223) >>> 0) / 4294967296;
}

/** The n-th word of a made-up language. */
export function word(n: number) {
  return "etaoinshrdlucmfw"[n % 16] + "aeiou"[(n >> 4) % 5] + n.toString(36);
}

const words = 400_000;

/** A text of 20 to 60 words; the n-th word is about n times as rare as the first. */
function text(n: number) {
  const next = draw(n);
  const list = [];
  for (let left = 20 + Math.floor(40 * next()); left > 0; left--) {
    list.push(word(Math.floor(Math.exp(next() * Math.log(words)))));
  }
  return list.join(" ");
}

/** Writes articles `from` up to `to - 1`. */
export const fillTexts = mutation({
  args: { from: v.number(), to: v.number(), table: v.string() },
  handler: async (ctx, { from, to, table }) => {
    for (let n = from; n < to; n++) {
      await ctx.db.insert(table as "articles", { body: text(n), group: n % 100, n });
    }
  },
});

/** The numbers of the ten best articles; `salt` makes calls differ for the cache. */
export const texts = query({
  args: { text: v.string(), group: v.optional(v.number()), salt: v.optional(v.number()) },
  handler: async (ctx, { text, group }) =>
    (
      await ctx.db
        .query("articles")
        .withSearchIndex("by_body", (q) => (group === undefined ? q.search("body", text) : q.search("body", text).eq("group", group)))
        .take(10)
    ).map((a) => a.n),
});

const dimensions = 1536;

/** The n-th vector: of a random direction, or near one of a hundred centres. */
function vector(n: number, clustered: boolean) {
  const gauss = (next: () => number) => next() + next() + next() + next() - 2;
  const next = draw(n);
  if (!clustered) {
    return Array.from({ length: dimensions }, () => gauss(next));
  }
  const centre = draw(1e6 + (n % 100));
  return Array.from({ length: dimensions }, () => gauss(centre) + 0.3 * gauss(next));
}

/** Writes vectors `from` up to `to - 1`. */
export const fillVectors = mutation({
  args: { from: v.number(), to: v.number(), clustered: v.boolean(), table: v.string() },
  handler: async (ctx, { from, to, clustered, table }) => {
    for (let n = from; n < to; n++) {
      await ctx.db.insert(table as "vectors", { e: vector(n, clustered), group: n % 100, n });
    }
  },
});

/** The ids of the nearest vectors. */
export const near = action({
  args: { vector: v.array(v.number()), limit: v.number(), group: v.optional(v.number()) },
  handler: async (ctx, { vector, limit, group }) =>
    await ctx.vectorSearch("vectors", "by_e", { vector, limit, filter: group === undefined ? undefined : (q) => q.eq("group", group) }),
});

export const numbers = internalQuery({
  args: { ids: v.array(v.id("vectors")) },
  handler: async (ctx, { ids }) => await Promise.all(ids.map(async (id) => (await ctx.db.get(id))!.n)),
});

/** The numbers of the ten nearest vectors. */
export const nearest = action({
  args: { vector: v.array(v.number()) },
  handler: async (ctx, { vector }): Promise<number[]> => {
    const found = await ctx.vectorSearch("vectors", "by_e", { vector, limit: 10 });
    return await ctx.runQuery(internal.search.numbers, { ids: found.map((f) => f._id) });
  },
});
