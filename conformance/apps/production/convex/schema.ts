import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  accounts: defineTable({ name: v.string(), balance: v.number(), region: v.string() }).index("by_name", ["name"]),
  logs: defineTable({ text: v.string() }),
});
