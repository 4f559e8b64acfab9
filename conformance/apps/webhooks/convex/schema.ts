import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  deliveries: defineTable({
    provider: v.string(),
    delivery: v.string(), // the provider's own id: a delivery that comes twice counts once
    type: v.string(),
    payload: v.any(),
    state: v.union(v.literal("received"), v.literal("processed"), v.literal("failed")),
    attempts: v.number(),
    error: v.optional(v.string()),
  })
    .index("by_delivery", ["provider", "delivery"])
    .index("by_state", ["state"]),
  orders: defineTable({ number: v.string(), paid: v.boolean() }).index("by_number", ["number"]),
});
