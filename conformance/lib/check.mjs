// Assertions whose failure says what was seen.
import { deepStrictEqual, ok } from "node:assert/strict";

export const same = (seen, wanted, what) => deepStrictEqual(seen, wanted, what && `${what}: saw ${JSON.stringify(seen)}, wanted ${JSON.stringify(wanted)}`);
export const holds = (condition, what) => ok(condition, what);

export function contains(text, part, what = "text") {
  ok(String(text).includes(part), `${what} does not contain ${JSON.stringify(part)}: ${String(text).slice(0, 2000)}`);
}

export function lacks(text, part, what = "text") {
  ok(!String(text).includes(part), `${what} contains ${JSON.stringify(part)}: ${String(text).slice(0, 2000)}`);
}

/** Runs `work`, which must throw, and gives the error. */
export async function fails(work, what) {
  try {
    await work();
  } catch (error) {
    return error;
  }
  throw new Error(`${what} should have failed`);
}
