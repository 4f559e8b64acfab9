import { v } from "convex/values";
import { mutation, query } from "./_generated/server";

/** Who asks, and how many notes there are. */
export const view = query({
  args: {},
  handler: async (ctx) => {
    const caller = await ctx.auth.getUserIdentity();
    return { who: caller?.subject ?? null, roles: caller?.roles ?? null, notes: (await ctx.db.query("notes").collect()).length };
  },
});

export const write = mutation({
  args: { text: v.string() },
  handler: async (ctx, { text }) => {
    if ((await ctx.auth.getUserIdentity()) === null) {
      throw new Error("Not signed in");
    }
    await ctx.db.insert("notes", { text });
  },
});

/** What somebody else does. */
export const foreign = mutation({ args: {}, handler: async (ctx) => void (await ctx.db.insert("notes", { text: "foreign" })) });
