import { v } from "convex/values";
import { action, query } from "./_generated/server";

class Own extends Error {
  name = "OwnError";
}

async function deep(kind: string): Promise<never> {
  await null;
  if (kind === "type") return (null as any).x;
  if (kind === "own") throw new Own("mine");
  if (kind === "empty") throw new Error();
  if (kind === "string") throw "text";
  if (kind === "object") throw { a: 1 };
  if (kind === "undefined") throw undefined;
  if (kind === "cause") throw new Error("outer", { cause: new RangeError("inner") });
  throw new Error("plain");
}

export const fail = query({ args: { kind: v.string() }, handler: async (_ctx, { kind }) => await deep(kind) });
export const never = query({ args: {}, handler: () => new Promise(() => {}) });
export const unhandled = query({ args: {}, handler: async () => void Promise.reject(new Error("nobody caught me")) });

const members: Record<string, () => unknown> = {
  mode: () => new Request("http://a/").mode,
  credentials: () => new Request("http://a/").credentials,
  cache: () => new Request("http://a/").cache,
  redirect: () => new Request("http://a/").redirect,
  referrer: () => new Request("http://a/").referrer,
  integrity: () => new Request("http://a/").integrity,
  keepalive: () => new Request("http://a/").keepalive,
  destination: () => (new Request("http://a/") as any).destination,
  duplex: () => (new Request("http://a/") as any).duplex,
  wrapKey: () => (crypto.subtle as any).wrapKey(),
  unwrapKey: () => (crypto.subtle as any).unwrapKey(),
  host: () => ((new URL("http://a/") as any).host = "b"),
  username: () => ((new URL("http://a/") as any).username = "b"),
  password: () => ((new URL("http://a/") as any).password = "b"),
};
export const member = action({
  args: { name: v.string() },
  handler: async (_ctx, { name }) => {
    try {
      return ["gave", String(await members[name]())];
    } catch (e) {
      return ["caught", (e as Error).message];
    }
  },
});

export const prints = query({
  args: {},
  handler: async () => {
    const deepest = { a: { b: { c: { d: { e: { f: 1 } } } } } };
    const cycle: any = { n: 1 };
    cycle.self = cycle;
    console.log("it's", 'say "hi"', "line\nbreak", 1, -0, 1n, true, null, undefined, Symbol("s"));
    console.log([], {}, [1, , 3], { "a-b": 1, [Symbol("k")]: 2 }, new Map([["k", { v: 1 }]]), new Set([1]), new Date(0), /x/g);
    console.log(deepest, cycle, function named() {}, () => {}, class A {}, new (class B { x = 1; })(), Object.create(null));
    console.log(new Uint8Array([1, 2]), new ArrayBuffer(2), Promise.resolve(1), new WeakMap(), Object("s"), Object(1));
    console.debug("d"); console.info("i"); console.warn("w"); console.error("e");
    console.trace("here");
    console.time("t"); console.time("t"); console.timeLog("t", "extra"); console.timeEnd("t"); console.timeEnd("t"); console.time(); console.timeEnd();
    console.log(); console.log("x".repeat(40000)); console.log("%s is not a format", "this");
    return ["table", "group", "count", "assert", "dir"].map((n) => typeof (console as any)[n]);
  },
});
export const floods = query({ args: {}, handler: async () => { for (let i = 0; i < 400; i++) console.log(i); } });
