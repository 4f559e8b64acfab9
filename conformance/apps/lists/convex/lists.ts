import { v } from "convex/values";
import { DatabaseReader, DatabaseWriter, internalMutation, mutation, query } from "./_generated/server";
import { anyApi } from "convex/server";

const ops = v.array(v.object({ op: v.union(v.literal("append"), v.literal("read")), key: v.string(), value: v.optional(v.number()) }));

async function read(db: DatabaseReader, key: string): Promise<number[]> {
  if (key.startsWith("w")) {
    return (await db.query("whole").withIndex("by_key", (q) => q.eq("key", key)).unique())?.values ?? [];
  }
  return (await db.query("parts").withIndex("by_key", (q) => q.eq("key", key)).collect()).map((part) => part.value);
}

async function append(db: DatabaseWriter, key: string, value: number) {
  if (key.startsWith("w")) {
    const row = await db.query("whole").withIndex("by_key", (q) => q.eq("key", key)).unique();
    await (row ? db.patch("whole", row._id, { values: [...row.values, value] }) : db.insert("whole", { key, values: [value] }));
    return;
  }
  const last = await db.query("parts").withIndex("by_key", (q) => q.eq("key", key)).order("desc").first();
  await db.insert("parts", { key, place: (last?.place ?? 0) + 1, value });
}

/** Runs one transaction; gives what each read saw, and null for appends. */
export const transact = mutation({
  args: { ops, nested: v.optional(v.boolean()) },
  handler: async (ctx, { ops, nested }): Promise<(number[] | null)[]> => {
    const seen: (number[] | null)[] = [];
    for (const { op, key, value } of ops) {
      if (op === "read") {
        seen.push(await read(ctx.db, key));
        continue;
      }
      seen.push(null);
      if (nested) {
        try {
          // Undone as a whole: nobody may ever see it.
          await ctx.runMutation(anyApi.lists.appendAndFail as any, { key, value: -value! });
        } catch {}
        await ctx.runMutation(anyApi.lists.inner as any, { key, value });
      } else {
        await append(ctx.db, key, value!);
      }
    }
    return seen;
  },
});

export const inner = internalMutation({ args: { key: v.string(), value: v.number() }, handler: (ctx, { key, value }) => append(ctx.db, key, value) });
export const appendAndFail = internalMutation({
  args: { key: v.string(), value: v.number() },
  handler: async (ctx, { key, value }) => {
    await append(ctx.db, key, value);
    throw new Error("after the append");
  },
});

/** Appends and then fails: the whole transaction must leave nothing. */
export const fail = mutation({
  args: { key: v.string(), value: v.number() },
  handler: async (ctx, { key, value }) => {
    await append(ctx.db, key, value);
    throw new Error("on purpose");
  },
});

export const look = query({ args: { keys: v.array(v.string()) }, handler: (ctx, { keys }) => Promise.all(keys.map((key) => read(ctx.db, key))) });
