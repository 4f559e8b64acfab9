import { money } from "@acme/shared";
import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  orders: defineTable({ code: v.string(), country: v.string(), price: money, items: v.array(v.object({ sku: v.string(), n: v.number() })) }).index("by_code", ["code"]),
  users: defineTable({ name: v.string() }),
});
