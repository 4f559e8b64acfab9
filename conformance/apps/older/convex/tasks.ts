// A to-do list as an app of 2025 has it.
import { paginationOptsValidator } from "convex/server";
import { ConvexError, v } from "convex/values";
import { api, internal } from "./_generated/api";
import { action, internalMutation, mutation, query } from "./_generated/server";

export const add = mutation({
  args: { list: v.string(), title: v.string() },
  returns: v.id("tasks"),
  handler: async (ctx, args) => {
    if (args.title.trim() === "") {
      throw new ConvexError({ field: "title" });
    }
    return await ctx.db.insert("tasks", { ...args, done: false });
  },
});

export const finish = mutation({
  args: { id: v.id("tasks") },
  handler: async (ctx, { id }) => await ctx.db.patch(id, { done: true }),
});

export const open = query({
  args: { list: v.string() },
  handler: async (ctx, { list }) =>
    (
      await ctx.db
        .query("tasks")
        .withIndex("by_list", (q) => q.eq("list", list).eq("done", false))
        .collect()
    ).map((task) => task.title),
});

export const page = query({
  args: { paginationOpts: paginationOptsValidator },
  handler: async (ctx, { paginationOpts }) => await ctx.db.query("tasks").order("desc").paginate(paginationOpts),
});

export const addLater = internalMutation({
  args: { list: v.string(), title: v.string() },
  handler: async (ctx, args) => {
    await ctx.scheduler.runAfter(0, api.tasks.add, args);
  },
});

export const summary = action({
  args: { list: v.string() },
  handler: async (ctx, { list }): Promise<string> => {
    const open = await ctx.runQuery(api.tasks.open, { list }); // before what is scheduled may run
    await ctx.runMutation(internal.tasks.addLater, { list, title: "read the summary" });
    return `${open.length} open`;
  },
});
