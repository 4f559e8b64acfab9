import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  // Whom a token names: issuer and subject together.
  members: defineTable({ tokenIdentifier: v.string(), name: v.string(), email: v.optional(v.string()), admin: v.boolean() }).index("by_token", ["tokenIdentifier"]),
  notes: defineTable({ by: v.id("members"), text: v.string(), private: v.boolean() }).index("by_member", ["by"]),
});
