import { asyncMap } from "convex-helpers";
import { filter } from "convex-helpers/server/filter";
import { paginator } from "convex-helpers/server/pagination";
import { getAll, getManyFrom, getManyVia, getOneFrom, getOrThrow } from "convex-helpers/server/relationships";
import { mergedStream, stream } from "convex-helpers/server/stream";
import { zid } from "convex-helpers/server/zod4";
import { literals, nullable, partial } from "convex-helpers/validators";
import { paginationOptsValidator } from "convex/server";
import { v } from "convex/values";
import { z } from "zod";
import { query } from "./_generated/server";
import { mutation, sessionMutation, sessionQuery, zMutation, zQuery } from "./functions";
import schema from "./schema";
import { recipe } from "./validators";

export const cook = mutation({ args: { name: v.string() }, handler: async (ctx, { name }) => await ctx.db.insert("cooks", { name, published: 0 }) });

export const add = zMutation({
  args: { ...recipe.shape, tags: z.array(z.string().trim().toLowerCase()).max(3) },
  returns: zid("recipes"),
  handler: async (ctx, { tags, ...fields }) => {
    const id = await ctx.db.insert("recipes", fields);
    for (const name of tags) {
      const tag = (await getOneFrom(ctx.db, "tags", "by_name", name, "name"))?._id ?? (await ctx.db.insert("tags", { name }));
      await ctx.db.insert("recipeTags", { recipe: id, tag });
    }
    return id;
  },
});

export const change = mutation({
  args: { id: v.id("recipes"), fields: v.object(partial({ title: v.string(), minutes: v.number(), level: literals("easy", "hard") })) },
  handler: async (ctx, { id, fields }) => await ctx.db.patch(id, fields),
});

export const remove = mutation({ args: { id: v.id("recipes") }, handler: async (ctx, { id }) => await ctx.db.delete(id) });

/** A recipe with its cook and tags; a cook with recipes; a tag with recipes. */
export const show = zQuery({
  args: { id: zid("recipes") },
  handler: async (ctx, { id }) => {
    const found = await getOrThrow(ctx, id);
    const tags = await getManyVia(ctx.db, "recipeTags", "tag", "recipe", id);
    return { title: found.title, cook: (await ctx.db.get(found.cook))!, tags: tags.map((tag) => tag!.name) };
  },
});

export const byCook = query({
  args: { name: v.string() },
  returns: nullable(v.array(v.string())),
  handler: async (ctx, { name }) => {
    const cook = await getOneFrom(ctx.db, "cooks", "by_name", name, "name");
    return cook && (await getManyFrom(ctx.db, "recipes", "by_cook", cook._id, "cook")).map((r) => r.title);
  },
});

export const titles = query({
  args: { ids: v.array(v.id("recipes")) },
  handler: async (ctx, { ids }) => (await getAll(ctx.db, ids)).map((r) => r?.title ?? null),
});

/** A filter written in TypeScript, over a page. */
export const wordy = query({
  args: { words: v.number(), paginationOpts: paginationOptsValidator },
  handler: async (ctx, { words, paginationOpts }) => await filter(ctx.db.query("recipes"), (r) => r.title.split(" ").length >= words).paginate(paginationOpts),
});

/** Two paginations in one query, which the database's own cannot do. */
export const twoPages = query({
  args: { cursors: v.array(v.union(v.string(), v.null())) },
  handler: async (ctx, { cursors }) =>
    await asyncMap(["easy", "hard"] as const, async (level, i) => {
      const page = await paginator(ctx.db, schema)
        .query("recipes")
        .withIndex("by_minutes", (q) => q.eq("level", level))
        .paginate({ cursor: cursors[i], numItems: 1 });
      return { minutes: page.page.map((r) => r.minutes), cursor: page.continueCursor, done: page.isDone };
    }),
});

/** Both levels, merged in order of time. */
export const quickest = query({
  args: { paginationOpts: paginationOptsValidator },
  handler: async (ctx, { paginationOpts }) => {
    const streams = (["easy", "hard"] as const).map((level) =>
      stream(ctx.db, schema)
        .query("recipes")
        .withIndex("by_minutes", (q) => q.eq("level", level)),
    );
    return await mergedStream(streams, ["minutes"]).paginate(paginationOpts);
  },
});

export const changes = query({ args: {}, handler: async (ctx) => (await ctx.db.query("changes").collect()).map((c) => c.operation) });

export const draft = sessionMutation({
  args: { text: v.string(), as: v.optional(v.string()) },
  handler: async (ctx, { text, as }) => await ctx.db.insert("drafts", { owner: as ?? ctx.sessionId, text }),
});
export const redraft = sessionMutation({ args: { id: v.id("drafts"), text: v.string() }, handler: async (ctx, { id, text }) => await ctx.db.patch(id, { text }) });
export const drafts = sessionQuery({ args: {}, handler: async (ctx) => (await ctx.db.query("drafts").collect()).map((d) => d.text) });
