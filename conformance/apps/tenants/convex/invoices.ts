import { paginationOptsValidator } from "convex/server";
import { ConvexError, v } from "convex/values";
import { caller, member } from "./access";
import { mutation, query } from "./_generated/server";

export const add = mutation({
  args: { ...caller, due: v.number(), cents: v.int64(), customer: v.object({ name: v.string(), vat: v.optional(v.string()) }) },
  returns: v.id("invoices"),
  handler: async (ctx, { due, cents, customer, ...who }) => {
    const { tenant, plan } = await member(ctx, who, "member");
    const open = await ctx.db
      .query("invoices")
      .withIndex("by_tenant_and_status", (q) => q.eq("tenant", tenant).eq("status", "open"))
      .take(5);
    if (plan === "free" && open.length === 5) {
      throw new ConvexError({ code: "UPGRADE" });
    }
    return await ctx.db.insert("invoices", { tenant, status: "open", due, cents, customer });
  },
});

export const pay = mutation({
  args: { ...caller, id: v.id("invoices") },
  handler: async (ctx, { id, ...who }) => {
    const { tenant } = await member(ctx, who, "member");
    const invoice = await ctx.db.get(id);
    if (invoice?.tenant !== tenant) {
      throw new ConvexError({ code: "NOT_FOUND", id });
    }
    await ctx.db.replace(id, { tenant, status: "paid", due: invoice.due, cents: invoice.cents, customer: invoice.customer });
  },
});

/** Open invoices that were due before a time, a page at a time, most urgent first. */
export const overdue = query({
  args: { ...caller, now: v.number(), paginationOpts: paginationOptsValidator },
  handler: async (ctx, { now, paginationOpts, ...who }) => {
    const { tenant } = await member(ctx, who);
    return await ctx.db
      .query("invoices")
      .withIndex("by_tenant_and_status", (q) => q.eq("tenant", tenant).eq("status", "open").lt("due", now))
      .paginate(paginationOpts);
  },
});

/** What each customer owes, over an index on a nested field. */
export const owed = query({
  args: { ...caller, customer: v.string() },
  returns: v.int64(),
  handler: async (ctx, { customer, ...who }) => {
    const { tenant } = await member(ctx, who);
    let sum = 0n;
    for await (const invoice of ctx.db.query("invoices").withIndex("by_customer", (q) => q.eq("tenant", tenant).eq("customer.name", customer))) {
      sum += invoice.status === "open" ? invoice.cents : 0n;
    }
    return sum;
  },
});
