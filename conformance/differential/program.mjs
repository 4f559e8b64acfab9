// Random programs over a schema: a list of steps, each one call of a function with operations for the interpreter.
import { Random } from "./random.mjs";
import { anything, matching, matchingFields } from "./values.mjs";

const slot = (n) => ({ slot$: n });

class Maker {
  constructor(seed, schema) {
    this.r = new Random(seed);
    this.schema = schema;
    this.slots = []; // table of each document ever inserted
  }

  idOf(table) {
    const own = this.slots.flatMap((t, i) => (t === table ? [i] : []));
    return own.length > 0 ? slot(this.r.pick(own)) : slot(0);
  }

  document(table) {
    const { r } = this;
    const ids = (t) => this.idOf(t);
    if (table.fields === null) {
      return Object.fromEntries(["a", "b", "x"].filter(() => r.chance(0.7)).map((name) => [name, anything(r)]));
    }
    const value = matchingFields(r, table.fields, ids);
    if (r.chance(0.08)) {
      this.spoil(value, table);
    }
    return value;
  }

  /** Makes a document wrong, or perhaps not. Records are left alone: convex-test does not look into them. */
  spoil(value, table) {
    const { r } = this;
    const names = Object.keys(table.fields).filter((name) => !JSON.stringify(table.fields[name]).includes("record"));
    if (names.length === 0 || r.chance(0.3)) {
      value.extra = 1;
    } else if (r.chance(0.5)) {
      delete value[r.pick(names)];
    } else {
      const name = r.pick(names);
      value[name] = name === "n" ? "one" : anything(r, 1);
    }
  }

  range(table, index) {
    const { r } = this;
    const range = [];
    const value = (path) => {
      const v = this.fieldAt(table, path);
      if (r.chance(0.1)) {
        return { undefined$: true };
      }
      return v && r.chance(0.8) ? matching(r, v, (t) => this.idOf(t)) : anything(r, 1);
    };
    let i = 0;
    while (i < index.fields.length && r.chance(0.5)) {
      range.push(["eq", index.fields[i], value(index.fields[i])]);
      i++;
    }
    if (i < index.fields.length && r.chance(0.5)) {
      const path = index.fields[i];
      if (r.chance(0.7)) {
        range.push([r.pick(["gt", "gte"]), path, value(path)]);
      }
      if (r.chance(0.5)) {
        range.push([r.pick(["lt", "lte"]), path, value(path)]);
      }
    }
    if (range.length > 1 && range.every(([cmp]) => cmp !== "eq") && r.chance(0.5)) {
      range.reverse(); // two bounds may be swapped
    }
    if (range.length > 0 && r.chance(0.03)) {
      range.push(r.pick([["gt", "absent", 1], range[0]])); // which is against the rules
    }
    return range;
  }

  /** The validator of a path; undefined when there is none, or when it is too loose to tell. */
  fieldAt(table, path) {
    let fields = table.fields;
    let v;
    for (const name of path.split(".")) {
      v = fields?.[name]?.[0];
      fields = v?.[0] === "object" ? v[1] : null;
    }
    return v;
  }

  filter(table, depth = 2) {
    const { r } = this;
    const path = r.pick(table.fields ? Object.keys(table.fields) : ["a", "b", "b.c"]);
    const v = this.fieldAt(table, path);
    const value = () => (v && r.chance(0.7) ? matching(r, v, (t) => this.idOf(t)) : anything(r, 1));
    return r.weighted([
      [4, () => ["eq", path, value()]],
      [2, () => ["neq", path, value()]],
      // Ordered comparisons of convex-test are JavaScript's: numbers that are always there mean the same to both.
      [table.fields ? 2 : 0, () => [r.pick(["lt", "gte"]), "n", r.pick([0, 1, 2, 1e10])]],
      [table.fields ? 1 : 0, () => ["sum", "n", 1, r.pick([1, 2, 3])]],
      [depth > 0 ? 1 : 0, () => [r.pick(["and", "or"]), ...Array.from({ length: 1 + r.below(2) }, () => this.filter(table, depth - 1))]],
      [depth > 0 ? 1 : 0, () => ["not", this.filter(table, depth - 1)]],
    ])();
  }

  source(table) {
    const { r } = this;
    const op = { table: table.name };
    if (r.chance(0.6)) {
      const index = r.pick([...table.indexes, { name: "by_creation_time", fields: [] }]);
      op.index = index.name;
      op.range = this.range(table, index);
    }
    if (r.chance(0.5)) {
      op.order = r.pick(["asc", "desc"]);
    }
    if (r.chance(0.4)) {
      op.filters = Array.from({ length: 1 + r.below(2) }, () => this.filter(table));
    }
    return op;
  }

