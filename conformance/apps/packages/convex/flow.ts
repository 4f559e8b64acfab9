// @convex-dev/workflow: a function that lives over many transactions, in a component that has a workpool of its own.
import { vWorkflowId, WorkflowManager, type WorkflowId } from "@convex-dev/workflow";
import { vResultValidator } from "@convex-dev/workpool";
import { v } from "convex/values";
import { components, internal } from "./_generated/api";
import { internalAction, internalMutation, internalQuery, mutation, query } from "./_generated/server";

const workflow = new WorkflowManager(components.workflow, { workpoolOptions: { maxParallelism: 4 } });

export const order = workflow
  .define({ args: { tag: v.string(), items: v.array(v.number()) }, returns: v.object({ total: v.number(), mail: v.string() }) })
  .handler(async (step, { tag, items }): Promise<{ total: number; mail: string }> => {
    const prices: number[] = await Promise.all(items.map((item) => step.runAction(internal.flow.price, { item })));
    let total = 0;
    for (const price of prices) {
      total = await step.runQuery(internal.flow.sum, { a: total, b: price });
    }
    await step.runMutation(internal.events.note, { tag: `${tag}:step`, data: total });
    const mail: string = await step.runAction(internal.flow.flaky, { tag, total }, { retry: { maxAttempts: 3, initialBackoffMs: 50, base: 2 } });
    return { total, mail };
  });

export const price = internalAction({ args: { item: v.number() }, handler: async (_ctx, { item }) => item * 10 });
export const sum = internalQuery({ args: { a: v.number(), b: v.number() }, handler: async (_ctx, { a, b }) => a + b });

export const flaky = internalAction({
  args: { tag: v.string(), total: v.number() },
  handler: async (ctx, { tag, total }) => {
    await ctx.runMutation(internal.events.note, { tag: `${tag}:mail`, data: total });
    const sent: unknown[] = await ctx.runQuery(internal.flow.mails, { tag });
    if (sent.length < 2) {
      throw new Error("the mail server is away");
    }
    return `mail ${sent.length}`;
  },
});

export const mails = internalQuery({
  args: { tag: v.string() },
  handler: async (ctx, { tag }): Promise<unknown[]> => await ctx.db.query("events").withIndex("by_tag", (q) => q.eq("tag", `${tag}:mail`)).collect(),
});

export const start = mutation({
  args: { tag: v.string(), items: v.array(v.number()) },
  handler: async (ctx, { tag, items }): Promise<WorkflowId> =>
    await workflow.start(ctx, internal.flow.order, { tag, items }, { onComplete: internal.flow.done, context: { tag } }),
});

export const done = internalMutation({
  args: { workflowId: vWorkflowId, result: vResultValidator, context: v.object({ tag: v.string() }) },
  handler: async (ctx, { context, result }) => {
    await ctx.db.insert("events", { tag: context.tag, data: result });
  },
});

export const status = query({ args: { id: vWorkflowId }, handler: async (ctx, { id }) => (await workflow.status(ctx, id)).type });
