import { v } from "convex/values";
import { anyApi, getServiceToken, getServiceUrl, log } from "convex/server";
import { action, internalMutation, internalQuery, mutation, query } from "./_generated/server";

const self = anyApi.limits as any;

export const fill = mutation({
  args: { n: v.number(), text: v.optional(v.string()) },
  handler: async (ctx, { n, text }) => {
    for (let i = 0; i < n; i++) {
      await ctx.db.insert("rows", { n: i, text: text ?? "a" });
    }
    return (await ctx.meta.getTransactionMetrics()) as any;
  },
});

export const scan = internalQuery({ args: {}, handler: async (ctx) => ({ rows: (await ctx.db.query("rows").collect()).length, metrics: await ctx.meta.getTransactionMetrics() }) });
export const gets = internalQuery({
  args: { n: v.number() },
  handler: async (ctx, { n }) => {
    for (let i = 0; i < n; i++) {
      await ctx.db.query("rows").first();
    }
  },
});
export const insertMany = internalMutation({
  args: { n: v.number() },
  handler: async (ctx, { n }) => {
    for (let i = 0; i < n; i++) {
      await ctx.db.insert("rows", { n: 1000 + i, text: "b" });
    }
    return await ctx.meta.getTransactionMetrics();
  },
});
export const scheduleMany = internalMutation({
  args: { n: v.number() },
  handler: async (ctx, { n }) => {
    for (let i = 0; i < n; i++) {
      await ctx.scheduler.runAfter(3600_000, self.insertMany, { n: 0 });
    }
  },
});
export const storeMany = internalMutation({
  args: { n: v.number(), size: v.number() },
  handler: async (ctx, { n, size }) => {
    for (let i = 0; i < n; i++) {
      await ctx.storage.store(new Blob(["x".repeat(size)]));
    }
    return await ctx.meta.getTransactionMetrics();
  },
});

/** Runs a nested call with limits and tells what came of it. */
export const limited = mutation({
  args: { fn: v.string(), args: v.any(), limits: v.any(), kind: v.string() },
  handler: async (ctx, { fn, args, limits, kind }): Promise<any> => {
    const call = kind === "query" ? ctx.runQuery : ctx.runMutation;
    try {
      return { ok: await (call as any)(self[fn], args, { transactionLimits: limits }), after: await ctx.meta.getTransactionMetrics() };
    } catch (error: any) {
      return { error: error.message, rows: (await ctx.db.query("rows").collect()).length };
    }
  },
});

export const stale = mutation({
  args: {},
  handler: async (ctx): Promise<any> => {
    const before = (await ctx.runQuery(self.scan, {})) as any;
    await ctx.db.insert("rows", { n: -1, text: "a" });
    const old = (await (ctx.runQuery as any)(self.scan, {}, { useStaleSnapshot: true })) as any;
    const fresh = (await ctx.runQuery(self.scan, {})) as any;
    return { before: before.rows, old: old.rows, fresh: fresh.rows, charged: fresh.metrics.documentsRead.used };
  },
});

export const deep = internalQuery({ args: { n: v.number() }, handler: (ctx, { n }): any => (n === 0 ? "bottom" : ctx.runQuery(self.deep, { n: n - 1 })) });
export const dive = query({ args: { n: v.number() }, handler: (ctx, { n }): any => ctx.runQuery(self.deep, { n }) });

export const readTooMuch = query({ args: { n: v.number() }, handler: (ctx, { n }): any => ctx.runQuery(self.gets, { n }) });

export const snapshotTs = query({ args: {}, handler: (ctx) => ctx.meta.getSnapshotTs() });

export const audited = query({
  args: { key: v.string() },
  handler: async (_ctx, { key }) => {
    await log.audit({ action: "viewed", key, source: { ip: log.vars.ip, agent: log.vars.userAgent }, request: log.vars.requestId, at: log.vars.now, actor: log.vars.convexActor, list: [1, null, log.vars.requestId] });
    return key;
  },
});
export const auditedWrite = mutation({
  args: { fail: v.boolean() },
  handler: async (ctx, { fail }) => {
    await log.audit({ action: "changed", actor: log.vars.convexActor });
    try {
      await ctx.runMutation(self.auditThenFail, {});
    } catch {}
    if (fail) {
      throw new Error("after the audit log");
    }
  },
});
export const auditThenFail = internalMutation({
  args: {},
  handler: async () => {
    await log.audit({ action: "rolled back" });
    throw new Error("inner");
  },
});
export const auditInAction = action({ args: {}, handler: async () => await log.audit({ action: "no" }) });

export const services = action({
  args: { which: v.string() },
  handler: async (_ctx, { which }) => (which === "url" ? await getServiceUrl("ai-gateway") : await getServiceToken("ai-gateway")),
});

export const deployment = query({
  args: {},
  handler: async (ctx) => ({ deployment: await ctx.meta.getDeploymentMetadata(), fn: await ctx.meta.getFunctionMetadata() }),
});
export const request = mutation({ args: {}, handler: (ctx) => ctx.meta.getRequestMetadata() });
export const metricsInAction = action({ args: {}, handler: (ctx) => (ctx.meta as any).getTransactionMetrics?.() ?? "none" });

declare const Convex: any;
export const provoke = mutation({
  args: { op: v.string() },
  handler: (_ctx, { op }) => {
    Convex.syscall(op, "{}");
  },
});
