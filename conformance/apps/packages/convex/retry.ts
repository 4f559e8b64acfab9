// @convex-dev/action-retrier: runs an action of the app again until it succeeds.
import { ActionRetrier, onCompleteValidator, runIdValidator, type RunId } from "@convex-dev/action-retrier";
import { v } from "convex/values";
import { components, internal } from "./_generated/api";
import { internalAction, internalMutation, internalQuery, mutation, query } from "./_generated/server";

const retrier = new ActionRetrier(components.actionRetrier, { initialBackoffMs: 50, base: 1.5, maxFailures: 4 });

export const start = mutation({
  args: { tag: v.string(), failures: v.number() },
  handler: async (ctx, args): Promise<RunId> => await retrier.run(ctx, internal.retry.work, args, { onComplete: internal.retry.done }),
});

export const work = internalAction({
  args: { tag: v.string(), failures: v.number() },
  handler: async (ctx, { tag, failures }) => {
    await ctx.runMutation(internal.events.note, { tag, data: "try" });
    const tries: number = await ctx.runQuery(internal.retry.tries, { tag });
    if (tries <= failures) {
      throw new Error(`try ${tries}`);
    }
    return tries;
  },
});

export const tries = internalQuery({
  args: { tag: v.string() },
  handler: async (ctx, { tag }): Promise<number> => (await ctx.db.query("events").withIndex("by_tag", (q) => q.eq("tag", tag)).collect()).length,
});

export const done = internalMutation({
  args: onCompleteValidator,
  handler: async (ctx, { runId, result }) => {
    await ctx.db.insert("events", { tag: runId, data: result });
  },
});

export const status = query({ args: { id: runIdValidator }, handler: async (ctx, { id }) => await retrier.status(ctx, id) });
