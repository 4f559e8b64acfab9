import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  // One row a person: the name that others see on the board. The person is
  // known by the token's `sub`, which the backend has verified.
  profiles: defineTable({
    subject: v.string(),
    name: v.string(),
  }).index("by_subject", ["subject"]),

  // One row a suggestion. `votes` is kept on the row so that a list of
  // suggestions is one index scan.
  suggestions: defineTable({
    text: v.string(),
    author: v.id("profiles"),
    votes: v.number(),
  }).index("by_votes", ["votes"]),

  votes: defineTable({
    suggestion: v.id("suggestions"),
    voter: v.id("profiles"),
  })
    .index("by_suggestion_and_voter", ["suggestion", "voter"])
    .index("by_voter", ["voter"]),
});
