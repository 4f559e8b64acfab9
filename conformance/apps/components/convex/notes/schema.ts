import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  notes: defineTable({ text: v.string(), file: v.optional(v.id("_storage")) }).index("by_text", ["text"]),
  ticks: defineTable({ n: v.number() }),
});
