import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  players: defineTable({ game: v.string(), name: v.string(), best: v.number(), at: v.number(), runs: v.int64() })
    .index("by_name", ["game", "name"])
    .index("by_best", ["game", "best", "at"]),
  // How many players have their best in a bucket of scores, so that a rank needs no walk over all.
  buckets: defineTable({ game: v.string(), bucket: v.number(), players: v.number() }).index("by_bucket", ["game", "bucket"]),
});