  read() {
    const { r } = this;
    const table = r.pick(this.schema.tables);
    return r.weighted([
      [3, () => ({ op: "collect", ...this.source(table) })],
      [2, () => ({ op: "take", n: r.below(4), ...this.source(table) })],
      [1, () => ({ op: "first", ...this.source(table) })],
      [1, () => ({ op: "unique", ...this.source(table) })],
      [1, () => ({ op: "iterate", n: 1 + r.below(4), ...this.source(table) })],
      [2, () => this.about({ op: "get" })],
      [1, () => this.about({ op: "normalize", table: table.name })],
    ])();
  }

  about(op) {
    return { ...op, slot: this.slots.length > 0 ? this.r.below(this.slots.length) : 0 };
  }

  write() {
    const { r } = this;
    const table = r.pick(this.schema.tables);
    return r.weighted([
      [5, () => {
        const value = this.document(table);
        this.slots.push(table.name);
        return { op: "insert", table: table.name, value, as: this.slots.length - 1 };
      }],
      [2, () => {
        const op = this.about({ op: "patch", value: {} });
        const own = this.schema.tables.find((t) => t.name === this.slots[op.slot]) ?? table;
        const whole = this.document(own);
        for (const name of Object.keys(whole)) {
          if (r.chance(0.5)) {
            op.value[name] = r.chance(0.1) ? { undefined$: true } : whole[name];
          }
        }
        return op;
      }],
      [2, () => {
        const op = this.about({ op: "replace" });
        const own = this.schema.tables.find((t) => t.name === this.slots[op.slot]) ?? table;
        return { ...op, value: this.document(own) };
      }],
      [1, () => this.about({ op: "delete" })],
    ])();
  }

  ops(kind, depth) {
    const { r } = this;
    return Array.from({ length: 1 + r.below(5) }, () =>
      r.weighted([
        [kind === "mutation" ? 5 : 0, () => this.write()],
        [kind === "action" ? 0 : 4, () => this.read()],
        [kind === "action" ? 3 : depth > 0 ? 1.2 : 0, () => {
          const inner = kind === "query" ? "query" : r.weighted([[2, "mutation"], [1, "query"]]);
          const op = { op: "call", kind: inner, ops: this.ops(inner, depth - 1), caught: r.chance(0.7) };
          if (kind === "mutation" && inner === "query" && r.chance(0.3)) {
            op.stale = true;
          }
          return op;
        }],
        [0.35, () => (r.chance(0.5) ? { op: "throw" } : { op: "throw", data: r.pick(["x", 1, null, true, { a: [1, "b"] }]) })],
      ])(),
    );
  }

  step() {
    const { r } = this;
    return r.weighted([
      [5, () => ({ fn: "mutation", ops: this.ops("mutation", 2) })],
      [3, () => ({ fn: "query", ops: this.ops("query", 2) })],
      [1, () => ({ fn: "action", ops: this.ops("action", 1) })],
      [1, () => {
        const table = r.pick(this.schema.tables);
        return { fn: "pages", source: this.source(table), n: 1 + r.below(3), between: r.chance(0.4) ? [this.write()] : [] };
      }],
      [1, () => ({ fn: "mutation", ops: [{ op: "schedule", ms: 0, ops: this.ops("mutation", 1) }], wait: true })],
      [1, () => this.checked()],
    ])();
  }

  /** A call of a function with validators. Values are left right where records are in play. */
  checked() {
    const { r } = this;
    const i = r.below(this.schema.checked.length);
    const { args, returns } = this.schema.checked[i];
    const ids = (t) => this.idOf(t);
    if (r.chance(0.5)) {
      const value = matchingFields(r, args, ids);
      if (r.chance(0.4)) {
        this.spoil(value, { fields: args });
      }
      return { fn: `checked:args${i}`, kind: "query", args: value };
    }
    const loose = !JSON.stringify(returns).includes("record") && r.chance(0.3);
    return { fn: `checked:returns${i}`, kind: "mutation", args: { value: loose ? anything(r, 1) : matching(r, returns, ids) } };
  }
}

export function makeProgram(seed, schema) {
  const maker = new Maker(seed, schema);
  return Array.from({ length: 6 + maker.r.below(8) }, () => maker.step());
}
