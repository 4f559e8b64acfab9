// Who may see what: every function below goes through here.
import { ConvexError, v } from "convex/values";
import type { Id } from "./_generated/dataModel";
import type { QueryCtx } from "./_generated/server";

const order = ["guest", "member", "owner"] as const;
export type Role = (typeof order)[number];

export const caller = { user: v.string(), slug: v.string() };

export async function member(ctx: QueryCtx, { user, slug }: { user: string; slug: string }, least: Role = "guest"): Promise<{ tenant: Id<"tenants">; plan: string; role: Role }> {
  const tenant = await ctx.db
    .query("tenants")
    .withIndex("by_slug", (q) => q.eq("slug", slug))
    .unique();
  const membership =
    tenant &&
    (await ctx.db
      .query("memberships")
      .withIndex("by_user", (q) => q.eq("user", user).eq("tenant", tenant._id))
      .unique());
  if (!membership) {
    throw new ConvexError({ code: "NOT_FOUND", slug }); // the same for a tenant of somebody else
  }
  if (order.indexOf(membership.role) < order.indexOf(least)) {
    throw new ConvexError({ code: "FORBIDDEN", needs: least });
  }
  return { tenant: tenant._id, plan: tenant.plan, role: membership.role };
}
