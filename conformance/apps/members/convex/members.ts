import type { UserIdentity } from "convex/server";
import { ConvexError, v } from "convex/values";
import { api, internal } from "./_generated/api";
import { type MutationCtx, type QueryCtx, action, internalMutation, mutation, query } from "./_generated/server";

async function me(ctx: QueryCtx | MutationCtx) {
  const identity = await ctx.auth.getUserIdentity();
  if (!identity) {
    throw new ConvexError({ code: "SIGNED_OUT" });
  }
  const member = await ctx.db
    .query("members")
    .withIndex("by_token", (q) => q.eq("tokenIdentifier", identity.tokenIdentifier))
    .unique();
  return { identity, member };
}

export const whoami = query({ args: {}, handler: async (ctx) => await ctx.auth.getUserIdentity() });

/** Keeps a row for everybody who signed in, as apps do. */
export const enter = mutation({
  args: {},
  handler: async (ctx) => {
    const { identity, member } = await me(ctx);
    const fields = { name: identity.name ?? "nameless", email: identity.email, admin: ((identity.roles as string[] | undefined) ?? []).includes("admin") };
    if (member) {
      await ctx.db.patch(member._id, fields);
      return member._id;
    }
    return await ctx.db.insert("members", { tokenIdentifier: identity.tokenIdentifier, ...fields });
  },
});

export const write = mutation({
  args: { text: v.string(), private: v.boolean() },
  handler: async (ctx, note) => {
    const { member } = await me(ctx);
    if (!member) {
      throw new ConvexError({ code: "NOT_ENTERED" });
    }
    await ctx.scheduler.runAfter(0, internal.members.later, { text: note.text });
    return await ctx.db.insert("notes", { by: member._id, ...note });
  },
});

/** Whoever scheduled it, a scheduled function runs as nobody. */
export const later = internalMutation({
  args: { text: v.string() },
  handler: async (ctx, { text }) => {
    const identity = await ctx.auth.getUserIdentity();
    console.log("later", text, identity === null ? "as nobody" : `as ${identity.subject}`);
  },
});

/** Public notes, one's own, and for admins all. */
export const notes = query({
  args: {},
  handler: async (ctx) => {
    const identity = await ctx.auth.getUserIdentity();
    const member = identity && (await me(ctx)).member;
    const all = await ctx.db.query("notes").collect();
    return all.filter((note) => !note.private || note.by === member?._id || member?.admin).map((note) => note.text);
  },
});

/** An action hands its caller's identity on to what it calls. */
export const viaAction = action({
  args: {},
  handler: async (ctx): Promise<(string | undefined)[]> => {
    const inside: UserIdentity | null = await ctx.runQuery(api.members.whoami, {});
    return [(await ctx.auth.getUserIdentity())?.subject, inside?.subject];
  },
});

export const everybody = query({
  args: {},
  handler: async (ctx) => {
    if (!(await me(ctx)).member?.admin) {
      throw new ConvexError({ code: "FORBIDDEN" });
    }
    return (await ctx.db.query("members").collect()).map((member) => member.name);
  },
});
