import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

const article = { body: v.string(), group: v.number(), n: v.number() };
const embedding = { e: v.array(v.float64()), group: v.number(), n: v.number() };

// The search scenarios push again with what stands behind SEARCH, when the tables are full.
export default defineSchema({
  messages: defineTable({ channel: v.string(), body: v.string() }).index("by_channel", ["channel"]),
  cells: defineTable({ name: v.string(), value: v.number() }).index("by_name", ["name"]),
  articles: defineTable(article), // SEARCH .searchIndex("by_body", { searchField: "body", filterFields: ["group"] })
  plainArticles: defineTable(article),
  vectors: defineTable(embedding), // SEARCH .vectorIndex("by_e", { vectorField: "e", dimensions: 1536, filterFields: ["group"] })
  plainVectors: defineTable(embedding),
});
