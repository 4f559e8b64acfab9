// Scheduling from mutations and actions, canceling, and reading jobs through ctx.db.system.
import { ConvexError, v } from "convex/values";
import { api, internal } from "./_generated/api";
import type { Id } from "./_generated/dataModel";
import { action, internalAction, internalMutation, mutation, query } from "./_generated/server";

export const effects = query({
  args: { tag: v.string() },
  handler: async (ctx, { tag }) =>
    await ctx.db
      .query("effects")
      .withIndex("by_tag", (q) => q.eq("tag", tag))
      .collect(),
});

export const count = query({
  args: { tag: v.string() },
  handler: async (ctx, { tag }) =>
    (
      await ctx.db
        .query("effects")
        .withIndex("by_tag", (q) => q.eq("tag", tag))
        .collect()
    ).length,
});

/** The effect of most jobs: a row, with what the job knows of itself. */
export const note = internalMutation({
  args: { tag: v.string(), n: v.optional(v.number()) },
  handler: async (ctx, { tag, n }): Promise<void> => {
    const { scheduledFunctionId } = await ctx.meta.getRequestMetadata();
    const job = scheduledFunctionId as Id<"_scheduled_functions"> | null;
    const state = job ? (await ctx.db.system.get(job))?.state.kind : "none";
    const identity = (await ctx.auth.getUserIdentity())?.subject ?? null;
    await ctx.db.insert("effects", { tag, at: Date.now(), n, state, identity, ...(job ? { job } : {}) });
  },
});

export const noteLater = mutation({
  args: { tag: v.string(), ms: v.number(), times: v.optional(v.number()) },
  handler: async (ctx, { tag, ms, times }): Promise<string | null> => {
    let id: string | null = null;
    for (let n = 0; n < (times ?? 1); n++) {
      id = await ctx.scheduler.runAfter(ms, internal.jobs.note, { tag, n });
    }
    return id;
  },
});

export const noteAt = mutation({
  args: { tag: v.string(), at: v.number() },
  handler: async (ctx, { tag, at }): Promise<string> => await ctx.scheduler.runAt(new Date(at), internal.jobs.note, { tag }),
});

export const noteLaterAndFail = mutation({
  args: { tag: v.string() },
  handler: async (ctx, { tag }): Promise<void> => {
    await ctx.scheduler.runAfter(0, internal.jobs.note, { tag });
    throw new Error("nothing of this happened");
  },
});

/** A nested mutation that fails takes back what it scheduled, and only that. */
export const nested = mutation({
  args: { tag: v.string() },
  handler: async (ctx, { tag }): Promise<string | undefined> => {
    await ctx.scheduler.runAfter(0, internal.jobs.note, { tag, n: 1 });
    try {
      await ctx.runMutation(api.jobs.noteLaterAndFail, { tag });
    } catch {
      return "caught";
    }
  },
});

export const get = query({
  args: { id: v.id("_scheduled_functions") },
  handler: async (ctx, { id }) => await ctx.db.system.get(id),
});

export const list = query({
  args: { kind: v.string() },
  handler: async (ctx, { kind }) =>
    await ctx.db.system
      .query("_scheduled_functions")
      .filter((q) => q.eq(q.field("state.kind"), kind))
      .order("desc")
      .take(5000),
});

export const page = query({
  args: { cursor: v.union(v.string(), v.null()) },
  handler: async (ctx, { cursor }) => await ctx.db.system.query("_scheduled_functions").paginate({ cursor, numItems: 2 }),
});

export const normalize = query({
  args: { id: v.string() },
  handler: async (ctx, { id }) => [ctx.db.system.normalizeId("_scheduled_functions", id), ctx.db.normalizeId("effects", id)],
});

export const tamper = mutation({
  args: { id: v.id("_scheduled_functions") },
  handler: async (ctx, { id }) => await ctx.db.delete(id as any),
});

export const cancel = mutation({
  args: { id: v.id("_scheduled_functions") },
  handler: async (ctx, { id }) => await ctx.scheduler.cancel(id),
});

export const cancelFromAction = action({
  args: { id: v.id("_scheduled_functions") },
  handler: async (ctx, { id }) => await ctx.scheduler.cancel(id),
});

/** Writes, and then fails: the write must be gone. */
export const failing = internalMutation({
  args: { tag: v.string() },
  handler: async (ctx, { tag }) => {
    await ctx.db.insert("effects", { tag, at: Date.now() });
    throw new ConvexError({ why: "on purpose" });
  },
});

/** Notes that it began, takes its time, and notes that it ended. */
export const slow = internalAction({
  args: { tag: v.string(), ms: v.number() },
  handler: async (ctx, { tag, ms }): Promise<void> => {
    await ctx.runMutation(internal.jobs.note, { tag: `${tag} began` });
    await new Promise((done) => setTimeout(done, ms));
    await ctx.runMutation(internal.jobs.note, { tag: `${tag} ended` });
    await ctx.scheduler.runAfter(0, internal.jobs.note, { tag: `${tag} child` });
    console.log("slow", tag);
  },
});

