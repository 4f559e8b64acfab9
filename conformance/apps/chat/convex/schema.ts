import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  messages: defineTable({ channel: v.string(), author: v.string(), body: v.string(), likes: v.number(), edited: v.optional(v.boolean()) }).index("by_channel", ["channel"]),
  typing: defineTable({ channel: v.string(), author: v.string(), until: v.number() }).index("by_channel", ["channel", "author"]),
});
