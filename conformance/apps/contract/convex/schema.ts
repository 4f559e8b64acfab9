import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  messages: defineTable({
    channel: v.string(),
    body: v.string(),
    rank: v.optional(v.number()),
    nested: v.optional(v.object({ deep: v.union(v.string(), v.null()) })),
  })
    .index("by_channel", ["channel"])
    .index("by_channel_and_rank", ["channel", "rank"])
    .index("by_deep", ["nested.deep"]),
  counters: defineTable({ name: v.string(), value: v.number() }).index("by_name", ["name"]),
  anything: defineTable(v.any()),
});
