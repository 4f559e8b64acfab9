import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  // A list within one document…
  whole: defineTable({ key: v.string(), values: v.array(v.number()) }).index("by_key", ["key"]),
  // …and one of a document for each value: what is appended is new to everybody who has read the range.
  parts: defineTable({ key: v.string(), place: v.number(), value: v.number() }).index("by_key", ["key", "place"]),
});
