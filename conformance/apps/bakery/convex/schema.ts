import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  breads: defineTable({
    name: v.string(),
    price: v.number(),
    stock: v.int64(),
    tags: v.array(v.string()),
    notes: v.optional(v.string()),
    baker: v.optional(v.id("bakers")),
  })
    .index("by_name", ["name"])
    .index("by_price", ["price", "name"]),
  bakers: defineTable({ name: v.string(), shift: v.union(v.literal("early"), v.literal("late")) }),
});
