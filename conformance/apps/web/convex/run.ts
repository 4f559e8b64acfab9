import { action, query } from "./_generated/server";
import { v } from "convex/values";
import { compute, make } from "./crypto.js";
import { runAll } from "./platform.js";

export const computeInAction = action({ args: { keys: v.any() }, handler: (_, { keys }) => compute(keys) });
export const makeInAction = action({ args: {}, handler: () => make() });

export const platform = action({
  args: { names: v.array(v.string()) },
  handler: async (_, { names }) => JSON.stringify(await runAll(names)),
});

// Queries may compute, but not what needs chance.
export const inQuery = query({
  args: {},
  handler: async () => {
    const key = await crypto.subtle.importKey("raw", new Uint8Array(32), "AES-GCM", false, ["encrypt"]);
    const sealed = await crypto.subtle.encrypt({ name: "AES-GCM", iv: new Uint8Array(12) }, key, new Uint8Array(1));
    let refused = "";
    try {
      await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, true, ["encrypt"]);
    } catch (e) {
      refused = (e as Error).message;
    }
    return { size: sealed.byteLength, refused };
  },
});

// What the runtime does not have ends the function, past every catch.
export const wraps = action({
  args: {},
  handler: async () => {
    try {
      await (crypto.subtle as any).wrapKey();
    } catch {
      return "caught";
    }
    return "went on";
  },
});
