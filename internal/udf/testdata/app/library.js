// Stands for the library: registered functions and a ctx that make the same host calls.
const ask = async (op, args) => {
  let text;
  try {
    text = await Convex.asyncSyscall(op, JSON.stringify(args));
  } catch (e) {
    if (e.data !== undefined) throw Object.assign(new ConvexError(e.data), { message: e.message });
    throw new Error(e.message);
  }
  return JSON.parse(text);
};
const say = (op, args) => JSON.parse(Convex.syscall(op, JSON.stringify(args)));

export class ConvexError extends Error {
  name = "ConvexError";
  [Symbol.for("ConvexError")] = true;
  constructor(data) {
    super(typeof data === "string" ? data : JSON.stringify(data));
    this.data = data;
  }
}

class Query {
  constructor(source, operators = []) {
    this.q = { source: { order: null, ...source }, operators };
  }
  with(op) { return new Query(this.q.source, [...this.q.operators, op]); }
  order(o) { return new Query({ ...this.q.source, order: o }, this.q.operators); }
  filter(e) { return this.with({ filter: e }); }
  async take(n) { return this.with({ limit: n }).collect(); }
  async first() { return (await this.take(1))[0] ?? null; }
  async collect() {
    const { queryId } = say("1.0/queryStream", { query: this.q });
    const out = [];
    for (;;) {
      const { value, done } = await ask("1.0/queryStreamNext", { queryId });
      if (done) {
        say("1.0/queryCleanup", { queryId });
        return out;
      }
      out.push(value);
    }
  }
  paginate({ numItems, cursor, endCursor = null }) {
    return ask("1.0/queryPage", { query: this.q, cursor, endCursor, pageSize: numItems });
  }
}

const db = {
  get: (id) => ask("1.0/get", { id, isSystem: false }),
  query: (tableName) => new Query({ type: "FullTableScan", tableName }),
  index: (indexName, range) => new Query({ type: "IndexRange", indexName, range }),
  insert: async (table, value) => (await ask("1.0/insert", { table, value }))._id,
  patch: (id, value) => ask("1.0/shallowMerge", { id, value }),
  replace: (id, value) => ask("1.0/replace", { id, value }),
  delete: (id) => ask("1.0/remove", { id }),
  normalizeId: (table, idString) => say("1.0/db/normalizeId", { table, idString }).id,
};
const auth = { getUserIdentity: () => ask("1.0/getUserIdentity", { requestId: "" }) };
const inTx = {
  db, auth,
  runQuery: (name, args = {}) => ask("1.0/runUdf", { udfType: "query", name, args }),
  runMutation: (name, args = {}) => ask("1.0/runUdf", { udfType: "mutation", name, args }),
  metrics: () => ask("1.0/getTransactionMetrics", {}),
};

const invoke = async (handler, ctx, text) => {
  try {
    const result = await handler(ctx, ...JSON.parse(text));
    return JSON.stringify(result === undefined ? null : result);
  } catch (e) {
    if (typeof e === "object" && e !== null && Symbol.for("ConvexError") in e) {
      e.data = JSON.stringify(e.data);
      e.ConvexErrorSymbol = Symbol.for("ConvexError");
    }
    throw e;
  }
};
const register = (marker, more, visibility) => (handler) =>
  Object.assign(() => {}, { [marker]: true, [visibility]: true, _handler: handler, exportArgs: () => '{"type":"any"}', exportReturns: () => "null", ...more(handler) });

export const query = register("isQuery", (h) => ({ invokeQuery: (a) => invoke(h, inTx, a) }), "isPublic");
export const mutation = register("isMutation", (h) => ({ invokeMutation: (a) => invoke(h, inTx, a) }), "isPublic");
export const action = register(
  "isAction",
  (h) => ({
    invokeAction: (requestId, a) => {
      const run = (op) => (name, args = {}) => ask(op, { name, args, requestId });
      const ctx = { auth, runQuery: run("1.0/actions/query"), runMutation: run("1.0/actions/mutation"), runAction: run("1.0/actions/action") };
      return invoke(h, ctx, a);
    },
  }),
  "isPublic",
);
