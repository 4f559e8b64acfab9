import { actionGeneric, internalQueryGeneric, makeFunctionReference, mutationGeneric, queryGeneric } from "convex/server";

const find = async (ctx, text, shelf) => {
  const found = await ctx.db
    .query("books")
    .withSearchIndex("by_title", (q) => (shelf === undefined ? q.search("title", text) : q.search("title", text).eq("shelf", shelf.is)))
    .collect();
  return found.map((book) => book.n).sort((a, b) => a - b);
};

const named = async (ctx, n) => (await ctx.db.query("books").collect()).find((book) => book.n === n)?._id;

/** Writes and looks in turn: what is found has to have what was written. */
export const play = mutationGeneric(async (ctx, { steps }) => {
  const seen = [];
  for (const { op, n, book, text, shelf } of steps) {
    const id = n === undefined ? undefined : await named(ctx, n);
    if (op === "insert") await ctx.db.insert("books", book);
    if (op === "replace" && id) await ctx.db.replace(id, book);
    if (op === "delete" && id) await ctx.db.delete(id);
    if (op === "find") seen.push(await find(ctx, text, shelf));
  }
  return seen;
});

export const look = queryGeneric((ctx, { text, shelf }) => find(ctx, text, shelf));

export const numbers = internalQueryGeneric(async (ctx, { ids }) => await Promise.all(ids.map(async (id) => (await ctx.db.get(id)).n)));

export const near = actionGeneric(async (ctx, { vector, limit, shelf }) => {
  const found = await ctx.vectorSearch("books", "by_place", { vector, limit, filter: shelf === undefined ? undefined : (q) => q.eq("shelf", shelf) });
  const numbers = await ctx.runQuery(makeFunctionReference("books:numbers"), { ids: found.map((f) => f._id) });
  return found.map((f, i) => [numbers[i], Math.round(f._score * 1e4)]);
});
