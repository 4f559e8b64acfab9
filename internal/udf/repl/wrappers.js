// The module "convex:/_system/repl/wrappers.js", the only one that a one-off
// query may import: `query` and `internalQuery`, and the context they give
// their handler. It speaks to the host as the official library does, in the
// operations of convex-runtime.md §3.4, and knows reading only.

const { syscall, asyncSyscall } = Convex;
const ask = async (op, args) => JSON.parse(await asyncSyscall(op, JSON.stringify(args)));
const askNow = (op, args) => JSON.parse(syscall(op, JSON.stringify(args)));

// Values and their JSON (convex-runtime.md §4.1).

const base64 = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)));
const bytesOf = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer;

/** Eight little-endian bytes, written by a setter of DataView. */
function eight(setter, n) {
  const view = new DataView(new ArrayBuffer(8));
  view[setter](0, n, true);
  return base64(view.buffer);
}

const special = {
  $integer: (text) => new DataView(bytesOf(text)).getBigInt64(0, true),
  $float: (text) => new DataView(bytesOf(text)).getFloat64(0, true),
  $bytes: bytesOf,
};

function fromJSON(json) {
  if (Array.isArray(json)) {
    return json.map(fromJSON);
  }
  if (json === null || typeof json !== "object") {
    return json;
  }
  const fields = Object.entries(json);
  if (fields.length === 1 && Object.hasOwn(special, fields[0][0])) {
    return special[fields[0][0]](fields[0][1]);
  }
  return Object.fromEntries(fields.map(([name, v]) => [name, fromJSON(v)]));
}

function toJSON(v, where = "a value") {
  switch (typeof v) {
    case "bigint":
      if (BigInt.asIntN(64, v) !== v) {
        throw new RangeError(`${v}n does not fit into 64 bits`);
      }
      return { $integer: eight("setBigInt64", v) };
    case "number":
      return Number.isFinite(v) && !Object.is(v, -0) ? v : { $float: eight("setFloat64", v) };
    case "boolean":
    case "string":
      return v;
    case "object":
      if (v === null) {
        return null;
      }
      if (v instanceof ArrayBuffer) {
        return { $bytes: base64(v) };
      }
      if (Array.isArray(v)) {
        return v.map((item, i) => toJSON(item, `${where}[${i}]`));
      }
      if ([Object.prototype, null].includes(Object.getPrototypeOf(v))) {
        const kept = Object.entries(v).filter(([, field]) => field !== undefined);
        return Object.fromEntries(kept.map(([name, field]) => [name, toJSON(field, `${where}.${name}`)]));
      }
  }
  throw new TypeError(`${where} is no Convex value: ${typeof v === "object" ? (v.constructor?.name ?? "object") : String(v)}`);
}

/** As toJSON, where undefined stands for a field that is not there. */
const operand = (v) => (v === undefined ? { $undefined: null } : toJSON(v));

// Filters.

const expression = Symbol("expression");
const wrap = (json) => ({ [expression]: json });
const unwrap = (v) => (v !== null && typeof v === "object" && expression in v ? v[expression] : { $literal: operand(v) });
const of = (name) => (...sides) => wrap({ [name]: sides.map(unwrap) });

const filters = { field: (path) => wrap({ $field: path }), neg: (x) => wrap({ $neg: unwrap(x) }), not: (x) => wrap({ $not: unwrap(x) }) };
for (const name of ["eq", "neq", "lt", "lte", "gt", "gte", "add", "sub", "mul", "div", "mod", "and", "or"]) {
  filters[name] = of(`$${name}`);
}

// Queries. Each step gives a new query, so that one may be the beginning of several.

const bounds = { eq: "Eq", gt: "Gt", gte: "Gte", lt: "Lt", lte: "Lte" };

/** Collects what a callback says of an index: `q.eq("a", 1).gt("b", 2)`. */
function collector(kinds) {
  const said = [];
  const q = {};
  for (const [name, type] of Object.entries(kinds)) {
    q[name] = (fieldPath, v) => {
      said.push({ type, fieldPath, value: type === "Search" ? v : operand(v) });
      return q;
    };
  }
  return { q, said };
}

class Query {
  #table;
  #source;
  #operators;

  constructor(table, source = { type: "FullTableScan", tableName: table, order: null }, operators = []) {
    this.#table = table;
    this.#source = source;
    this.#operators = operators;
  }

  fullTableScan() {
    return this;
  }

