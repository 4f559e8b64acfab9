import { format, money } from "@acme/shared";
import { formatISO } from "date-fns/formatISO";
import { addDays } from "date-fns/addDays";
import _ from "lodash";
import { nanoid } from "nanoid";
import { v } from "convex/values";
import countries from "../lib/countries.json";
import { api } from "./_generated/api";
import { action, mutation, query } from "./_generated/server";

const item = v.object({ sku: v.string(), n: v.number() });

export const place = mutation({
  args: { country: v.string(), price: money, items: v.array(item) },
  returns: v.string(),
  handler: async (ctx, { country, price, items }) => {
    if (!(country in countries)) {
      throw new Error(`no business in ${country}`);
    }
    const code = nanoid(12); // of the seeded randomness of mutations
    await ctx.db.insert("orders", { code, country, price, items: _.sortBy(items, ["sku"]) });
    return code;
  },
});

export const receipt = query({
  args: { code: v.string() },
  returns: v.union(v.null(), v.object({ total: v.string(), country: v.string(), skus: v.array(v.string()), due: v.string(), pieces: v.number() })),
  handler: async (ctx, { code }) => {
    const order = await ctx.db
      .query("orders")
      .withIndex("by_code", (q) => q.eq("code", code))
      .unique();
    return (
      order && {
        total: format(order.price),
        country: countries[order.country as keyof typeof countries].name,
        skus: _.uniq(order.items.map((i) => i.sku)),
        due: formatISO(addDays(new Date(0), 14), { representation: "date" }),
        pieces: _.sumBy(order.items, "n"),
      }
    );
  },
});

/** Takes an order as text, read by code that is only loaded here. */
export const importText = action({
  args: { text: v.string() },
  returns: v.string(),
  handler: async (ctx, { text }): Promise<string> => {
    const { parse } = await import("../lib/heavy");
    return await ctx.runMutation(api.orders.place, { country: "DE", price: { cents: 100n, currency: "EUR" }, items: parse(text) });
  },
});
