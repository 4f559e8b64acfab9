import { v } from "convex/values";
import { action, mutation, query } from "./_generated/server";

export const link = mutation({ args: {}, handler: async (ctx) => await ctx.storage.generateUploadUrl() });

export const linkFromAction = action({ args: {}, handler: async (ctx) => await ctx.storage.generateUploadUrl() });

export const look = query({
  args: { id: v.id("_storage") },
  handler: async (ctx, { id }) => ({
    url: await ctx.storage.getUrl(id),
    meta: await ctx.storage.getMetadata(id),
    row: await ctx.db.system.get(id),
    normal: ctx.db.system.normalizeId("_storage", id),
  }),
});

export const all = query({ args: {}, handler: async (ctx) => await ctx.db.system.query("_storage").order("desc").collect() });

export const remove = mutation({ args: { id: v.id("_storage") }, handler: async (ctx, { id }) => await ctx.storage.delete(id) });

export const storeText = mutation({
  args: { text: v.string(), fail: v.optional(v.boolean()) },
  handler: async (ctx, { text, fail }) => {
    const storage = ctx.storage as any; // store and get are not in the types of mutations
    const id = await storage.store(new Blob([text], { type: "text/plain" }));
    await ctx.db.insert("photos", { file: id });
    const blob = await storage.get(id);
    if (fail) {
      throw new Error("after storing");
    }
    return { id, text: await blob.text(), inside: (await ctx.db.system.get(id))!.size };
  },
});

const message = async (work: () => Promise<unknown>) => {
  try {
    await work();
    return null;
  } catch (error: any) {
    return error.message as string;
  }
};

export const roundTrip = action({
  args: { size: v.number() },
  handler: async (ctx, { size }) => {
    const bytes = new Uint8Array(size).map((_, i) => i * 31);
    const id = await ctx.storage.store(new Blob([bytes], { type: "x/y" }));
    const blob = (await ctx.storage.get(id))!;
    const back = new Uint8Array(await blob.arrayBuffer());
    const result = { size: blob.size, type: blob.type, equal: back.every((b, i) => b === bytes[i]) };
    const refused = await message(() => ctx.storage.store(new Blob(["x"]), { sha256: "00".repeat(32) }));
    const notABlob = await message(() => ctx.storage.store("x" as any));
    await ctx.storage.delete(id);
    return { ...result, refused, notABlob, after: await ctx.storage.get(id), again: await ctx.storage.getUrl(id), deletedTwice: await message(() => ctx.storage.delete(id)) };
  },
});
