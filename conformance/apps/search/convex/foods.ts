import { v } from "convex/values";
import { internal } from "./_generated/api";
import { action, internalQuery, mutation } from "./_generated/server";

export const add = mutation({
  args: { foods: v.array(v.any()) },
  handler: async (ctx, { foods }) => await Promise.all(foods.map((food) => ctx.db.insert("foods", food))),
});

export const remove = mutation({ args: { id: v.id("foods") }, handler: async (ctx, { id }) => await ctx.db.delete(id) });

export const named = internalQuery({
  args: { ids: v.array(v.id("foods")) },
  handler: async (ctx, { ids }) => await Promise.all(ids.map(async (id) => (await ctx.db.get(id))!.name)),
});

export const near = action({
  args: { vector: v.array(v.number()), limit: v.optional(v.number()), cuisines: v.optional(v.array(v.string())), nowhere: v.optional(v.boolean()) },
  handler: async (ctx, { vector, limit, cuisines, nowhere }): Promise<[string, number][]> => {
    const found = await ctx.vectorSearch("foods", "by_embedding", {
      vector,
      limit,
      filter: nowhere
        ? (q) => q.eq("cuisine", undefined)
        : cuisines && (cuisines.length === 1 ? (q) => q.eq("cuisine", cuisines[0]) : (q) => q.or(...cuisines.map((c) => q.eq("cuisine", c)))),
    });
    const names: string[] = await ctx.runQuery(internal.foods.named, { ids: found.map((f) => f._id) });
    return found.map((f, i) => [names[i], Math.round(f._score * 1e5) / 1e5]);
  },
});

export const addAndFind = action({
  args: { name: v.string(), embedding: v.array(v.number()) },
  handler: async (ctx, { name, embedding }): Promise<boolean> => {
    const { api } = await import("./_generated/api");
    const [id]: string[] = await ctx.runMutation(api.foods.add, { foods: [{ name, embedding }] });
    const found = await ctx.vectorSearch("foods", "by_embedding", { vector: embedding, limit: 1 });
    return found[0]._id === id;
  },
});

export const broken = action({
  args: { how: v.string() },
  handler: async (ctx, { how }) => {
    const ask = (query: any, index = "by_embedding") => ctx.vectorSearch("foods", index as any, query);
    const hows: Record<string, () => any> = {
      index: () => ask({ vector: [1, 0, 0, 0] }, "by_nothing"),
      length: () => ask({ vector: [1, 0, 0] }),
      zero: () => ask({ vector: [1, 0, 0, 0], limit: 0 }),
      many: () => ask({ vector: [1, 0, 0, 0], limit: 257 }),
      field: () => ask({ vector: [1, 0, 0, 0], filter: (q: any) => q.eq("name", "x") }),
    };
    return await hows[how]();
  },
});
