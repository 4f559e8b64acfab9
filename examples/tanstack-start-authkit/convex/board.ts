import { ConvexError, v } from "convex/values";
import { mutation, query, type MutationCtx } from "./_generated/server";

/** The caller's id, as their verified token has it; a mutation without one is refused. */
async function requireCaller(ctx: MutationCtx) {
  const identity = await ctx.auth.getUserIdentity();
  if (identity === null) {
    throw new ConvexError("Sign in first.");
  }
  return identity.subject;
}

/** The board, most wanted first. Only people who are signed in may look. */
export const list = query({
  args: {},
  handler: async (ctx) => {
    const me = (await ctx.auth.getUserIdentity())?.subject;
    if (me === undefined) {
      return [];
    }
    const mine = await ctx.db
      .query("votes")
      .withIndex("by_voter", (q) => q.eq("voter", me))
      .collect();
    const votedFor = new Set(mine.map((vote) => vote.suggestion));
    const suggestions = await ctx.db.query("suggestions").withIndex("by_votes").order("desc").take(50);
    return suggestions.map(({ _id, text, votes, author }) => ({
      _id,
      text,
      votes,
      author: author.name,
      isMine: author.subject === me,
      hasMyVote: votedFor.has(_id),
    }));
  },
});

/** Puts a suggestion on the board; `author` is the name to show beside it. */
export const suggest = mutation({
  args: { text: v.string(), author: v.string() },
  returns: v.id("suggestions"),
  handler: async (ctx, args) => {
    const subject = await requireCaller(ctx);
    const text = args.text.trim();
    if (text === "" || text.length > 80) {
      throw new ConvexError("A suggestion has between 1 and 80 characters.");
    }
    const name = args.author.trim().slice(0, 40) || "Somebody";
    return await ctx.db.insert("suggestions", { text, author: { subject, name }, votes: 0 });
  },
});

/** Gives or takes back the caller's vote. */
export const toggleVote = mutation({
  args: { suggestion: v.id("suggestions") },
  returns: v.null(),
  handler: async (ctx, { suggestion: id }) => {
    const me = await requireCaller(ctx);
    const suggestion = await ctx.db.get(id);
    if (suggestion === null) {
      return null; // somebody removed it a moment ago
    }
    const vote = await ctx.db
      .query("votes")
      .withIndex("by_suggestion_and_voter", (q) => q.eq("suggestion", id).eq("voter", me))
      .unique();
    if (vote === null) {
      await ctx.db.insert("votes", { suggestion: id, voter: me });
    } else {
      await ctx.db.delete(vote._id);
    }
    await ctx.db.patch(id, { votes: suggestion.votes + (vote === null ? 1 : -1) });
    return null;
  },
});

/** Only who wrote a suggestion may take it off the board. */
export const remove = mutation({
  args: { suggestion: v.id("suggestions") },
  returns: v.null(),
  handler: async (ctx, { suggestion: id }) => {
    const me = await requireCaller(ctx);
    const suggestion = await ctx.db.get(id);
    if (suggestion === null) {
      return null;
    }
    if (suggestion.author.subject !== me) {
      throw new ConvexError("Only its author can remove a suggestion.");
    }
    const votes = await ctx.db
      .query("votes")
      .withIndex("by_suggestion_and_voter", (q) => q.eq("suggestion", id))
      .collect();
    for (const vote of votes) {
      await ctx.db.delete(vote._id);
    }
    await ctx.db.delete(id);
    return null;
  },
});
