import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";
import { event } from "./events";

export default defineSchema({
  // The truth: what happened, in order, never changed.
  events: defineTable({ account: v.string(), seq: v.number(), event, by: v.optional(v.id("commands")) }).index("by_account", ["account", "seq"]),
  // Derived from it, and thrown away at will.
  balances: defineTable({ account: v.string(), seq: v.number(), cents: v.int64() }).index("by_account", ["account"]),
  // Commands by the key that their sender gave them: each takes effect once.
  commands: defineTable({ key: v.string(), outcome: v.union(v.literal("done"), v.literal("refused")), reason: v.optional(v.string()) }).index("by_key", ["key"]),
});
