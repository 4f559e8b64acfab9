import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  presence: defineTable({ room: v.string(), user: v.string(), online: v.boolean(), cleanup: v.id("_scheduled_functions"), data: v.any() }).index("by_room", ["room", "user"]),
  // What changes with every heartbeat stands apart, so that the list of people does not run again for it.
  heartbeats: defineTable({ room: v.string(), user: v.string(), beats: v.number() }).index("by_room", ["room", "user"]),
});
