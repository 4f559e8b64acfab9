// @convex-dev/aggregate: a tree of counts and sums beside a table.
import { TableAggregate } from "@convex-dev/aggregate";
import { v } from "convex/values";
import { components } from "./_generated/api";
import type { DataModel } from "./_generated/dataModel";
import { mutation, query } from "./_generated/server";

const byGame = new TableAggregate<{ Namespace: string; Key: number; DataModel: DataModel; TableName: "scores" }>(components.scoresByGame, {
  namespace: (score) => score.game,
  sortKey: (score) => score.score,
  sumValue: (score) => score.score,
});

export const add = mutation({
  args: { game: v.string(), player: v.string(), score: v.number() },
  handler: async (ctx, args) => {
    const id = await ctx.db.insert("scores", args);
    await byGame.insert(ctx, (await ctx.db.get(id))!);
    return id;
  },
});

export const remove = mutation({
  args: { id: v.id("scores") },
  handler: async (ctx, { id }) => {
    const score = (await ctx.db.get(id))!;
    await ctx.db.delete(id);
    await byGame.delete(ctx, score);
  },
});

export const table = query({
  args: { game: v.string(), from: v.optional(v.number()) },
  handler: async (ctx, { game, from }) => {
    const at = { namespace: game };
    const count = await byGame.count(ctx, at);
    return {
      count,
      sum: await byGame.sum(ctx, at),
      above: from === undefined ? null : await byGame.count(ctx, { ...at, bounds: { lower: { key: from, inclusive: true } } }),
      best: (await byGame.max(ctx, at))?.key ?? null,
      median: count === 0 ? null : (await byGame.at(ctx, Math.floor(count / 2), at)).key,
    };
  },
});
