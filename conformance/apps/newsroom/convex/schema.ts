import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({ articles: defineTable({ slug: v.string(), title: v.string(), views: v.int64() }).index("by_slug", ["slug"]) });
