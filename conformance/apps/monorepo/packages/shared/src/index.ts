// What the website and the backend share: types, and rules over them.
import { type Infer, v } from "convex/values";

export const money = v.object({ cents: v.int64(), currency: v.union(v.literal("EUR"), v.literal("USD")) });
export type Money = Infer<typeof money>;

export { format } from "./format";
