import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  notes: defineTable({
    body: v.optional(v.union(v.string(), v.number())),
    channel: v.optional(v.union(v.string(), v.number(), v.null())),
    meta: v.optional(v.object({ title: v.string(), level: v.number() })),
    likes: v.optional(v.number()),
  })
    .searchIndex("by_body", { searchField: "body", filterFields: ["channel", "meta.level"] })
    .searchIndex("by_title", { searchField: "meta.title" })
    .index("by_channel", ["channel"]),
  counters: defineTable({ name: v.string(), value: v.number() }),
  foods: defineTable({
    name: v.string(),
    cuisine: v.optional(v.string()),
    embedding: v.optional(v.any()),
  }).vectorIndex("by_embedding", { vectorField: "embedding", dimensions: 4, filterFields: ["cuisine"] }),
});
