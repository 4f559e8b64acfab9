import { query, mutation } from "./library.js";

type Note = { author: string; text: string };

export const add = mutation(async ({ db, auth }: any, { text }: { text: string }) => {
  const who = await auth.getUserIdentity();
  if (who === null) throw new Error("sign in first");
  return db.insert("notes", { author: who.subject, text } satisfies Note);
});

export const mine = query(async ({ db, auth }: any) => {
  const who = await auth.getUserIdentity();
  const all: Note[] = await db.query("notes").collect();
  return all.filter((n) => n.author === who?.subject).map((n) => n.text);
});

export const greeting = query(() => process.env.GREETING ?? "none");