  withIndex(name, range) {
    const { q, said } = collector(bounds);
    range?.(q);
    return new Query(this.#table, { type: "IndexRange", indexName: `${this.#table}.${name}`, range: said, order: null }, this.#operators);
  }

  withSearchIndex(name, search) {
    const { q, said } = collector({ search: "Search", eq: "Eq" });
    search(q);
    return new Query(this.#table, { type: "Search", indexName: `${this.#table}.${name}`, filters: said }, this.#operators);
  }

  order(order) {
    return new Query(this.#table, { ...this.#source, order }, this.#operators);
  }

  filter(predicate) {
    return new Query(this.#table, this.#source, [...this.#operators, { filter: unwrap(predicate(filters)) }]);
  }

  limit(n) {
    return new Query(this.#table, this.#source, [...this.#operators, { limit: n }]);
  }

  get #json() {
    return { source: this.#source, operators: this.#operators };
  }

  async *[Symbol.asyncIterator]() {
    const { queryId } = askNow("1.0/queryStream", { query: this.#json });
    try {
      for (;;) {
        const { value, done } = await ask("1.0/queryStreamNext", { queryId });
        if (done) {
          return;
        }
        yield fromJSON(value);
      }
    } finally {
      askNow("1.0/queryCleanup", { queryId });
    }
  }

  async collect() {
    const rows = [];
    for await (const row of this) {
      rows.push(row);
    }
    return rows;
  }

  take(n) {
    return this.limit(n).collect();
  }

  async first() {
    return (await this.take(1))[0] ?? null;
  }

  async unique() {
    const rows = await this.take(2);
    if (rows.length > 1) {
      throw new Error(`unique() query returned more than one result from table ${this.#table}:\n [${rows.map((row) => row._id).join(", ")}, ...]`);
    }
    return rows[0] ?? null;
  }

  async count() {
    return fromJSON(await ask("1.0/count", { table: this.#table }));
  }

  async paginate({ cursor, numItems, endCursor = null, ...limits }) {
    const { page, ...rest } = await ask("1.0/queryPage", {
      query: this.#json,
      cursor,
      endCursor,
      pageSize: numItems,
      maximumRowsRead: limits.maximumRowsRead,
      maximumBytesRead: limits.maximumBytesRead,
    });
    return { page: page.map(fromJSON), ...rest };
  }
}

// The context.

function reader(isSystem) {
  const check = (table) => {
    if (typeof table !== "string") {
      throw new TypeError("The name of a table must be a string");
    }
    if (table.startsWith("_") !== isSystem) {
      throw new Error(isSystem ? "User tables cannot be accessed with db.system." : "System tables can only be accessed with db.system.");
    }
    return table;
  };
  return {
    get: async (...args) => fromJSON(await ask("1.0/get", { table: args.length > 1 ? args[0] : undefined, id: args.at(-1), isSystem })),
    query: (table) => new Query(check(table)),
    normalizeId: (table, idString) => askNow("1.0/db/normalizeId", { table: check(table), idString }).id,
  };
}

/** How a function is addressed: by name, by a reference of `api`, or by a handle. */
function address(f) {
  if (typeof f === "string") {
    return f.startsWith("function://") ? { functionHandle: f } : { name: f };
  }
  const reference = f?.[Symbol.for("toReferencePath")];
  return reference ? { reference } : { name: f?.[Symbol.for("functionName")] };
}

const context = () => ({
  db: { ...reader(false), system: reader(true) },
  auth: { getUserIdentity: () => ask("1.0/getUserIdentity", { requestId: "" }) },
  storage: {
    getUrl: (storageId) => ask("1.0/storageGetUrl", { requestId: "", storageId }),
    getMetadata: (storageId) => ask("1.0/storageGetMetadata", { requestId: "", storageId }),
  },
  runQuery: async (f, args = {}) => fromJSON(await ask("1.0/runUdf", { udfType: "query", args: toJSON(args), ...address(f) })),
});

function register(definition, visibility) {
  const handler = typeof definition === "function" ? definition : definition?.handler;
  if (typeof handler !== "function") {
    throw new TypeError("A query needs a handler: query({ handler: async (ctx) => … })");
  }
  return Object.assign((ctx, args) => handler(ctx, args), {
    isQuery: true,
    ...visibility,
    exportArgs: () => '{"type":"any"}',
    exportReturns: () => "null",
    invokeQuery: async (args) => {
      const result = await handler(context(), ...JSON.parse(args).map(fromJSON));
      return JSON.stringify(result === undefined ? null : toJSON(result, "the result"));
    },
    _handler: handler,
  });
}

export const query = (definition) => register(definition, { isPublic: true });
export const internalQuery = (definition) => register(definition, { isInternal: true });
