import { paginationOptsValidator } from "convex/server";
import { v } from "convex/values";
import { internalMutation, internalQuery, mutation, query } from "./_generated/server";

export const list = query({
  args: { channel: v.string() },
  handler: async (ctx, { channel }) =>
    await ctx.db
      .query("messages")
      .withIndex("by_channel", (q) => q.eq("channel", channel))
      .collect(),
});

export const send = mutation({
  args: { channel: v.string(), body: v.string(), rank: v.optional(v.number()) },
  returns: v.id("messages"),
  handler: async (ctx, args) => await ctx.db.insert("messages", args),
});

export const sendMany = mutation({
  args: { channel: v.string(), count: v.number(), from: v.optional(v.number()) },
  handler: async (ctx, { channel, count, from }) => {
    for (let i = 0; i < count; i++) {
      const rank = (from ?? 0) + i;
      await ctx.db.insert("messages", { channel, body: `message ${rank}`, rank });
    }
    return count;
  },
});

export const page = query({
  args: { channel: v.string(), paginationOpts: paginationOptsValidator },
  handler: async (ctx, { channel, paginationOpts }) =>
    await ctx.db
      .query("messages")
      .withIndex("by_channel_and_rank", (q) => q.eq("channel", channel))
      .order("asc")
      .paginate(paginationOpts),
});

export const get = query({
  args: { id: v.id("messages") },
  handler: async (ctx, { id }) => await ctx.db.get(id),
});

export const edit = mutation({
  args: { id: v.id("messages"), body: v.string() },
  handler: async (ctx, { id, body }) => await ctx.db.patch(id, { body }),
});

export const replace = mutation({
  args: { id: v.id("messages"), channel: v.string(), body: v.string() },
  handler: async (ctx, { id, ...rest }) => await ctx.db.replace(id, rest),
});

export const remove = mutation({
  args: { id: v.id("messages") },
  handler: async (ctx, { id }) => await ctx.db.delete(id),
});

/** Every form of an index range, a filter and an end of a query. */
export const forms = query({
  args: { channel: v.string() },
  handler: async (ctx, { channel }) => {
    const ranked = () => ctx.db.query("messages").withIndex("by_channel_and_rank", (q) => q.eq("channel", channel));
    const ranks = (rows: { rank?: number }[]) => rows.map((row) => row.rank ?? null);
    const range = async (name: string) => {
      const messages = ctx.db.query("messages");
      switch (name) {
        case "gt":
          return messages.withIndex("by_channel_and_rank", (q) => q.eq("channel", channel).gt("rank", 2));
        case "gte":
          return messages.withIndex("by_channel_and_rank", (q) => q.eq("channel", channel).gte("rank", 2));
        case "lt":
          return messages.withIndex("by_channel_and_rank", (q) => q.eq("channel", channel).lt("rank", 2));
        case "between":
          return messages.withIndex("by_channel_and_rank", (q) =>
            q.eq("channel", channel).gte("rank", 1).lte("rank", 3),
          );
        default:
          return messages.withIndex("by_channel_and_rank", (q) => q.eq("channel", channel).eq("rank", 3));
      }
    };
    const first = await ranked().first();
    let unique = "none";
    try {
      await ranked().unique();
    } catch (error) {
      unique = (error as Error).message.includes("unique() query returned more than one result") ? "refused" : "other";
    }
    const seen: (number | null)[] = [];
    for await (const row of ranked().order("desc")) {
      seen.push(row.rank ?? null);
      if (seen.length === 2) {
        break;
      }
    }
    return {
      gt: ranks(await (await range("gt")).collect()),
      gte: ranks(await (await range("gte")).collect()),
      lt: ranks(await (await range("lt")).collect()),
      between: ranks(await (await range("between")).collect()),
      eq: ranks(await (await range("eq")).collect()),
      desc: ranks(await ranked().order("desc").collect()),
      take: ranks(await ranked().take(2)),
      first: first?.rank ?? null,
      unique,
      iterated: seen,
      filtered: ranks(
        await ctx.db
          .query("messages")
          .filter((q) =>
            q.and(
              q.eq(q.field("channel"), channel),
              q.gte(q.field("rank"), 0), // rows without a rank stop here: arithmetic on them is an error
              q.or(q.gt(q.field("rank"), 3), q.eq(q.mod(q.field("rank"), 2), 1)),
              q.not(q.eq(q.field("body"), "message 1")),
            ),
          )
          .collect(),
      ),
      missing: (await ctx.db.query("messages").withIndex("by_deep", (q) => q.eq("nested.deep", undefined)).collect())
        .length,
    };
  },
});

export const secretCount = internalQuery({
  args: {},
  handler: async (ctx) => (await ctx.db.query("messages").collect()).length,
});

export const secretWrite = internalMutation({
  args: { body: v.string() },
  handler: async (ctx, { body }) => await ctx.db.insert("messages", { channel: "secret", body }),
});
