import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  people: defineTable({ name: v.string(), age: v.optional(v.number()) }).index("by_name", ["name"]),
  notes: defineTable({
    author: v.id("people"),
    big: v.int64(),
    bytes: v.bytes(),
    float: v.number(),
    any: v.any(),
    file: v.optional(v.id("_storage")),
  })
    .index("by_author", ["author"])
    .index("by_big", ["big"]),
  rows: defineTable(v.any()),
});
