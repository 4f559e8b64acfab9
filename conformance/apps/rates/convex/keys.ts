import { v } from "convex/values";
import { internal } from "./_generated/api";
import { internalAction, internalMutation } from "./_generated/server";

export async function hashOf(key: string): Promise<ArrayBuffer> {
  return await crypto.subtle.digest("SHA-256", new TextEncoder().encode(key));
}

/** Makes a key; only its hash is kept. */
export const issue = internalAction({
  args: { name: v.string() },
  handler: async (ctx, { name }): Promise<string> => {
    const key = `key_${btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(24))))}`;
    await ctx.runMutation(internal.keys.keep, { hash: await hashOf(key), name });
    return key;
  },
});

export const keep = internalMutation({
  args: { hash: v.bytes(), name: v.string() },
  handler: async (ctx, { hash, name }) => await ctx.db.insert("keys", { hash, name, revoked: false }),
});

export const revoke = internalMutation({
  args: { name: v.string() },
  handler: async (ctx, { name }) => {
    for await (const key of ctx.db.query("keys")) {
      if (key.name === name) {
        await ctx.db.patch(key._id, { revoked: true });
      }
    }
  },
});
