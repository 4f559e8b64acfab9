import { actionGeneric, mutationGeneric, queryGeneric } from "convex/server";
import { v } from "convex/values";

export const put = mutationGeneric({
  args: { title: v.string(), place: v.array(v.number()) },
  returns: v.string(),
  handler: async (ctx, book) => await ctx.db.insert("books", book),
});

export const find = queryGeneric({
  args: { text: v.string() },
  returns: v.array(v.string()),
  handler: async (ctx, { text }) =>
    (await ctx.db.query("books").withSearchIndex("by_title", (q) => q.search("title", text)).collect()).map((book) => book.title),
});

export const near = actionGeneric({
  args: { vector: v.array(v.number()) },
  returns: v.array(v.string()),
  handler: async (ctx, { vector }) => (await ctx.vectorSearch("books", "by_place", { vector, limit: 3 })).map((f) => f._id),
});
