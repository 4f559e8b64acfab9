import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  scores: defineTable({ game: v.string(), player: v.string(), score: v.number() }),
  things: defineTable({ n: v.number(), doubled: v.optional(v.number()) }),
  events: defineTable({ tag: v.string(), data: v.any() }).index("by_tag", ["tag"]),
  users: defineTable({ authId: v.string(), email: v.string() }).index("by_auth_id", ["authId"]),
});
