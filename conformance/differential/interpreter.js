// Runs programs: lists of operations on the database, in every kind of function. What they do is data, so that one
// pushed app serves all of them.
import { actionGeneric, anyApi, internalMutationGeneric, internalQueryGeneric, mutationGeneric, queryGeneric } from "convex/server";
import { ConvexError } from "convex/values";

const self = anyApi.interpreter;

/** Puts ids in the place of {slot$: n}. */
export function fill(value, slots) {
  if (Array.isArray(value)) {
    return value.map((v) => fill(v, slots));
  }
  if (value !== null && typeof value === "object" && !(value instanceof ArrayBuffer)) {
    if ("slot$" in value) {
      return slots[`s${value.slot$}`] ?? "nothing";
    }
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, fill(v, slots)]));
  }
  return value;
}

const filters = {
  eq: (q, [path, value]) => q.eq(q.field(path), value),
  neq: (q, [path, value]) => q.neq(q.field(path), value),
  lt: (q, [path, value]) => q.lt(q.field(path), value),
  gte: (q, [path, value]) => q.gte(q.field(path), value),
  and: (q, parts) => q.and(...parts.map((p) => filter(q, p))),
  or: (q, parts) => q.or(...parts.map((p) => filter(q, p))),
  not: (q, [part]) => q.not(filter(q, part)),
  sum: (q, [path, value, total]) => q.eq(q.add(q.field(path), value), total),
};
const filter = (q, [op, ...rest]) => filters[op](q, rest);

/** Builds a query up to its end. */
function build(ctx, op, slots) {
  let query = ctx.db.query(op.table);
  if (op.index) {
    query = query.withIndex(op.index, (q) => {
      for (const [cmp, path, value] of op.range) {
        q = q[cmp](path, revive(fill(value, slots)));
      }
      return q;
    });
  }
  if (op.order) {
    query = query.order(op.order);
  }
  for (const f of op.filters ?? []) {
    query = query.filter((q) => filter(q, fill(f, slots)));
  }
  return query;
}

/** Values cannot hold undefined; ranges and patches can, so it is written {undefined$: true}. */
function revive(value) {
  return value !== null && typeof value === "object" && value.undefined$ ? undefined : value;
}

async function execute(ctx, op, slots) {
  const id = op.slot === undefined ? undefined : (slots[`s${op.slot}`] ?? null);
  switch (op.op) {
    case "insert": {
      const made = await ctx.db.insert(op.table, fill(op.value, slots));
      slots[`s${op.as}`] = made;
      return "inserted";
    }
    case "patch": {
      const value = Object.fromEntries(Object.entries(op.value).map(([k, v]) => [k, revive(fill(v, slots))]));
      return id === null ? "no document" : ((await ctx.db.patch(id, value)) ?? "patched");
    }
    case "replace":
      return id === null ? "no document" : ((await ctx.db.replace(id, fill(op.value, slots))) ?? "replaced");
    case "delete":
      return id === null ? "no document" : ((await ctx.db.delete(id)) ?? "deleted");
    case "get":
      return id === null ? "no document" : await ctx.db.get(id);
    case "normalize":
      return id === null ? "no document" : ctx.db.normalizeId(op.table, id);
    case "collect":
      return await build(ctx, op, slots).collect();
    case "take":
      return await build(ctx, op, slots).take(op.n);
    case "first":
      return await build(ctx, op, slots).first();
    case "unique":
      return await build(ctx, op, slots).unique();
    case "iterate": {
      const rows = [];
      for await (const row of build(ctx, op, slots)) {
        rows.push(row);
        if (rows.length === op.n) {
          break;
        }
      }
      return rows;
    }
    case "paginate":
      return await build(ctx, op, slots).paginate({ numItems: op.n, cursor: op.cursor });
    case "call": {
      const call = op.kind === "mutation" ? ctx.runMutation : ctx.runQuery;
      try {
        const done = await call(op.kind === "mutation" ? self.innerMutation : self.innerQuery, { ops: op.ops, slots }, op.stale ? { useStaleSnapshot: true } : undefined);
        Object.assign(slots, done.slots);
        return { called: done.results };
      } catch (error) {
        if (!op.caught) {
          throw error;
        }
        return { caught: error instanceof ConvexError ? error.data : true };
      }
    }
    case "schedule":
      await ctx.scheduler.runAfter(op.ms, self.innerMutation, { ops: op.ops, slots });
      return "scheduled";
    case "throw":
      throw op.data === undefined ? new Error("thrown") : new ConvexError(op.data);
  }
  throw new Error(`no operation ${op.op}`);
}

async function run(ctx, { ops, slots }) {
  const known = { ...slots };
  const results = [];
  for (const op of ops) {
    results.push(await execute(ctx, op, known));
  }
  return { results, slots: known };
}

export const mutation = mutationGeneric({ handler: run });
export const query = queryGeneric({ handler: run });
export const action = actionGeneric({ handler: run });
export const innerMutation = internalMutationGeneric({ handler: run });
export const innerQuery = internalQueryGeneric({ handler: run });

export const dump = queryGeneric({
  handler: async (ctx, { tables }) => Object.fromEntries(await Promise.all(tables.map(async (t) => [t, await ctx.db.query(t).collect()]))),
});
export const waiting = queryGeneric({
  handler: async (ctx) => (await ctx.db.system.query("_scheduled_functions").collect()).filter((job) => job.state.kind === "pending" || job.state.kind === "inProgress").length,
});
export const clear = mutationGeneric({
  handler: async (ctx, { tables }) => {
    for (const t of tables) {
      for (const row of await ctx.db.query(t).collect()) {
        await ctx.db.delete(row._id);
      }
    }
  },
});
