import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  books: defineTable({ n: v.number(), title: v.string(), shelf: v.optional(v.union(v.string(), v.null())), place: v.array(v.float64()) })
    .searchIndex("by_title", { searchField: "title", filterFields: ["shelf"] })
    .vectorIndex("by_place", { vectorField: "place", dimensions: 3, filterFields: ["shelf"] }),
});
