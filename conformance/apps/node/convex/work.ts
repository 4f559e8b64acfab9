"use node";
import { ConvexError, v } from "convex/values";
import { anyApi as api, createFunctionHandle } from "convex/server";
import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { gzipSync, gunzipSync } from "node:zlib";
import { createElement } from "react";
import { renderToString } from "react-dom/server";
import WebSocket, { WebSocketServer } from "ws";
import { action, internalAction } from "./_generated/server";

let warm = 0;

export const globals = action({
  args: {},
  handler: async () => ({
    node: process.version.startsWith("v"),
    hash: createHash("md5").update("lentil").digest("hex"),
    zip: gunzipSync(gzipSync(Buffer.from("soup"))).toString(),
    html: renderToString(createElement("b", null, "bold")),
    random: randomBytes(4).length,
    ws: [typeof WebSocket, typeof WebSocketServer],
    convex: typeof (globalThis as any).Convex.asyncSyscall,
  }),
});

export const version = action({ args: {}, handler: async () => "one" });
export const count = action({ args: {}, handler: async () => ++warm });
export const pid = action({ args: {}, handler: async () => readFileSync("/proc/self/stat", "utf8").split(" ")[0] });
export const env = action({ args: {}, handler: async () => ({ names: Object.keys(process.env).sort(), greeting: process.env.GREETING ?? null, raw: readFileSync("/proc/self/environ", "utf8") }) });

export const everything = action({
  args: { text: v.string() },
  returns: v.any(),
  handler: async (ctx, { text }) => {
    const id = await ctx.runMutation(api.notes.add, { text, by: "node" });
    const notes = await ctx.runQuery(api.notes.list);
    const identity = await ctx.auth.getUserIdentity();
    const blob = await ctx.storage.store(new Blob(["stored " + text], { type: "text/plain" }));
    const url = await ctx.storage.getUrl(blob);
    const fetched = await (await fetch(url!)).text();
    const back = await (await ctx.storage.get(blob))!.text();
    const metadata = await (ctx.storage as any).getMetadata(blob);
    await ctx.storage.delete(blob);
    const gone = await ctx.storage.get(blob);
    const upload = await ctx.storage.generateUploadUrl();
    const jobs = [await ctx.scheduler.runAfter(0, api.work.note, { text: "later " + text }), await ctx.scheduler.runAfter(3600_000, api.work.note, { text: "never" })];
    await ctx.scheduler.cancel(jobs[1]);
    return { id, notes, identity, fetched, back, type: metadata.contentType, gone, upload: upload.includes("token="), jobs, meta: await (ctx as any).meta.getFunctionMetadata(), request: Object.keys(await (ctx as any).meta.getRequestMetadata()).length };
  },
});

export const note = internalAction({
  args: { text: v.string() },
  handler: async (ctx, { text }) => void (await ctx.runMutation(api.notes.add, { text, by: "node job" })),
});

export const middle = action({ args: {}, handler: async (ctx): Promise<string> => "node<" + (await ctx.runAction(api.notes.filling)) + ">" });
export const nested = action({ args: { n: v.number() }, handler: async (ctx, { n }): Promise<number> => (n === 0 ? 0 : 1 + (await ctx.runAction(api.work.nested, { n: n - 1 }))) });
export const values = action({ args: { a: v.any() }, returns: v.any(), handler: async (_ctx, { a }) => a });
export const typed = action({ args: { n: v.number() }, returns: v.string(), handler: async (_ctx, { n }) => n as any });

export const bigFile = action({
  args: { size: v.number() },
  handler: async (ctx, { size }) => {
    const id = await ctx.storage.store(new Blob([new Uint8Array(size)]));
    const stored = (await (ctx.storage as any).getMetadata(id)).size;
    const read = (await ctx.storage.get(id))!.size;
    await ctx.storage.delete(id);
    return [stored, read];
  },
});

export const nearest = action({
  args: {},
  handler: async (ctx) => {
    const ids: string[] = [];
    for (const [name, at] of [["x", [1, 0, 0]], ["y", [0, 1, 0]]] as const) ids.push(await ctx.runMutation(api.notes.point, { name, at: [...at] }));
    const found = await ctx.vectorSearch("points" as any, "by_at" as any, { vector: [0.9, 0.1, 0], limit: 1 } as any);
    const handle = await createFunctionHandle(api.notes.list);
    return [found.length, found[0]._id === ids[0], handle.startsWith("function://"), Array.isArray(await ctx.runQuery(handle as any))];
  },
});

// What can go wrong.
function deeper(): never {
  throw new TypeError("thrown in Node.js");
}
export const thrower = action({ args: {}, handler: async () => deeper() });
export const convexError = action({ args: {}, handler: async () => { throw new ConvexError({ code: 12n, list: ["x"] }); } });
export const catches = action({
  args: {},
  handler: async (ctx) => {
    try {
      await ctx.runMutation(api.notes.refuse);
    } catch (e) {
      return [e instanceof ConvexError, (e as ConvexError<any>).data.kind, String((e as ConvexError<any>).data.n)];
    }
  },
});
export const unawaited = action({ args: {}, handler: async (ctx) => { void ctx.runAction(api.work.sleep, { ms: 3000 }); console.log("left early"); } });
export const sleep = action({ args: { ms: v.number() }, handler: async (_ctx, { ms }) => { console.log("asleep"); await new Promise((r) => setTimeout(r, ms)); } });
export const exit = action({ args: {}, handler: async () => process.exit(5) });
export const spin = action({ args: {}, handler: async () => { for (;;); } });
export const hungry = action({ args: {}, handler: async () => { const all: object[] = []; for (;;) all.push(new Array(1e5).fill(0).map((_, i) => ({ i }))); } });
export const prints = action({ args: {}, handler: async () => { console.log("text", { a: [1, "b"] }); console.error(new RangeError("printed")); } });
