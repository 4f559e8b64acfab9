import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

const role = v.union(v.literal("owner"), v.literal("member"), v.literal("guest"));

export default defineSchema({
  tenants: defineTable({ slug: v.string(), plan: v.union(v.literal("free"), v.literal("pro")) }).index("by_slug", ["slug"]),
  memberships: defineTable({ tenant: v.id("tenants"), user: v.string(), role })
    .index("by_user", ["user", "tenant"])
    .index("by_tenant", ["tenant", "role"]),
  invoices: defineTable({
    tenant: v.id("tenants"),
    status: v.union(v.literal("open"), v.literal("paid")),
    due: v.number(),
    cents: v.int64(),
    customer: v.object({ name: v.string(), vat: v.optional(v.string()) }),
  })
    .index("by_tenant_and_status", ["tenant", "status", "due"])
    .index("by_customer", ["tenant", "customer.name"]),
  documents: defineTable(v.union(v.object({ tenant: v.id("tenants"), kind: v.literal("note"), text: v.string() }), v.object({ tenant: v.id("tenants"), kind: v.literal("link"), url: v.string() }))).index(
    "by_tenant",
    ["tenant", "kind"],
  ),
});
