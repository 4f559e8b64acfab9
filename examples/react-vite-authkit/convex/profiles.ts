import { ConvexError, v } from "convex/values";
import { mutation, query, type MutationCtx, type QueryCtx } from "./_generated/server";

/** The caller's profile, or null before the first sign-in and for strangers. */
export async function currentProfile(ctx: QueryCtx) {
  const identity = await ctx.auth.getUserIdentity();
  if (identity === null) {
    return null;
  }
  return await ctx.db
    .query("profiles")
    .withIndex("by_subject", (q) => q.eq("subject", identity.subject))
    .unique();
}

/** The caller's profile; a mutation without one is refused. */
export async function requireProfile(ctx: MutationCtx) {
  const profile = await currentProfile(ctx);
  if (profile === null) {
    throw new ConvexError("Sign in first.");
  }
  return profile;
}

/** Called after sign-in: remembers under which name to show the caller. */
export const introduce = mutation({
  args: { name: v.string() },
  returns: v.id("profiles"),
  handler: async (ctx, { name }) => {
    const identity = await ctx.auth.getUserIdentity();
    if (identity === null) {
      throw new ConvexError("Sign in first.");
    }
    const shown = name.trim().slice(0, 40) || "Somebody";
    const profile = await currentProfile(ctx);
    if (profile === null) {
      return await ctx.db.insert("profiles", { subject: identity.subject, name: shown });
    }
    if (profile.name !== shown) {
      await ctx.db.patch(profile._id, { name: shown });
    }
    return profile._id;
  },
});

export const me = query({
  args: {},
  handler: async (ctx) => await currentProfile(ctx),
});
