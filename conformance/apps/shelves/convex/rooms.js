import { actionGeneric, componentsGeneric, mutationGeneric, queryGeneric } from "convex/server";

const components = componentsGeneric();

export const put = mutationGeneric(async (ctx, { room, title, place }) => await ctx.runMutation(components[room].lib.put, { title, place }));
export const find = queryGeneric(async (ctx, { room, text }) => await ctx.runQuery(components[room].lib.find, { text }));
export const near = actionGeneric(async (ctx, { room, vector }) => await ctx.runAction(components[room].lib.near, { vector }));
