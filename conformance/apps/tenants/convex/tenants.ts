import { ConvexError, v } from "convex/values";
import { caller, member } from "./access";
import { mutation, query } from "./_generated/server";

export const create = mutation({
  args: caller,
  handler: async (ctx, { user, slug }) => {
    const taken = await ctx.db
      .query("tenants")
      .withIndex("by_slug", (q) => q.eq("slug", slug))
      .unique();
    if (taken) {
      throw new ConvexError({ code: "TAKEN", slug });
    }
    const tenant = await ctx.db.insert("tenants", { slug, plan: "free" });
    await ctx.db.insert("memberships", { tenant, user, role: "owner" });
    return tenant;
  },
});

export const invite = mutation({
  args: { ...caller, guest: v.string(), role: v.union(v.literal("member"), v.literal("guest")) },
  handler: async (ctx, { guest, role, ...who }) => {
    const { tenant } = await member(ctx, who, "owner");
    await ctx.db.insert("memberships", { tenant, user: guest, role });
  },
});

export const mine = query({
  args: { user: v.string() },
  handler: async (ctx, { user }) => {
    const slugs: string[] = [];
    for await (const { tenant } of ctx.db.query("memberships").withIndex("by_user", (q) => q.eq("user", user))) {
      slugs.push((await ctx.db.get(tenant))!.slug);
    }
    return slugs;
  },
});

/** Deletes a tenant with all it has, in one transaction. */
export const remove = mutation({
  args: caller,
  handler: async (ctx, who) => {
    const { tenant } = await member(ctx, who, "owner");
    let rows = 1;
    for (const doc of [
      ...(await ctx.db.query("invoices").withIndex("by_tenant_and_status", (q) => q.eq("tenant", tenant)).collect()),
      ...(await ctx.db.query("documents").withIndex("by_tenant", (q) => q.eq("tenant", tenant)).collect()),
      ...(await ctx.db.query("memberships").withIndex("by_tenant", (q) => q.eq("tenant", tenant)).collect()),
    ]) {
      await ctx.db.delete(doc._id);
      rows++;
    }
    await ctx.db.delete(tenant);
    return rows;
  },
});
