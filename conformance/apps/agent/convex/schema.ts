import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  messages: defineTable({ thread: v.string(), role: v.union(v.literal("user"), v.literal("assistant")), text: v.string(), state: v.union(v.literal("streaming"), v.literal("done"), v.literal("stopped")) }).index("by_thread", ["thread"]),
});
