import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  tasks: defineTable({ list: v.string(), title: v.string(), done: v.boolean() }).index("by_list", ["list", "done"]),
  visits: defineTable({ path: v.string() }),
});
