import { ConvexError, v } from "convex/values";
import { mutation, query } from "./_generated/server";
import { currentProfile, requireProfile } from "./profiles";

/** The board, most wanted first. Only people who are signed in may look. */
export const list = query({
  args: {},
  handler: async (ctx) => {
    const me = await currentProfile(ctx);
    if (me === null) {
      return [];
    }
    const mine = await ctx.db
      .query("votes")
      .withIndex("by_voter", (q) => q.eq("voter", me._id))
      .collect();
    const votedFor = new Set(mine.map((vote) => vote.suggestion));
    const suggestions = await ctx.db.query("suggestions").withIndex("by_votes").order("desc").take(50);
    return await Promise.all(
      suggestions.map(async (suggestion) => ({
        _id: suggestion._id,
        _creationTime: suggestion._creationTime,
        text: suggestion.text,
        votes: suggestion.votes,
        author: (await ctx.db.get(suggestion.author))?.name ?? "Somebody",
        isMine: suggestion.author === me._id,
        hasMyVote: votedFor.has(suggestion._id),
      })),
    );
  },
});

export const suggest = mutation({
  args: { text: v.string() },
  returns: v.id("suggestions"),
  handler: async (ctx, args) => {
    const me = await requireProfile(ctx);
    const text = args.text.trim();
    if (text === "" || text.length > 80) {
      throw new ConvexError("A suggestion has between 1 and 80 characters.");
    }
    return await ctx.db.insert("suggestions", { text, author: me._id, votes: 0 });
  },
});

/** Gives or takes back the caller's vote. */
export const toggleVote = mutation({
  args: { suggestion: v.id("suggestions") },
  returns: v.null(),
  handler: async (ctx, { suggestion: id }) => {
    const me = await requireProfile(ctx);
    const suggestion = await ctx.db.get(id);
    if (suggestion === null) {
      return null; // somebody removed it a moment ago
    }
    const vote = await ctx.db
      .query("votes")
      .withIndex("by_suggestion_and_voter", (q) => q.eq("suggestion", id).eq("voter", me._id))
      .unique();
    if (vote === null) {
      await ctx.db.insert("votes", { suggestion: id, voter: me._id });
      await ctx.db.patch(id, { votes: suggestion.votes + 1 });
    } else {
      await ctx.db.delete(vote._id);
      await ctx.db.patch(id, { votes: suggestion.votes - 1 });
    }
    return null;
  },
});

/** Only who wrote a suggestion may take it off the board. */
export const remove = mutation({
  args: { suggestion: v.id("suggestions") },
  returns: v.null(),
  handler: async (ctx, { suggestion: id }) => {
    const me = await requireProfile(ctx);
    const suggestion = await ctx.db.get(id);
    if (suggestion === null) {
      return null;
    }
    if (suggestion.author !== me._id) {
      throw new ConvexError("Only its author can remove a suggestion.");
    }
    const votes = await ctx.db
      .query("votes")
      .withIndex("by_suggestion_and_voter", (q) => q.eq("suggestion", id))
      .collect();
    await Promise.all(votes.map((vote) => ctx.db.delete(vote._id)));
    await ctx.db.delete(id);
    return null;
  },
});
