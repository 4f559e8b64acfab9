import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  books: defineTable({ title: v.string(), place: v.array(v.float64()) })
    .searchIndex("by_title", { searchField: "title" })
    .vectorIndex("by_place", { vectorField: "place", dimensions: 2 }),
});
