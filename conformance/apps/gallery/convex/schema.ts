import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  albums: defineTable({ name: v.string(), cover: v.optional(v.id("_storage")) }),
  photos: defineTable({ album: v.id("albums"), file: v.id("_storage"), thumbnail: v.optional(v.id("_storage")), name: v.string(), bytes: v.number() })
    .index("by_album", ["album"])
    .index("by_file", ["file"]),
});
