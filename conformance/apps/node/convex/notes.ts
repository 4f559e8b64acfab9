import { v, ConvexError } from "convex/values";
import { action, internalMutation, mutation, query } from "./_generated/server";
import { anyApi as api } from "convex/server";

export const list = query({ args: {}, handler: async (ctx) => (await ctx.db.query("notes").collect()).map((n) => `${n.by}: ${n.text}`) });

export const add = internalMutation({
  args: { text: v.string(), by: v.string() },
  handler: async (ctx, args) => await ctx.db.insert("notes", args),
});

export const clear = mutation({
  args: {},
  handler: async (ctx) => {
    for (const n of await ctx.db.query("notes").collect()) await ctx.db.delete(n._id);
  },
});

export const point = internalMutation({
  args: { name: v.string(), at: v.array(v.float64()) },
  handler: async (ctx, args) => await ctx.db.insert("points", args),
});

export const refuse = mutation({
  args: {},
  handler: async () => {
    throw new ConvexError({ kind: "refused", n: 7n });
  },
});

export const later = mutation({
  args: {},
  handler: async (ctx) => await ctx.scheduler.runAfter(0, api.work.note, { text: "scheduled by a mutation" }),
});

export const job = query({ args: { id: v.id("_scheduled_functions") }, handler: async (ctx, { id }) => (await ctx.db.system.get(id))?.state.kind });

// Default runtime above Node.js above the default runtime.
export const sandwich = action({ args: {}, handler: async (ctx): Promise<string> => "isolate<" + (await ctx.runAction(api.work.middle)) + ">" });
export const filling = action({ args: {}, handler: async () => "filling" });
