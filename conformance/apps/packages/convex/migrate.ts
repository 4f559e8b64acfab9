// @convex-dev/migrations: walks a table of the app in batches, from the component.
import { Migrations } from "@convex-dev/migrations";
import { components, internal } from "./_generated/api";
import type { DataModel } from "./_generated/dataModel";
import { mutation, query } from "./_generated/server";

const migrations = new Migrations<DataModel>(components.migrations);

export const double = migrations.define({
  table: "things",
  batchSize: 10,
  migrateOne: (_ctx, thing) => (thing.doubled === undefined ? { doubled: 2 * thing.n } : undefined),
});

export const run = migrations.runner(internal.migrate.double);

export const fill = mutation({
  args: {},
  handler: async (ctx) => {
    for (let n = 0; n < 35; n++) {
      await ctx.db.insert("things", { n });
    }
  },
});

export const state = query({
  args: {},
  handler: async (ctx) => {
    const [status] = await migrations.getStatus(ctx, { migrations: [internal.migrate.double] });
    const things = await ctx.db.query("things").collect();
    return { state: status.state, processed: status.processed, right: things.filter((thing) => thing.doubled === 2 * thing.n).length };
  },
});
