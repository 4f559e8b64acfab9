import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";
import { literals } from "convex-helpers/validators";
import { zodOutputToConvex } from "convex-helpers/server/zod4";
import { recipe } from "./validators";

export default defineSchema({
  cooks: defineTable({ name: v.string(), published: v.number() }).index("by_name", ["name"]),
  // The table is described by Zod, and checked by the server.
  recipes: defineTable(zodOutputToConvex(recipe)).index("by_cook", ["cook"]).index("by_minutes", ["level", "minutes"]),
  tags: defineTable({ name: v.string() }).index("by_name", ["name"]),
  recipeTags: defineTable({ recipe: v.id("recipes"), tag: v.id("tags") })
    .index("recipe", ["recipe"])
    .index("tag", ["tag", "recipe"]),
  changes: defineTable({ table: v.string(), operation: literals("insert", "update", "delete"), id: v.string() }),
  drafts: defineTable({ owner: v.string(), text: v.string() }).index("by_owner", ["owner"]),
});
