// The app's own builders: triggers on every write, row-level security, sessions.
import { customCtx, customMutation, customQuery } from "convex-helpers/server/customFunctions";
import { type Rules, wrapDatabaseReader, wrapDatabaseWriter } from "convex-helpers/server/rowLevelSecurity";
import { SessionIdArg } from "convex-helpers/server/sessions";
import { Triggers } from "convex-helpers/server/triggers";
import { zCustomMutation, zCustomQuery } from "convex-helpers/server/zod4";
import { NoOp } from "convex-helpers/server/customFunctions";
import type { DataModel } from "./_generated/dataModel";
import { type QueryCtx, mutation as rawMutation, query as rawQuery } from "./_generated/server";

const triggers = new Triggers<DataModel>();

// Keeps a count beside the rows that are counted, and deletes what belongs to them.
triggers.register("recipes", async (ctx, change) => {
  const by = (change.newDoc ? 1 : 0) - (change.oldDoc ? 1 : 0);
  const cook = (await ctx.db.get((change.newDoc ?? change.oldDoc)!.cook))!;
  if (by !== 0) {
    await ctx.db.patch(cook._id, { published: cook.published + by });
  }
  if (change.operation === "delete") {
    for await (const link of ctx.db.query("recipeTags").withIndex("recipe", (q) => q.eq("recipe", change.id))) {
      await ctx.db.delete(link._id);
    }
  }
  await ctx.innerDb.insert("changes", { table: "recipes", operation: change.operation, id: change.id });
});
triggers.register("cooks", async (_, change) => {
  if (change.newDoc && change.newDoc.published > 3) {
    throw new Error("three recipes are enough for one cook");
  }
});

export const mutation = customMutation(rawMutation, customCtx(triggers.wrapDB));
export const zMutation = zCustomMutation(rawMutation, customCtx(triggers.wrapDB));
export const zQuery = zCustomQuery(rawQuery, NoOp);

// Drafts belong to a session: nobody else reads, changes or deletes them.
const rules = (session: string): Rules<QueryCtx, DataModel> => ({
  drafts: {
    read: async (_, draft) => draft.owner === session,
    modify: async (_, draft) => draft.owner === session,
    insert: async (_, draft) => draft.owner === session,
  },
});

export const sessionQuery = customQuery(rawQuery, {
  args: SessionIdArg,
  input: async (ctx, { sessionId }) => ({ ctx: { sessionId, db: wrapDatabaseReader(ctx, ctx.db, rules(sessionId)) }, args: {} }),
});
export const sessionMutation = customMutation(rawMutation, {
  args: SessionIdArg,
  input: async (ctx, { sessionId }) => ({ ctx: { sessionId, db: wrapDatabaseWriter(ctx, ctx.db, rules(sessionId)) }, args: {} }),
});
