import { v } from "convex/values";
import { action, internalMutation, mutation, query } from "./_generated/server";
import { internal } from "./_generated/api";

export const seed = action({
  args: {},
  handler: async (ctx): Promise<string> => {
    const file = await ctx.storage.store(new Blob(["lentil soup"], { type: "text/plain" }));
    await ctx.storage.store(new Blob([new Uint8Array([0, 255, 1, 254])]));
    return await ctx.runMutation(internal.data.seedRows, { file });
  },
});

export const seedRows = internalMutation({
  args: { file: v.id("_storage") },
  handler: async (ctx, { file }) => {
    const author = await ctx.db.insert("people", { name: "Ada", age: 36 });
    await ctx.db.insert("people", { name: "Grace" });
    const bytes = new Uint8Array([0, 1, 128, 255]).buffer;
    const floats = [1.5, -0, NaN, Infinity, -Infinity, 5e-324, 1.7976931348623157e308];
    for (const [i, float] of floats.entries()) {
      await ctx.db.insert("notes", {
        author,
        big: [9223372036854775807n, -9223372036854775808n, 0n][i % 3]!,
        bytes,
        float,
        any: i === 0 ? { deep: [null, true, "ö\u0000\u2028 \"q\"", { n: 7n, b: bytes, f: -0 }], "": 1 } : null,
        ...(i === 0 ? { file } : {}),
      });
    }
    return author;
  },
});

export const people = query({ args: {}, handler: async (ctx) => await ctx.db.query("people").collect() });
export const notes = query({ args: {}, handler: async (ctx) => await ctx.db.query("notes").withIndex("by_big").collect() });
export const rows = query({ args: {}, handler: async (ctx) => await ctx.db.query("rows").collect() });
export const files = query({
  args: {},
  handler: async (ctx) => {
    const list = await ctx.db.system.query("_storage").collect();
    return await Promise.all(list.map(async (file) => ({ ...file, url: await ctx.storage.getUrl(file._id) })));
  },
});

export const add = mutation({ args: { name: v.string() }, handler: async (ctx, { name }) => await ctx.db.insert("people", { name }) });
export const clear = mutation({
  args: {},
  handler: async (ctx) => {
    for (const table of ["people", "notes", "rows"] as const) {
      for (const doc of await ctx.db.query(table).collect()) {
        await ctx.db.delete(doc._id);
      }
    }
    for (const file of await ctx.db.system.query("_storage").collect()) {
      await ctx.storage.delete(file._id);
    }
  },
});
