import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  boards: defineTable({ name: v.string() }),
  columns: defineTable({ board: v.id("boards"), name: v.string(), position: v.number(), limit: v.optional(v.number()) }).index("by_board", ["board", "position"]),
  cards: defineTable({
    column: v.id("columns"),
    // Cards are ordered by a number with room on both sides; only the moved card is written.
    rank: v.number(),
    title: v.string(),
    labels: v.array(v.union(v.literal("bug"), v.literal("idea"), v.literal("chore"))),
    checklist: v.optional(v.record(v.string(), v.boolean())),
  })
    .index("by_column", ["column", "rank"])
    .index("by_title", ["title"]),
});
