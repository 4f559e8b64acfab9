import { action, ConvexError, mutation, query } from "./library.js";

const loadedAt = Date.now();
let calls = 0;

export const list = query(({ db }) => db.query("messages").collect());
export const newest = query(({ db }, { n }) => db.query("messages").order("desc").take(n));
export const by = query(({ db }, { author }) => db.index("messages.by_author", [{ type: "Eq", fieldPath: "author", value: author }]).collect());
export const page = query(({ db }, { paginationOpts }) => db.query("messages").order("desc").paginate(paginationOpts));
export const filtered = query(({ db }) => db.query("messages").filter({ $gt: [{ $field: "likes" }, { $literal: 1 }] }).collect());
export const me = query(({ auth }) => auth.getUserIdentity());
export const env = query(() => process.env.GREETING ?? null);
export const state = query(() => [++calls, loadedAt]);
export const clock = query(() => Date.now() === Date.now());

export const send = mutation(async ({ db, auth }, { body }) => {
  const who = await auth.getUserIdentity();
  console.log("sending", { body });
  return db.insert("messages", { body, author: who?.subject ?? "nobody", likes: 0 });
});
export const like = mutation(async ({ db }, { id }) => {
  const message = await db.get(id);
  if (message === null) throw new ConvexError({ code: "gone" });
  await db.patch(id, { likes: message.likes + 1 });
});
export const unawaited = mutation(({ db }) => {
  db.insert("messages", { body: "late", author: "x", likes: 0 });
});
export const half = mutation(async ({ db }) => {
  await db.insert("messages", { body: "half", author: "x", likes: 0 });
  throw new Error("changed my mind");
});
export const nested = mutation(async (ctx) => {
  await ctx.runMutation("messages:send", { body: "inner" });
  try {
    await ctx.runMutation("messages:half");
  } catch (e) {
    return [e.message.split("\n")[0], (await ctx.runQuery("messages:list")).length];
  }
});
export const nestedData = mutation(async (ctx) => {
  try {
    await ctx.runMutation("messages:like", { id: await ctx.db.insert("messages", {}).then(async (id) => (await ctx.db.delete(id), id)) });
  } catch (e) {
    return [e instanceof ConvexError, e.data];
  }
});
export const spin = query(() => {
  for (;;);
});
export const never = query(() => new Promise(() => {}));
export const wrongArgs = query(({ db }) => db.get("nonsense"));
export const conflict = mutation(() => Convex.syscall("throwOcc", "{}"));
export const busy = action(async (ctx) => {
  const sent = await Promise.all([1, 2, 3].map((n) => ctx.runMutation("messages:send", { body: `#${n}` })));
  await new Promise((done) => setTimeout(done, 5));
  return [sent.length, (await ctx.runQuery("messages:list")).length, (await ctx.auth.getUserIdentity())?.subject];
});
