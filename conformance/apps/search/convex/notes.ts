import { paginationOptsValidator } from "convex/server";
import { v } from "convex/values";
import { mutation, query } from "./_generated/server";

const filter = v.object({ channel: v.optional(v.any()), level: v.optional(v.number()) });

export const add = mutation({
  args: { notes: v.array(v.any()) },
  handler: async (ctx, { notes }) => {
    const ids = [];
    for (const note of notes) {
      ids.push(await ctx.db.insert("notes", typeof note === "string" ? { body: note } : note));
    }
    return ids;
  },
});

export const patch = mutation({
  args: { id: v.id("notes"), fields: v.any() },
  handler: async (ctx, { id, fields }) => await ctx.db.patch(id, fields),
});

export const remove = mutation({ args: { id: v.id("notes") }, handler: async (ctx, { id }) => await ctx.db.delete(id) });

export const clear = mutation({
  args: {},
  handler: async (ctx) => {
    for (const note of await ctx.db.query("notes").collect()) {
      await ctx.db.delete(note._id);
    }
  },
});

export const find = query({
  args: { text: v.string(), filter: v.optional(filter), take: v.optional(v.number()), noChannel: v.optional(v.boolean()) },
  handler: async (ctx, { text, filter, take, noChannel }) => {
    const found = ctx.db.query("notes").withSearchIndex("by_body", (q) => {
      let search = q.search("body", text);
      if (noChannel) search = search.eq("channel", undefined);
      if (filter?.channel !== undefined) search = search.eq("channel", filter.channel);
      if (filter?.level !== undefined) search = search.eq("meta.level", filter.level);
      return search;
    });
    return (await (take === undefined ? found.collect() : found.take(take))).map((note) => note.body);
  },
});

export const byTitle = query({
  args: { text: v.string() },
  handler: async (ctx, { text }) =>
    (await ctx.db.query("notes").withSearchIndex("by_title", (q) => q.search("meta.title", text)).collect()).map((n) => n.meta!.title),
});

export const liked = query({
  args: { text: v.string(), atLeast: v.number() },
  handler: async (ctx, { text, atLeast }) =>
    (
      await ctx.db
        .query("notes")
        .withSearchIndex("by_body", (q) => q.search("body", text))
        .filter((q) => q.gte(q.field("likes"), atLeast))
        .take(2)
    ).map((note) => note.body),
});

export const page = query({
  args: { text: v.string(), paginationOpts: paginationOptsValidator },
  handler: async (ctx, { text, paginationOpts }) =>
    await ctx.db.query("notes").withSearchIndex("by_body", (q) => q.search("body", text)).paginate(paginationOpts),
});

// What a mutation sees of its own writes: inserted, changed and deleted.
export const ownWrites = mutation({
  args: {},
  handler: async (ctx) => {
    const look = async (text: string) =>
      (await ctx.db.query("notes").withSearchIndex("by_body", (q) => q.search("body", text)).collect()).map((n) => n.body);
    const before = await look("zebra");
    const id = await ctx.db.insert("notes", { body: "a zebra crossing" });
    const inserted = await look("zebra");
    await ctx.db.patch(id, { body: "a lion sleeping" });
    const changed = [await look("zebra"), await look("lion")];
    await ctx.db.delete(id);
    const deleted = await look("lion");
    const [first] = await ctx.db.query("notes").withSearchIndex("by_body", (q) => q.search("body", "keeper")).take(1);
    await ctx.db.delete(first._id);
    return { before, inserted, changed, deleted, keeper: await look("keeper") };
  },
});

// Claims a word that nobody has: of two at once only one may succeed.
export const claim = mutation({
  args: { word: v.string(), by: v.string() },
  handler: async (ctx, { word, by }) => {
    const taken = await ctx.db.query("notes").withSearchIndex("by_body", (q) => q.search("body", word)).first();
    if (taken) return null;
    await ctx.db.insert("notes", { body: `${word} ${by}` });
    return by;
  },
});

// How often the function ran for a live query is not to be seen from outside, so it tells the time of its run.
export const watched = query({
  args: { text: v.string(), channel: v.optional(v.string()) },
  handler: async (ctx, { text, channel }) => {
    const found = await ctx.db
      .query("notes")
      .withSearchIndex("by_body", (q) => {
        const search = q.search("body", text);
        return channel === undefined ? search : search.eq("channel", channel);
      })
      .collect();
    return { bodies: found.map((n) => n.body), at: Date.now() };
  },
});

export const broken = query({
  args: { how: v.string() },
  handler: async (ctx, { how }) => {
    const notes = ctx.db.query("notes");
    const hows: Record<string, () => any> = {
      index: () => notes.withSearchIndex("by_nothing" as any, (q: any) => q.search("body", "a")),
      database: () => notes.withIndex("by_body" as any),
      ordered: () => notes.withSearchIndex("by_channel" as any, (q: any) => q.search("channel", "a")),
      none: () => notes.withSearchIndex("by_body", (q: any) => q.eq("channel", "a")),
      two: () => notes.withSearchIndex("by_body", (q: any) => q.search("body", "a").search("body", "b")),
      field: () => notes.withSearchIndex("by_body", (q: any) => q.search("channel", "a")),
      filter: () => notes.withSearchIndex("by_body", (q: any) => q.search("body", "a").eq("likes", 1)),
      many: () =>
        notes.withSearchIndex("by_body", (q: any) => {
          let search = q.search("body", "a");
          for (let i = 0; i < 9; i++) search = search.eq("channel", "a");
          return search;
        }),
    };
    return await hows[how]().collect();
  },
});
