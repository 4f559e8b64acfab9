import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  subscribers: defineTable({ email: v.string(), name: v.string() }).index("by_email", ["email"]),
  articles: defineTable({ title: v.string(), url: v.string(), sent: v.boolean() }).index("by_sent", ["sent"]),
  mails: defineTable({ email: v.string(), articles: v.number(), provider: v.string() }),
});
