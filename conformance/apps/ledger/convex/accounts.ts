// Commands are checked against what happened before, and become events.
import { v } from "convex/values";
import { api, internal } from "./_generated/api";
import { type Event, apply, event } from "./events";
import { type MutationCtx, type QueryCtx, action, internalAction, internalMutation, internalQuery, mutation, query } from "./_generated/server";

async function history(ctx: QueryCtx, account: string, from = 0) {
  return await ctx.db
    .query("events")
    .withIndex("by_account", (q) => q.eq("account", account).gte("seq", from))
    .collect();
}

async function balanceOf(ctx: QueryCtx, account: string) {
  const kept = await ctx.db
    .query("balances")
    .withIndex("by_account", (q) => q.eq("account", account))
    .unique();
  const since = await history(ctx, account, (kept?.seq ?? -1) + 1);
  return {
    kept,
    seq: since.at(-1)?.seq ?? kept?.seq ?? -1,
    cents: since.reduce((sum, { event }) => apply(sum, event), kept?.cents ?? 0n),
    replayed: since.length,
  };
}

async function record(ctx: MutationCtx, account: string, e: Event) {
  const last = await ctx.db
    .query("events")
    .withIndex("by_account", (q) => q.eq("account", account))
    .order("desc")
    .first();
  if (e.type === "opened" ? last !== null : last === null || last.event.type === "closed") {
    throw new Error(`account ${account} is ${last === null ? "not open" : last.event.type === "closed" ? "closed" : "open already"}`);
  }
  await ctx.db.insert("events", { account, seq: (last?.seq ?? -1) + 1, event: e });
  if ((await balanceOf(ctx, account)).cents < 0n) {
    throw new Error(`account ${account} has not enough`);
  }
}

export const append = internalMutation({
  args: { account: v.string(), event },
  handler: async (ctx, { account, event }) => await record(ctx, account, event),
});

/** Both sides or neither. */
export const move = internalMutation({
  args: { from: v.string(), to: v.string(), cents: v.int64() },
  handler: async (ctx, { from, to, cents }) => {
    await record(ctx, from, { type: "transferred", cents, direction: "out", peer: to });
    await record(ctx, to, { type: "transferred", cents, direction: "in", peer: from });
  },
});

export const command = v.union(
  v.object({ do: v.literal("open"), account: v.string(), owner: v.string() }),
  v.object({ do: v.literal("deposit"), account: v.string(), cents: v.int64() }),
  v.object({ do: v.literal("transfer"), from: v.string(), to: v.string(), cents: v.int64() }),
);

/** A command under a key: sent twice, it takes effect once. What a refused one wrote is rolled back, its outcome stays. */
export const execute = mutation({
  args: { key: v.string(), command },
  returns: v.object({ outcome: v.string(), reason: v.optional(v.string()), again: v.boolean() }),
  handler: async (ctx, { key, command }): Promise<{ outcome: string; reason?: string; again: boolean }> => {
    const seen = await ctx.db
      .query("commands")
      .withIndex("by_key", (q) => q.eq("key", key))
      .unique();
    if (seen) {
      return { outcome: seen.outcome, reason: seen.reason, again: true };
    }
    let reason: string | undefined;
    try {
      switch (command.do) {
        case "open":
          await ctx.runMutation(internal.accounts.append, { account: command.account, event: { type: "opened", owner: command.owner } });
          break;
        case "deposit":
          await ctx.runMutation(internal.accounts.append, { account: command.account, event: { type: "deposited", cents: command.cents } });
          break;
        case "transfer":
          await ctx.runMutation(internal.accounts.move, { from: command.from, to: command.to, cents: command.cents });
      }
    } catch (error) {
      reason = (error as Error).message;
    }
    const outcome = reason === undefined ? ("done" as const) : ("refused" as const);
    await ctx.db.insert("commands", { key, outcome, reason });
    return { outcome, reason, again: false };
  },
});

export const balance = query({
  args: { account: v.string() },
  returns: v.int64(),
  handler: async (ctx, { account }) => (await balanceOf(ctx, account)).cents,
});

export const explain = internalQuery({
  args: { account: v.string() },
  handler: async (ctx, { account }) => {
    const { cents, replayed, kept } = await balanceOf(ctx, account);
    return { cents, replayed, snapshot: kept?.seq ?? null };
  },
});

/** Keeps the balance at this point, so that later reads replay less. */
export const snapshot = internalMutation({
  args: { account: v.string() },
  handler: async (ctx, { account }) => {
    const { kept, seq, cents } = await balanceOf(ctx, account);
    if (kept) {
      await ctx.db.patch(kept._id, { seq, cents });
    } else {
      await ctx.db.insert("balances", { account, seq, cents });
    }
  },
});

export const snapshotAll = internalAction({
  args: { accounts: v.array(v.string()) },
  handler: async (ctx, { accounts }) => {
    await Promise.all(accounts.map((account) => ctx.runMutation(internal.accounts.snapshot, { account })));
  },
});

/** The sum over all accounts is that of the deposits, whatever was transferred. */
export const audit = action({
  args: { accounts: v.array(v.string()) },
  returns: v.int64(),
  handler: async (ctx, { accounts }): Promise<bigint> => {
    const balances: bigint[] = await Promise.all(accounts.map((account) => ctx.runQuery(api.accounts.balance, { account })));
    await ctx.runAction(internal.accounts.snapshotAll, { accounts });
    return balances.reduce((sum, cents) => sum + cents, 0n);
  },
});
