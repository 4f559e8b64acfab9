// Who is in a room: a heartbeat puts off the job that would declare its sender gone.
import { v } from "convex/values";
import { internal } from "./_generated/api";
import { internalMutation, mutation, query } from "./_generated/server";

export const heartbeat = mutation({
  args: { room: v.string(), user: v.string(), timeoutMs: v.number(), data: v.optional(v.any()) },
  handler: async (ctx, { room, user, timeoutMs, data }) => {
    const cleanup = await ctx.scheduler.runAfter(timeoutMs, internal.presence.gone, { room, user });
    const present = await ctx.db
      .query("presence")
      .withIndex("by_room", (q) => q.eq("room", room).eq("user", user))
      .unique();
    if (present) {
      await ctx.scheduler.cancel(present.cleanup);
      await ctx.db.patch(present._id, { cleanup, online: true, ...(data === undefined ? {} : { data }) });
    } else {
      await ctx.db.insert("presence", { room, user, online: true, cleanup, data: data ?? null });
    }
    const beat = await ctx.db
      .query("heartbeats")
      .withIndex("by_room", (q) => q.eq("room", room).eq("user", user))
      .unique();
    if (beat) {
      await ctx.db.patch(beat._id, { beats: beat.beats + 1 });
    } else {
      await ctx.db.insert("heartbeats", { room, user, beats: 1 });
    }
  },
});

export const gone = internalMutation({
  args: { room: v.string(), user: v.string() },
  handler: async (ctx, { room, user }) => {
    const present = await ctx.db
      .query("presence")
      .withIndex("by_room", (q) => q.eq("room", room).eq("user", user))
      .unique();
    if (present) {
      await ctx.db.patch(present._id, { online: false });
    }
  },
});

export const leave = mutation({
  args: { room: v.string(), user: v.string() },
  handler: async (ctx, { room, user }) => {
    const present = await ctx.db
      .query("presence")
      .withIndex("by_room", (q) => q.eq("room", room).eq("user", user))
      .unique();
    if (present) {
      await ctx.scheduler.cancel(present.cleanup);
      await ctx.db.delete(present._id);
    }
  },
});

export const here = query({
  args: { room: v.string() },
  handler: async (ctx, { room }) =>
    (
      await ctx.db
        .query("presence")
        .withIndex("by_room", (q) => q.eq("room", room))
        .collect()
    ).map(({ user, online, data }) => ({ user, online, data })),
});
