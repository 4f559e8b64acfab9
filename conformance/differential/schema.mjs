// Random schemas: tables with validators of every kind and several indexes, and functions with validated arguments.
import { Random } from "./random.mjs";

/**
 * A validator is [kind, …]: ["array", V], ["record", V], ["object", {name: [V, optional]}], ["union", V…],
 * ["literal", x], ["id", table], or a plain kind.
 */
function validator(r, tables, depth) {
  const leaf = [
    [4, () => ["number"]],
    [3, () => ["string"]],
    [2, () => ["int64"]],
    [2, () => ["boolean"]],
    [1, () => ["null"]],
    [1, () => ["bytes"]],
    [tables.length > 0 ? 2 : 0, () => ["id", r.pick(tables)]],
    [2, () => ["literal", r.pick(["a", "b", 1, 2, true])]],
    [1, () => ["any"]],
  ];
  const inner = [
    [2, () => ["array", validator(r, tables, depth - 1)]],
    // Without ids, which may turn out to name nothing: convex-test does not look into records.
    [1, () => ["record", validator(r, [], depth - 1)]],
    [2, () => ["object", fields(r, tables, depth - 1, 1 + r.below(3))]],
    [3, () => ["union", ...Array.from({ length: 1 + r.below(3) }, () => validator(r, tables, depth - 1))]],
  ];
  return r.weighted(depth > 0 ? [...leaf, ...inner] : leaf)();
}

function fields(r, tables, depth, n) {
  const names = ["a", "b", "c", "d", "e", "f"];
  return Object.fromEntries(Array.from({ length: n }, (_, i) => [names[i], [validator(r, tables, depth), r.chance(0.3)]]));
}

/** The fields that an index may name: n and s are numbers and strings in every table. */
function paths(table) {
  const all = [["n"], ["s"]];
  for (const [name, [v]] of Object.entries(table.fields)) {
    all.push([name]);
    if (v[0] === "object") {
      all.push(...Object.keys(v[1]).map((inner) => [name, inner]));
    }
  }
  return [...new Set(all.map((path) => path.join(".")))];
}

export function makeSchema(seed) {
  const r = new Random(seed);
  const names = ["t0", "t1", "t2"];
  const tables = names.map((name) => {
    const table = { name, fields: { ...fields(r, names, 2, 2 + r.below(4)), n: [["number"], false], s: [["string"], r.chance(0.5)] } };
    const all = paths(table);
    const seen = new Set();
    table.indexes = [];
    for (let i = 0; i < 4; i++) {
      const own = [...all].sort(() => r.next() - 0.5).slice(0, 1 + r.below(3));
      if (!seen.has(own.join())) {
        seen.add(own.join());
        table.indexes.push({ name: `by_${i}`, fields: own });
      }
    }
    return table;
  });
  tables.push({ name: "loose", fields: null, indexes: [{ name: "by_a", fields: ["a"] }, { name: "by_b", fields: ["b.c", "a"] }] });
  const checked = Array.from({ length: 4 }, () => ({ args: fields(r, names, 2, 2), returns: validator(r, names, 2) }));
  return { seed, tables, checked };
}

const literal = (x) => (typeof x === "string" ? JSON.stringify(x) : String(x));

/** The source text of a validator. */
export function source(v) {
  switch (v[0]) {
    case "array":
      return `v.array(${source(v[1])})`;
    case "record":
      return `v.record(v.string(), ${source(v[1])})`;
    case "object":
      return `v.object(${objectSource(v[1])})`;
    case "union":
      return `v.union(${v.slice(1).map(source).join(", ")})`;
    case "literal":
      return `v.literal(${literal(v[1])})`;
    case "id":
      return `v.id("${v[1]}")`;
    default:
      return `v.${v[0]}()`;
  }
}

const objectSource = (all) => `{ ${Object.entries(all).map(([name, [v, optional]]) => `${name}: ${optional ? `v.optional(${source(v)})` : source(v)}`).join(", ")} }`;

/** The files of an app with this schema. */
export function schemaFiles({ tables, checked }) {
  const index = ({ name, fields }) => `.index("${name}", ${JSON.stringify(fields)})`;
  const table = ({ name, fields, indexes }) => `  ${name}: defineTable(${fields ? objectSource(fields) : "v.any()"})${indexes.map(index).join("")},\n`;
  return {
    "schema.js": `import { defineSchema, defineTable } from "convex/server";\nimport { v } from "convex/values";\n\nexport default defineSchema({\n${tables.map(table).join("")}});\n`,
    "checked.js":
      `import { queryGeneric, mutationGeneric } from "convex/server";\nimport { v } from "convex/values";\n\n` +
      checked
        .map(
          ({ args, returns }, i) =>
            `export const args${i} = queryGeneric({ args: ${objectSource(args)}, handler: (_ctx, args) => args });\n` +
            `export const returns${i} = mutationGeneric({ args: { value: v.optional(v.any()) }, returns: ${source(returns)}, handler: (_ctx, { value }) => value });\n`,
        )
        .join(""),
  };
}
