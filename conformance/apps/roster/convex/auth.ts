// The component as its guide sets it up: users by webhook, actions that may refuse, and a table of our own by events.
import { AuthKit, type AuthFunctions } from "@convex-dev/workos-authkit";
import { v } from "convex/values";
import { components, internal } from "./_generated/api";
import type { DataModel } from "./_generated/dataModel";
import { action, query } from "./_generated/server";

const authFunctions: AuthFunctions = internal.auth;

export const authKit = new AuthKit<DataModel>(components.workOSAuthKit, {
  authFunctions,
  additionalEventTypes: ["session.created"],
});

export const { authKitEvent } = authKit.events({
  "user.created": async (ctx, event) => {
    await ctx.db.insert("people", { id: event.data.id, email: event.data.email, name: event.data.firstName ?? "" });
  },
  "user.updated": async (ctx, event) => {
    const person = await ctx.db.query("people").withIndex("id", (q) => q.eq("id", event.data.id)).unique();
    if (person) {
      await ctx.db.patch(person._id, { email: event.data.email, name: event.data.firstName ?? "" });
    }
  },
  "user.deleted": async (ctx, event) => {
    const person = await ctx.db.query("people").withIndex("id", (q) => q.eq("id", event.data.id)).unique();
    if (person) {
      await ctx.db.delete(person._id);
    }
  },
});

export const { authKitAction } = authKit.actions({
  authentication: async (_ctx, action, response) =>
    action.user.email.startsWith("banned") ? response.deny("You are banned from <here>.") : response.allow(),
  userRegistration: async (_ctx, action, response) =>
    action.userData.email.endsWith("@spam.test") ? response.deny("Only for people.") : response.allow(),
});

export const { backfillUsers } = authKit.utils();

export const people = query({ args: {}, handler: async (ctx) => await ctx.db.query("people").collect() });

export const me = query({
  args: {},
  handler: async (ctx) => {
    const user = await authKit.getAuthUser(ctx);
    return user && { id: user.id, email: user.email, firstName: user.firstName ?? null, metadata: user.metadata };
  },
});

export const known = query({
  args: { id: v.string() },
  handler: async (ctx, { id }) => (await ctx.runQuery(components.workOSAuthKit.lib.getAuthUser, { id }))?.email ?? null,
});

/** Asks the API with the fixed host, as the component does. */
export const listUsers = action({
  args: {},
  handler: async () => (await authKit.workos.userManagement.listUsers({ limit: 2, order: "asc" })).data.map((user) => user.email),
});