/** Like slow, but it ends when somebody has noted that it may. */
export const held = internalAction({
  args: { tag: v.string() },
  handler: async (ctx, { tag }): Promise<void> => {
    await ctx.runMutation(internal.jobs.note, { tag: `${tag} began` });
    while ((await ctx.runQuery(api.jobs.count, { tag: `${tag} may end` })) === 0) {
      await new Promise((done) => setTimeout(done, 20));
    }
    await ctx.runMutation(internal.jobs.note, { tag: `${tag} ended` });
    await ctx.scheduler.runAfter(0, internal.jobs.note, { tag: `${tag} child` });
  },
});

export const failingAction = internalAction({
  args: {},
  handler: async () => {
    throw new Error("the action failed");
  },
});

export const start = mutation({
  args: { what: v.union(v.literal("slow"), v.literal("held"), v.literal("failing"), v.literal("failingAction")), tag: v.string(), ms: v.optional(v.number()) },
  handler: async (ctx, { what, tag, ms }): Promise<string> => {
    switch (what) {
      case "slow":
        return await ctx.scheduler.runAfter(0, internal.jobs.slow, { tag, ms: ms ?? 0 });
      case "held":
        return await ctx.scheduler.runAfter(0, internal.jobs.held, { tag });
      case "failing":
        return await ctx.scheduler.runAfter(0, internal.jobs.failing, { tag });
      default:
        return await ctx.scheduler.runAfter(0, internal.jobs.failingAction, {});
    }
  },
});

/** An action's scheduling takes place at once, whatever becomes of the action. */
export const fromAction = action({
  args: { tag: v.string() },
  handler: async (ctx, { tag }): Promise<void> => {
    await ctx.scheduler.runAfter(0, internal.jobs.note, { tag });
    throw new Error("after scheduling");
  },
});

/** What scheduling refuses, in its own words. */
export const refusals = mutation({
  args: {},
  handler: async (ctx): Promise<Record<string, string>> => {
    const refused = async (work: () => Promise<unknown>) => {
      try {
        await work();
        return "accepted";
      } catch (e) {
        return (e as Error).message;
      }
    };
    return {
      missing: await refused(() => ctx.scheduler.runAfter(0, "jobs:missing" as any, {})),
      query: await refused(() => ctx.scheduler.runAfter(0, api.jobs.count as any, { tag: "" })),
      args: await refused(() => ctx.scheduler.runAfter(0, internal.jobs.note, { tag: 1 } as any)),
      far: await refused(() => ctx.scheduler.runAfter(6 * 366 * 24 * 3600 * 1000, internal.jobs.note, { tag: "" })),
      negative: await refused(() => ctx.scheduler.runAfter(-1, internal.jobs.note, { tag: "" })),
    };
  },
});

export const tooMany = mutation({
  args: {},
  handler: async (ctx): Promise<void> => {
    for (let i = 0; i <= 1000; i++) {
      await ctx.scheduler.runAfter(0, internal.jobs.note, { tag: "too many" });
    }
  },
});

export const metrics = mutation({
  args: {},
  handler: async (ctx): Promise<number> => {
    const id = await ctx.scheduler.runAfter(3600_000, internal.jobs.note, { tag: "metrics" });
    await ctx.scheduler.cancel(id);
    return (await ctx.meta.getTransactionMetrics()).functionsScheduled.used;
  },
});

/** A read-modify-write of one row, which every other run of it conflicts with. */
export const bump = internalMutation({
  args: { tag: v.string() },
  handler: async (ctx, { tag }) => {
    const row = await ctx.db
      .query("effects")
      .withIndex("by_tag", (q) => q.eq("tag", tag))
      .unique();
    if (row === null) {
      await ctx.db.insert("effects", { tag, at: Date.now(), n: 1 });
    } else {
      await ctx.db.patch(row._id, { n: row.n! + 1 });
    }
  },
});

export const bumpLater = mutation({
  args: { tag: v.string(), times: v.number() },
  handler: async (ctx, { tag, times }): Promise<void> => {
    for (let i = 0; i < times; i++) {
      await ctx.scheduler.runAfter(0, internal.jobs.bump, { tag });
    }
  },
});

/** Cancels itself, which has no effect. */
export const selfish = internalMutation({
  args: { tag: v.string() },
  handler: async (ctx, { tag }) => {
    const { scheduledFunctionId } = await ctx.meta.getRequestMetadata();
    await ctx.scheduler.cancel(scheduledFunctionId as any);
    await ctx.db.insert("effects", { tag, at: Date.now() });
  },
});

export const startSelfish = mutation({
  args: { tag: v.string() },
  handler: async (ctx, { tag }): Promise<string> => await ctx.scheduler.runAfter(0, internal.jobs.selfish, { tag }),
});

/** Each run schedules the next: a chain of n. */
export const chain = mutation({
  args: { tag: v.string(), n: v.number() },
  handler: async (ctx, { tag, n }): Promise<void> => {
    await ctx.db.insert("effects", { tag, at: Date.now(), n });
    if (n > 1) {
      await ctx.scheduler.runAfter(0, api.jobs.chain, { tag, n: n - 1 });
    }
  },
});
