// A bakery's shelf: what the dashboard shows of a deployment, and what it changes.
import { ConvexError, v } from "convex/values";
import { action, internalMutation, mutation, query } from "./_generated/server";
import { internal } from "./_generated/api";

export const list = query({
  args: { cheaperThan: v.optional(v.number()) },
  handler: async (ctx, { cheaperThan }) => {
    const breads = await ctx.db.query("breads").withIndex("by_price").collect();
    return breads.filter((bread) => cheaperThan === undefined || bread.price < cheaperThan).map(({ name, price, stock }) => ({ name, price, stock }));
  },
});

export const whoAmI = query({
  args: {},
  handler: async (ctx) => (await ctx.auth.getUserIdentity())?.email ?? "nobody",
});

export const bake = mutation({
  args: { name: v.string(), price: v.number(), tags: v.optional(v.array(v.string())) },
  handler: async (ctx, { name, price, tags }) => {
    if (price <= 0) {
      throw new ConvexError({ code: "price", message: "a bread costs something" });
    }
    console.log("baking", name);
    if (price > 20) {
      console.warn("that is dear", { name, price });
    }
    return await ctx.db.insert("breads", { name, price, stock: 10n, tags: tags ?? [] });
  },
});

export const fill = mutation({
  args: { n: v.number() },
  handler: async (ctx, { n }) => {
    const baker = await ctx.db.insert("bakers", { name: "Ida", shift: "early" });
    for (let i = 0; i < n; i++) {
      await ctx.db.insert("breads", { name: `Loaf ${String(i).padStart(3, "0")}`, price: 2 + (i % 7) / 2, stock: BigInt(i), tags: i % 3 ? ["rye"] : [], ...(i % 2 ? { baker } : {}) });
    }
  },
});

export const scald = mutation({
  args: {},
  handler: async () => {
    console.error("the oven is too hot");
    throw new Error("burnt");
  },
});

export const order = action({
  args: { name: v.string(), in: v.number() },
  handler: async (ctx, args): Promise<string> => await ctx.scheduler.runAfter(args.in, internal.breads.deliver, { name: args.name }),
});

export const deliver = internalMutation({
  args: { name: v.string() },
  handler: async (ctx, { name }) => {
    console.info("delivered", name);
    await ctx.db.insert("breads", { name, price: 3, stock: 1n, tags: ["delivered"] });
  },
});
