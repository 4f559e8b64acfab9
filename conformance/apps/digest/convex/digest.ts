import { v } from "convex/values";
import { internal } from "./_generated/api";
import { render } from "./mail";
import { internalAction, internalMutation, mutation, query } from "./_generated/server";

export const subscribe = mutation({
  args: { email: v.string(), name: v.string() },
  handler: async (ctx, args) => {
    if (!/^[^\s@]+@[^\s@]+$/.test(args.email)) {
      throw new Error(`${args.email} is no address`);
    }
    await ctx.db.insert("subscribers", args);
  },
});

export const publish = mutation({
  args: { title: v.string(), url: v.string() },
  handler: async (ctx, args) => {
    await ctx.db.insert("articles", { ...args, sent: false });
  },
});

/** Takes what is to be sent, so that no other run sends it too. */
export const claim = internalMutation({
  args: {},
  handler: async (ctx) => {
    const articles = await ctx.db
      .query("articles")
      .withIndex("by_sent", (q) => q.eq("sent", false))
      .collect();
    for (const article of articles) {
      await ctx.db.patch(article._id, { sent: true });
    }
    return { articles: articles.map(({ title, url }) => ({ title, url })), subscribers: articles.length > 0 ? await ctx.db.query("subscribers").collect() : [] };
  },
});

export const send = internalAction({
  args: {},
  handler: async (ctx): Promise<void> => {
    const { articles, subscribers } = await ctx.runMutation(internal.digest.claim);
    await Promise.all(
      subscribers.map(async ({ email, name }) => {
        const form = new FormData();
        form.set("to", email);
        form.set("subject", `${articles.length} new`);
        form.set("html", new Blob([render(name, articles, new Date(0))], { type: "text/html" }), "mail.html");
        const answer = await fetch(process.env.MAIL_API!, { method: "POST", body: form, headers: { Authorization: `Basic ${btoa("api:secret")}` } });
        await ctx.runMutation(internal.digest.sent, { email, articles: articles.length, provider: (await answer.json()).id });
      }),
    );
  },
});

export const sent = internalMutation({
  args: { email: v.string(), articles: v.number(), provider: v.string() },
  handler: async (ctx, args) => {
    await ctx.db.insert("mails", args);
  },
});

export const mails = query({ args: {}, handler: async (ctx) => await ctx.db.query("mails").collect() });
