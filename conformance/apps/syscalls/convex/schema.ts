import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  events: defineTable({ at: v.commitTs(), tag: v.string(), nested: v.optional(v.object({ times: v.array(v.commitTs()) })) })
    .index("by_at", ["at"])
    .index("by_tag", ["tag", "at"])
    .index("by_nested", { fields: ["nested"], staged: true }),
  rows: defineTable({ n: v.number(), text: v.string() }).staged({ text: v.union(v.literal("a"), v.literal("b")) }),
});
