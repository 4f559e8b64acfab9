import { type Infer, v } from "convex/values";

export const event = v.union(
  v.object({ type: v.literal("opened"), owner: v.string() }),
  v.object({ type: v.literal("deposited"), cents: v.int64() }),
  v.object({ type: v.literal("withdrawn"), cents: v.int64() }),
  v.object({ type: v.literal("transferred"), cents: v.int64(), direction: v.union(v.literal("in"), v.literal("out")), peer: v.string() }),
  v.object({ type: v.literal("closed") }),
);
export type Event = Infer<typeof event>;

export function apply(cents: bigint, e: Event): bigint {
  switch (e.type) {
    case "opened":
    case "closed":
      return cents;
    case "deposited":
      return cents + e.cents;
    case "withdrawn":
      return cents - e.cents;
    case "transferred":
      return e.direction === "in" ? cents + e.cents : cents - e.cents;
  }
}
