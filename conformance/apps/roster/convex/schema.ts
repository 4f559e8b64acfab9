import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  people: defineTable({ id: v.string(), email: v.string(), name: v.string() }).index("id", ["id"]),
});
