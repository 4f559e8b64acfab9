// The plain client in a browser: what it sends and receives, as text the driver can compare.
import { ConvexClient, ConvexHttpClient } from "convex/browser";
import { api } from "../convex/_generated/api";

const url = new URLSearchParams(location.search).get("convex")!;
const live = new ConvexClient(url);
const http = new ConvexHttpClient(url);

export const values: Record<string, any> = {
  null: null,
  bigints: [0n, -1n, 2n ** 63n - 1n, -(2n ** 63n)],
  numbers: [0, -0, 1.5, NaN, Infinity, -Infinity, 5e-324, 2 ** 53 + 2],
  strings: ["", "ß€🥣", "\u0000\uffff", "a\nb"],
  bytes: new Uint8Array([0, 1, 254, 255]).buffer,
  nested: { a: [[], {}, { "with space": [null, true, false] }] },
};

const show = (v: any): string =>
  typeof v === "bigint" ? `${v}n` : Object.is(v, -0) ? "-0" : v instanceof ArrayBuffer ? `bytes ${new Uint8Array(v)}` : Array.isArray(v) ? `[${v.map(show)}]`
  : v && typeof v === "object" ? `{${Object.keys(v).sort().map((k) => `${k}:${show(v[k])}`)}}` : typeof v === "string" ? JSON.stringify(v) : String(v);

(window as any).roundTrips = async () => {
  const wrong: string[] = [];
  for (const [name, value] of Object.entries(values)) {
    const seen: Record<string, any> = {
      mutation: await live.mutation(api.values.keep, { name, value }),
      query: await live.query(api.values.get, { name }),
      http: await http.query(api.values.get, { name }),
      action: await http.action(api.values.through, { value }),
      live: await new Promise((done) => {
        const stop = live.onUpdate(api.values.get, { name }, (v) => (stop(), done(v)));
      }),
    };
    for (const [how, got] of Object.entries(seen)) {
      if (show(got) !== show(value)) {
        wrong.push(`${name} by ${how}: ${show(got)} for ${show(value)}`);
      }
    }
  }
  return wrong;
};

(window as any).refusals = async () => {
  const message = (work: Promise<unknown>) => work.then(() => "accepted", (error) => String(error.message));
  return {
    tooBig: await message((async () => live.mutation(api.values.keep, { name: "x", value: 2n ** 63n }))()),
    date: await message((async () => live.mutation(api.values.keep, { name: "x", value: new Date() }))()),
    dollar: await message(http.mutation(api.values.keep, { name: "x", value: { $bad: 1 } })),
    deep: await message(http.mutation(api.values.keep, { name: "x", value: Array(20).fill(0).reduce((inner) => [inner], 1) })),
    long: await message(http.mutation(api.values.keep, { name: "x", value: Array(8193).fill(0) })),
  };
};

let seen: any[] = [];
(window as any).watch = (name: string) => live.onUpdate(api.values.get, { name }, (v) => seen.push(show(v)));
(window as any).seen = () => seen;
