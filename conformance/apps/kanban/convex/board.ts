// A board whose cards are dragged about by several people at once.
import { ConvexError, v } from "convex/values";
import type { Doc, Id } from "./_generated/dataModel";
import { type MutationCtx, mutation, query } from "./_generated/server";

export const create = mutation({
  args: { name: v.string(), columns: v.array(v.string()), limit: v.optional(v.number()) },
  returns: v.id("boards"),
  handler: async (ctx, { name, columns, limit }) => {
    const board = await ctx.db.insert("boards", { name });
    for (const [position, column] of columns.entries()) {
      await ctx.db.insert("columns", { board, name: column, position, limit });
    }
    return board;
  },
});

/** The whole board as it is shown. */
export const show = query({
  args: { board: v.id("boards") },
  handler: async (ctx, { board }) => {
    const columns = await ctx.db
      .query("columns")
      .withIndex("by_board", (q) => q.eq("board", board))
      .collect();
    return await Promise.all(
      columns.map(async (column) => ({
        _id: column._id,
        name: column.name,
        cards: await ctx.db
          .query("cards")
          .withIndex("by_column", (q) => q.eq("column", column._id))
          .collect(),
      })),
    );
  },
});

const gap = 1024;

/** A rank right behind a card, or at the front; the column is spread out anew when there is no room. */
async function rankBehind(ctx: MutationCtx, column: Id<"columns">, after: Doc<"cards"> | null): Promise<number> {
  const cards = ctx.db.query("cards").withIndex("by_column", (q) => (after ? q.eq("column", column).gt("rank", after.rank) : q.eq("column", column)));
  const next = await cards.first();
  const low = after?.rank ?? (next ? next.rank - 2 * gap : 0);
  const rank = next ? (low + next.rank) / 2 : low + gap;
  if (next && (rank <= low || rank >= next.rank)) {
    const all = await ctx.db
      .query("cards")
      .withIndex("by_column", (q) => q.eq("column", column))
      .collect();
    for (const [i, card] of all.entries()) {
      await ctx.db.patch(card._id, { rank: (i + 1) * gap });
    }
    return await rankBehind(ctx, column, after && (await ctx.db.get(after._id)));
  }
  return rank;
}

async function checkRoom(ctx: MutationCtx, column: Id<"columns">) {
  const { limit, name } = (await ctx.db.get(column))!;
  if (limit !== undefined) {
    const taken = await ctx.db
      .query("cards")
      .withIndex("by_column", (q) => q.eq("column", column))
      .take(limit);
    if (taken.length === limit) {
      throw new ConvexError({ code: "FULL", column: name, limit });
    }
  }
}

export const add = mutation({
  args: { column: v.id("columns"), title: v.string(), labels: v.optional(v.array(v.union(v.literal("bug"), v.literal("idea"), v.literal("chore")))) },
  returns: v.id("cards"),
  handler: async (ctx, { column, title, labels = [] }) => {
    await checkRoom(ctx, column);
    const last = await ctx.db
      .query("cards")
      .withIndex("by_column", (q) => q.eq("column", column))
      .order("desc")
      .first();
    return await ctx.db.insert("cards", { column, title, labels, rank: (last?.rank ?? 0) + gap });
  },
});

/** Puts a card behind another one, or in front of all. */
export const move = mutation({
  args: { card: v.id("cards"), column: v.id("columns"), after: v.union(v.id("cards"), v.null()) },
  returns: v.null(),
  handler: async (ctx, { card, column, after }) => {
    const moved = await ctx.db.get(card);
    const before = after && (await ctx.db.get(after));
    if (!moved || (after && before?.column !== column)) {
      throw new ConvexError({ code: "GONE" });
    }
    if (moved.column !== column) {
      await checkRoom(ctx, column);
    }
    await ctx.db.patch(card, { column, rank: await rankBehind(ctx, column, before) });
    return null;
  },
});

export const check = mutation({
  args: { card: v.id("cards"), item: v.string(), done: v.boolean() },
  handler: async (ctx, { card, item, done }) => {
    const { checklist = {} } = (await ctx.db.get(card))!;
    await ctx.db.patch(card, { checklist: { ...checklist, [item]: done } });
  },
});

export const clearChecklist = mutation({
  args: { card: v.id("cards") },
  handler: async (ctx, { card }) => await ctx.db.patch(card, { checklist: undefined }),
});

/** Cards whose title begins so: a range of an index. */
export const find = query({
  args: { prefix: v.string() },
  handler: async (ctx, { prefix }) =>
    await ctx.db
      .query("cards")
      .withIndex("by_title", (q) => q.gte("title", prefix).lt("title", `${prefix}\uffff`))
      .filter((q) => q.neq(q.field("labels"), []))
      .take(10),
});
