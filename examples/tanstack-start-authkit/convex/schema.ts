import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  // One row a suggestion. People are known by their token's `sub`, which the
  // backend has verified. `votes` is kept on the row so that a list of suggestions
  // is one index scan.
  suggestions: defineTable({
    text: v.string(),
    author: v.object({ subject: v.string(), name: v.string() }),
    votes: v.number(),
  }).index("by_votes", ["votes"]),

  votes: defineTable({
    suggestion: v.id("suggestions"),
    voter: v.string(),
  })
    .index("by_suggestion_and_voter", ["suggestion", "voter"])
    .index("by_voter", ["voter"]),
});
