// @convex-dev/workpool: jobs with bounded parallelism, retries and callbacks by function handles.
import { vOnCompleteArgs, vWorkId, Workpool, type WorkId } from "@convex-dev/workpool";
import { v } from "convex/values";
import { components, internal } from "./_generated/api";
import { internalAction, internalMutation, internalQuery, mutation, query } from "./_generated/server";

const pool = new Workpool(components.pool, {
  maxParallelism: 3,
  defaultRetryBehavior: { maxAttempts: 3, initialBackoffMs: 100, base: 2 },
});

export const work = internalAction({
  args: { tag: v.string(), n: v.number(), failures: v.number() },
  handler: async (ctx, { tag, n, failures }) => {
    await ctx.runMutation(internal.events.note, { tag: `${tag}:try`, data: n });
    const tries: number = (await ctx.runQuery(internal.pool.tries, { tag, n })) as number;
    if (tries <= failures) {
      throw new Error(`try ${tries} of ${n}`);
    }
    return n * n;
  },
});

export const tries = internalQuery({
  args: { tag: v.string(), n: v.number() },
  handler: async (ctx, { tag, n }): Promise<number> =>
    (await ctx.db.query("events").withIndex("by_tag", (q) => q.eq("tag", `${tag}:try`)).collect()).filter((e) => e.data === n).length,
});

export const start = mutation({
  args: { tag: v.string(), jobs: v.array(v.object({ n: v.number(), failures: v.number() })) },
  handler: async (ctx, { tag, jobs }) => {
    const ids: WorkId[] = [];
    for (const { n, failures } of jobs) {
      ids.push(
        await pool.enqueueAction(ctx, internal.pool.work, { tag, n, failures }, { retry: true, onComplete: internal.pool.done, context: { tag, n } }),
      );
    }
    await pool.enqueueMutation(ctx, internal.events.note, { tag: `${tag}:mutation`, data: "ran" });
    return ids;
  },
});

export const done = internalMutation({
  args: vOnCompleteArgs(v.object({ tag: v.string(), n: v.number() })),
  handler: async (ctx, { context, result }) => {
    await ctx.db.insert("events", { tag: context.tag, data: { n: context.n, ...result } });
  },
});

export const status = query({ args: { id: vWorkId }, handler: async (ctx, { id }) => await pool.status(ctx, id) });
