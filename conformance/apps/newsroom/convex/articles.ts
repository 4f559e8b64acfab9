import { v } from "convex/values";
import { action, mutation, query } from "./_generated/server";
import { api } from "./_generated/api";

export const write = mutation({
  args: { slug: v.string(), title: v.string() },
  handler: async (ctx, { slug, title }) => {
    const old = await ctx.db
      .query("articles")
      .withIndex("by_slug", (q) => q.eq("slug", slug))
      .unique();
    if (old) {
      await ctx.db.patch(old._id, { title });
    } else {
      await ctx.db.insert("articles", { slug, title, views: 0n });
    }
  },
});

export const read = query({
  args: { slug: v.string() },
  handler: async (ctx, { slug }) => {
    const article = await ctx.db
      .query("articles")
      .withIndex("by_slug", (q) => q.eq("slug", slug))
      .unique();
    if (!article) {
      throw new Error(`no article ${slug}`);
    }
    return article;
  },
});

export const visit = action({
  args: { slug: v.string() },
  handler: async (ctx, { slug }): Promise<bigint> => (await ctx.runQuery(api.articles.read, { slug })).views + 1n,
});
