import { ConvexError, v } from "convex/values";
import { type MutationCtx, mutation, query } from "./_generated/server";

const width = 100;
const bucketOf = (score: number) => Math.floor(score / width);

async function count(ctx: MutationCtx, game: string, bucket: number, by: number) {
  const row = await ctx.db
    .query("buckets")
    .withIndex("by_bucket", (q) => q.eq("game", game).eq("bucket", bucket))
    .unique();
  if (row) {
    await ctx.db.patch(row._id, { players: row.players + by });
  } else {
    await ctx.db.insert("buckets", { game, bucket, players: by });
  }
}

export const submit = mutation({
  args: { game: v.string(), name: v.string(), score: v.number() },
  returns: v.object({ best: v.number(), improved: v.boolean(), runs: v.int64() }),
  handler: async (ctx, { game, name, score }) => {
    if (!Number.isFinite(score) || score < 0) {
      throw new ConvexError(`${score} is no score`);
    }
    const player = await ctx.db
      .query("players")
      .withIndex("by_name", (q) => q.eq("game", game).eq("name", name))
      .unique();
    const at = Date.now();
    if (!player) {
      await ctx.db.insert("players", { game, name, best: score, at, runs: 1n });
      await count(ctx, game, bucketOf(score), 1);
      return { best: score, improved: true, runs: 1n };
    }
    const runs = player.runs + 1n;
    const improved = score > player.best;
    if (improved && bucketOf(score) !== bucketOf(player.best)) {
      await count(ctx, game, bucketOf(player.best), -1);
      await count(ctx, game, bucketOf(score), 1);
    }
    await ctx.db.patch(player._id, improved ? { best: score, at, runs } : { runs });
    return { best: improved ? score : player.best, improved, runs };
  },
});

export const top = query({
  args: { game: v.string(), n: v.number() },
  handler: async (ctx, { game, n }) =>
    (
      await ctx.db
        .query("players")
        .withIndex("by_best", (q) => q.eq("game", game))
        .order("desc")
        .take(n)
    ).map(({ name, best, runs }) => ({ name, best, runs })),
});

/** One more than the number of players who did better: whole buckets, and a walk over one. */
export const rank = query({
  args: { game: v.string(), name: v.string() },
  returns: v.union(v.number(), v.null()),
  handler: async (ctx, { game, name }) => {
    const me = await ctx.db
      .query("players")
      .withIndex("by_name", (q) => q.eq("game", game).eq("name", name))
      .unique();
    if (!me) {
      return null;
    }
    let better = 0;
    for await (const { players } of ctx.db.query("buckets").withIndex("by_bucket", (q) => q.eq("game", game).gt("bucket", bucketOf(me.best)))) {
      better += players;
    }
    const near = await ctx.db
      .query("players")
      .withIndex("by_best", (q) => q.eq("game", game).gt("best", me.best).lt("best", (bucketOf(me.best) + 1) * width))
      .collect();
    return better + near.length + 1;
  },
});

/** Both sides of a player: the neighbours above and below. */
export const around = query({
  args: { game: v.string(), name: v.string() },
  handler: async (ctx, { game, name }) => {
    const me = await ctx.db
      .query("players")
      .withIndex("by_name", (q) => q.eq("game", game).eq("name", name))
      .unique();
    if (!me) {
      throw new ConvexError({ unknown: name });
    }
    const above = await ctx.db
      .query("players")
      .withIndex("by_best", (q) => q.eq("game", game).gt("best", me.best))
      .first();
    const below = await ctx.db
      .query("players")
      .withIndex("by_best", (q) => q.eq("game", game).lt("best", me.best))
      .order("desc")
      .first();
    return [above?.name ?? null, me.name, below?.name ?? null];
  },
});
