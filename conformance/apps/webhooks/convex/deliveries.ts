import { v } from "convex/values";
import { internal } from "./_generated/api";
import { internalAction, internalMutation, internalQuery, query } from "./_generated/server";

export const receive = internalMutation({
  args: { provider: v.string(), delivery: v.string(), type: v.string(), payload: v.any() },
  returns: v.boolean(),
  handler: async (ctx, args): Promise<boolean> => {
    const seen = await ctx.db
      .query("deliveries")
      .withIndex("by_delivery", (q) => q.eq("provider", args.provider).eq("delivery", args.delivery))
      .first();
    if (seen) {
      return false;
    }
    const id = await ctx.db.insert("deliveries", { ...args, state: "received", attempts: 0 });
    await ctx.scheduler.runAfter(0, internal.deliveries.work, { id });
    return true;
  },
});

/** An action, as real ones call out; it may be tried again because the mutation at its end happens once. */
export const work = internalAction({
  args: { id: v.id("deliveries") },
  handler: async (ctx, { id }) => {
    try {
      await ctx.runMutation(internal.deliveries.process, { id });
    } catch (error) {
      const again = await ctx.runMutation(internal.deliveries.fail, { id, error: (error as Error).message });
      if (again) {
        await ctx.scheduler.runAfter(50, internal.deliveries.work, { id });
      }
    }
  },
});

export const process = internalMutation({
  args: { id: v.id("deliveries") },
  handler: async (ctx, { id }) => {
    const delivery = await ctx.db.get(id);
    if (delivery?.state === "processed") {
      return;
    }
    await ctx.db.patch(id, { state: "processed" });
    const order = await ctx.db
      .query("orders")
      .withIndex("by_number", (q) => q.eq("number", delivery!.payload.order))
      .unique();
    if (!order) {
      throw new Error(`order ${delivery!.payload.order} is not known`); // takes the state back, too
    }
    await ctx.db.patch(order._id, { paid: delivery!.type === "payment.succeeded" });
  },
});

export const fail = internalMutation({
  args: { id: v.id("deliveries"), error: v.string() },
  returns: v.boolean(),
  handler: async (ctx, { id, error }) => {
    const { attempts } = (await ctx.db.get(id))!;
    await ctx.db.patch(id, { state: "failed", error, attempts: attempts + 1 });
    return attempts + 1 < 3;
  },
});

export const placeOrder = internalMutation({
  args: { number: v.string() },
  handler: async (ctx, { number }) => {
    await ctx.db.insert("orders", { number, paid: false });
  },
});

export const counts = internalQuery({
  args: {},
  handler: async (ctx) => {
    const out: Record<string, number> = {};
    for await (const { state } of ctx.db.query("deliveries")) {
      out[state] = (out[state] ?? 0) + 1;
    }
    return out;
  },
});

export const order = query({
  args: { number: v.string() },
  handler: async (ctx, { number }) =>
    await ctx.db
      .query("orders")
      .withIndex("by_number", (q) => q.eq("number", number))
      .unique(),
});

export const failures = query({
  args: {},
  handler: async (ctx) =>
    (
      await ctx.db
        .query("deliveries")
        .withIndex("by_state", (q) => q.eq("state", "failed"))
        .collect()
    ).map(({ delivery, attempts, error }) => ({ delivery, attempts, error })),
});
