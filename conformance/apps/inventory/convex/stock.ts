// Goods are held for a while; a scheduled function gives them back unless they were bought, which cancels it.
import { ConvexError, v } from "convex/values";
import { internal } from "./_generated/api";
import type { Id } from "./_generated/dataModel";
import { type MutationCtx, internalMutation, mutation, query } from "./_generated/server";

export const stock = mutation({
  args: { sku: v.string(), quantity: v.number() },
  handler: async (ctx, { sku, quantity }) => {
    const item = await ctx.db
      .query("items")
      .withIndex("by_sku", (q) => q.eq("sku", sku))
      .unique();
    if (item) {
      await ctx.db.patch(item._id, { stock: item.stock + quantity });
    } else {
      await ctx.db.insert("items", { sku, stock: quantity, reserved: 0 });
    }
  },
});

export const reserve = mutation({
  args: { sku: v.string(), customer: v.string(), quantity: v.number(), holdMs: v.number() },
  returns: v.id("reservations"),
  handler: async (ctx, { sku, customer, quantity, holdMs }): Promise<Id<"reservations">> => {
    const item = await ctx.db
      .query("items")
      .withIndex("by_sku", (q) => q.eq("sku", sku))
      .unique();
    if (!item || item.stock - item.reserved < quantity) {
      throw new ConvexError({ code: "SOLD_OUT", left: item ? item.stock - item.reserved : 0 });
    }
    await ctx.db.patch(item._id, { reserved: item.reserved + quantity });
    // The reservation is not there yet when its expiry is scheduled: it is found by the customer and the job.
    const expiry = await ctx.scheduler.runAfter(holdMs, internal.stock.expire, { customer });
    return await ctx.db.insert("reservations", { item: item._id, customer, quantity, state: "held", expiry });
  },
});

async function release(ctx: MutationCtx, id: Id<"reservations">, state: "expired" | "canceled" | "sold") {
  const reservation = await ctx.db.get(id);
  if (reservation?.state !== "held") {
    throw new ConvexError({ code: "NOT_HELD", state: reservation?.state ?? "gone" });
  }
  const item = (await ctx.db.get(reservation.item))!;
  await ctx.db.patch(item._id, {
    reserved: item.reserved - reservation.quantity,
    stock: state === "sold" ? item.stock - reservation.quantity : item.stock,
  });
  await ctx.db.patch(id, { state });
  return reservation;
}

export const expire = internalMutation({
  args: { customer: v.string() },
  handler: async (ctx, { customer }) => {
    const { scheduledFunctionId } = await ctx.meta.getRequestMetadata();
    const held = await ctx.db
      .query("reservations")
      .withIndex("by_customer", (q) => q.eq("customer", customer).eq("state", "held"))
      .collect();
    for (const reservation of held.filter((r) => r.expiry === scheduledFunctionId)) {
      await release(ctx, reservation._id, "expired");
    }
  },
});

export const buy = mutation({
  args: { reservation: v.id("reservations") },
  handler: async (ctx, { reservation }) => await ctx.scheduler.cancel((await release(ctx, reservation, "sold")).expiry),
});

export const cancel = mutation({
  args: { reservation: v.id("reservations") },
  handler: async (ctx, { reservation }) => await ctx.scheduler.cancel((await release(ctx, reservation, "canceled")).expiry),
});

export const level = query({
  args: { sku: v.string() },
  handler: async (ctx, { sku }) => {
    const item = await ctx.db
      .query("items")
      .withIndex("by_sku", (q) => q.eq("sku", sku))
      .unique();
    return item && { stock: item.stock, reserved: item.reserved };
  },
});

export const states = query({
  args: { customer: v.string() },
  handler: async (ctx, { customer }) => {
    const all = await ctx.db
      .query("reservations")
      .withIndex("by_customer", (q) => q.eq("customer", customer))
      .collect();
    return await Promise.all(all.map(async (r) => [r.state, (await ctx.db.system.get(r.expiry))?.state.kind ?? null]));
  },
});
