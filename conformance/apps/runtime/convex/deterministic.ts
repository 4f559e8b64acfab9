import { v } from "convex/values";
import { anyApi as api } from "convex/server";
import { action, mutation, query } from "./_generated/server";

const importedAt = Date.now();
const importedRandom = Math.random();

const look = async () => {
  const now = Date.now();
  for (let i = 0, x = 0; i < 2e5; i++) x += i;
  return {
    importedAt, importedRandom,
    frozen: Date.now() === now && new Date().getTime() === now && performance.now() === performance.now(),
    random: [Math.random(), crypto.randomUUID(), [...crypto.getRandomValues(new Uint8Array(4))].join()],
    zone: new Date(0).toString(),
    typed: typeof Date(),
  };
};

export const inQuery = query({ args: { salt: v.number() }, handler: look });
export const inMutation = mutation({ args: {}, handler: look });
export const inAction = action({ args: {}, handler: look });

const tries: Record<string, () => unknown> = {
  fetch: () => fetch("http://127.0.0.1:1/"),
  setTimeout: () => setTimeout(() => {}, 1),
  setInterval: () => setInterval(() => {}, 1),
  import: () => import("./values"),
  generateKey: () => crypto.subtle.generateKey({ name: "HMAC", hash: "SHA-256" }, true, ["sign"]),
};
export const refused = query({
  args: { what: v.string() },
  handler: async (_ctx, { what }) => {
    try {
      await tries[what]();
      return "allowed";
    } catch (e) {
      return (e as Error).message;
    }
  },
});

// What the default runtime has, and has not.
export const names = query({
  args: { names: v.array(v.string()) },
  handler: async (_ctx, { names }) => names.map((n) => typeof n.split(".").reduce((o: any, k) => o?.[k], globalThis as any)),
});

export const weak = query({
  args: {},
  handler: async () => {
    let called = false;
    const registry = new FinalizationRegistry(() => void (called = true));
    const ref = new WeakRef({ a: 1 });
    registry.register({}, 1);
    return [(ref.deref() as any).a, called, globalThis.self === globalThis, process.env.NOTHING ?? null, typeof (process as any).version];
  },
});

export const compiled = query({
  args: {},
  handler: async () => {
    const bytes = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 7, 1, 96, 2, 127, 127, 1, 127, 3, 2, 1, 0, 7, 7, 1, 3, 97, 100, 100, 0, 0, 10, 9, 1, 7, 0, 32, 0, 32, 1, 106, 11]);
    const { add } = new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports as any;
    return [add(2, 3), new Function("a", "return a * 2")(4), (0, eval)("1 + 1")];
  },
});

export const nested = query({
  args: {},
  handler: async (ctx): Promise<any[]> => {
    const a = await ctx.runQuery(api.deterministic.inQuery, { salt: 0 });
    const b = await ctx.runQuery(api.deterministic.inQuery, { salt: 0 });
    return [a.random[0] === b.random[0], a.importedRandom === b.importedRandom];
  },
});
