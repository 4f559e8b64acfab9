import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  notes: defineTable({ text: v.string() }),
  seen: defineTable({ what: v.string(), data: v.any() }).index("by_what", ["what"]),
});
