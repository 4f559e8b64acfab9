// @convex-dev/crons: cron jobs that are registered while the app runs.
import { Crons } from "@convex-dev/crons";
import { v } from "convex/values";
import { components, internal } from "./_generated/api";
import { mutation, query } from "./_generated/server";

const crons = new Crons(components.crons);

export const register = mutation({
  args: { name: v.string(), ms: v.number() },
  handler: async (ctx, { name, ms }): Promise<string> => await crons.register(ctx, { kind: "interval", ms }, internal.events.note, { tag: name, data: "tick" }, name),
});

export const registerDaily = mutation({
  args: {},
  handler: async (ctx): Promise<string> => await crons.register(ctx, { kind: "cron", cronspec: "0 0 * * *" }, internal.events.note, { tag: "daily", data: 1 }, "daily"),
});

export const remove = mutation({ args: { name: v.string() }, handler: async (ctx, { name }) => await crons.delete(ctx, { name }) });
export const list = query({ args: {}, handler: async (ctx) => (await crons.list(ctx)).map(({ name, schedule }) => ({ name, schedule })) });
