import { v } from "convex/values";
import { internalMutation, query } from "../_generated/server";

// Addressed as "admin/users", for it is the default export.
export default query({ args: {}, returns: v.array(v.string()), handler: async (ctx) => (await ctx.db.query("users").collect()).map((user) => user.name) });

export const add = internalMutation({
  args: { name: v.string() },
  returns: v.null(),
  handler: async (ctx, { name }) => {
    await ctx.db.insert("users", { name });
    return null;
  },
});
