// @convex-dev/workos-authkit: users that come in by webhooks of the identity service.
import { AuthKit, type AuthFunctions } from "@convex-dev/workos-authkit";
import { v } from "convex/values";
import { components, internal } from "./_generated/api";
import type { DataModel } from "./_generated/dataModel";
import { query } from "./_generated/server";

const authFunctions: AuthFunctions = internal.auth;

export const authKit = new AuthKit<DataModel>(components.workOSAuthKit, { authFunctions });

export const { authKitEvent } = authKit.events({
  "user.created": async (ctx, event) => {
    await ctx.db.insert("users", { authId: event.data.id, email: event.data.email });
  },
  "user.deleted": async (ctx, event) => {
    const user = await ctx.db.query("users").withIndex("by_auth_id", (q) => q.eq("authId", event.data.id)).unique();
    if (user) {
      await ctx.db.delete(user._id);
    }
  },
});

export const known = query({
  args: { id: v.string() },
  handler: async (ctx, { id }): Promise<{ mine: string | null; theirs: string | null }> => ({
    mine: (await ctx.db.query("users").withIndex("by_auth_id", (q) => q.eq("authId", id)).unique())?.email ?? null,
    theirs: (await ctx.runQuery(components.workOSAuthKit.lib.getAuthUser, { id }))?.email ?? null,
  }),
});
