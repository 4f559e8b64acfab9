import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  keys: defineTable({ hash: v.bytes(), name: v.string(), revoked: v.boolean() }).index("by_hash", ["hash"]),
  buckets: defineTable({ key: v.id("keys"), tokens: v.number(), at: v.number() }).index("by_key", ["key"]),
  uses: defineTable({ key: v.id("keys"), word: v.string() }).index("by_key", ["key"]),
});
