import { v } from "convex/values";
import { mutation, query } from "./_generated/server";

declare const process: { env: Record<string, string | undefined> };

export const sign = mutation({
  args: { claims: v.any(), seconds: v.number() },
  handler: async (ctx, { claims, seconds }) => ({
    jwt: await ctx.auth.signJwt({ claims, expiresInSeconds: seconds }),
    url: process.env.CONVEX_CLOUD_URL,
    now: Date.now(),
  }),
});

export const whoami = query({ args: {}, handler: (ctx) => ctx.auth.getUserIdentity() });
