// @convex-dev/rate-limiter: limits within the caller's transaction, and a worker of the component's own.
import { MINUTE, RateLimiter } from "@convex-dev/rate-limiter";
import { v } from "convex/values";
import { components } from "./_generated/api";
import { mutation, query } from "./_generated/server";

const limiter = new RateLimiter(components.rateLimiter, {
  send: { kind: "token bucket", rate: 10, period: MINUTE, capacity: 3 },
  signUp: { kind: "fixed window", rate: 2, period: MINUTE },
});

export const send = mutation({
  args: { key: v.string(), fail: v.optional(v.boolean()) },
  handler: async (ctx, { key, fail }) => {
    const { ok, retryAfter } = await limiter.limit(ctx, "send", { key });
    if (fail) {
      throw new Error("not sent");
    }
    return { ok, waits: (retryAfter ?? 0) > 0 };
  },
});

export const signUp = mutation({
  args: {},
  handler: async (ctx) => {
    await limiter.limit(ctx, "signUp", { throws: true });
  },
});

export const check = query({ args: { key: v.string() }, handler: async (ctx, { key }) => (await limiter.check(ctx, "send", { key })).ok });

export const { getRateLimit, getServerTime } = limiter.hookAPI("send", { key: "hook" });
