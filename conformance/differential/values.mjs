// Random values, for a validator or against it. Ids are written {slot$: n}: whichever document that is.
const numbers = [0, 1, 2, 3, -1, 0.5, 1e10, -0, Infinity, -Infinity, NaN];
// Of the field n, which filters compare by order: convex-test has JavaScript's, in which NaN and -0 stand elsewhere.
const plain = [0, 1, 2, 3, -1, 0.5, 1e10];
const strings = ["", "a", "b", "ab", "A", "z", "é", "😀", "a\u0000"];
const ints = [0n, 1n, -1n, 255n, 256n, -257n, 9223372036854775807n, -9223372036854775808n];

export const bytes = (...list) => new Uint8Array(list).buffer;

/** Any value at all. */
export function anything(r, depth = 2) {
  return r.weighted([
    [3, () => r.pick(numbers)],
    [3, () => r.pick(strings)],
    [2, () => r.pick(ints)],
    [2, () => r.chance(0.5)],
    [1, () => null],
    [1, () => bytes(...Array.from({ length: r.below(3) }, () => r.below(256)))],
    [depth > 0 ? 1 : 0, () => Array.from({ length: r.below(3) }, () => anything(r, depth - 1))],
    [depth > 0 ? 1 : 0, () => Object.fromEntries(["a", "c"].slice(0, r.below(3)).map((name) => [name, anything(r, depth - 1)]))],
  ])();
}

/** A value that matches, when `ids` can name a document for the ids in it. */
export function matching(r, v, ids) {
  switch (v[0]) {
    case "number":
      return r.pick(numbers);
    case "string":
      return r.pick(strings);
    case "int64":
      return r.pick(ints);
    case "boolean":
      return r.chance(0.5);
    case "null":
      return null;
    case "bytes":
      return bytes(r.below(256), 1);
    case "literal":
      return v[1];
    case "id":
      return ids(v[1]);
    case "array":
      return Array.from({ length: r.below(3) }, () => matching(r, v[1], ids));
    case "record":
      return Object.fromEntries(["k", "l"].slice(0, r.below(3)).map((name) => [name, matching(r, v[1], ids)]));
    case "object":
      return matchingFields(r, v[1], ids);
    case "union":
      return matching(r, r.pick(v.slice(1)), ids);
    default:
      return anything(r);
  }
}

export function matchingFields(r, fields, ids) {
  const out = {};
  for (const [name, [v, optional]] of Object.entries(fields)) {
    if (!optional || r.chance(0.6)) {
      out[name] = name === "n" ? r.pick(plain) : matching(r, v, ids);
    }
  }
  return out;
}
