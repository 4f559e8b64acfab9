import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  // One row for each effect that took place.
  effects: defineTable({
    tag: v.string(),
    at: v.number(),
    n: v.optional(v.number()),
    state: v.optional(v.string()),
    identity: v.optional(v.union(v.string(), v.null())),
    job: v.optional(v.id("_scheduled_functions")),
  }).index("by_tag", ["tag"]),
});
