import { v } from "convex/values";
import { mutation, query } from "./_generated/server";

export const add = mutation({
  args: { text: v.string() },
  handler: async (ctx, { text }) => {
    console.log(`added ${text}`);
    return await ctx.db.insert("notes", { text });
  },
});

export const list = query({
  args: {},
  handler: async (ctx) => (await ctx.db.query("notes").collect()).map((note) => note.text),
});

// Which environment the functions see: its client id.
export const environment = query({
  args: {},
  handler: async () => process.env.WORKOS_CLIENT_ID ?? null,
});

export const seed = mutation({
  args: {},
  handler: async (ctx) => void (await ctx.db.insert("notes", { text: "seeded" })),
});
