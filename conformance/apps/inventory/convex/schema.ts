import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  items: defineTable({ sku: v.string(), stock: v.number(), reserved: v.number() }).index("by_sku", ["sku"]),
  reservations: defineTable({
    item: v.id("items"),
    customer: v.string(),
    quantity: v.number(),
    state: v.union(v.literal("held"), v.literal("sold"), v.literal("expired"), v.literal("canceled")),
    expiry: v.id("_scheduled_functions"),
  }).index("by_customer", ["customer", "state"]),
});
