import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  notes: defineTable({ text: v.string(), by: v.string() }).index("by_text", ["text"]),
  points: defineTable({ name: v.string(), at: v.array(v.float64()) }).vectorIndex("by_at", { vectorField: "at", dimensions: 3 }),
});
