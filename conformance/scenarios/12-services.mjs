// Apps that talk to the world: webhooks, a streaming assistant, an API with keys, files, mails.
import { anyApi as api } from "convex/server";
import { createHash, createHmac } from "node:crypto";
import { contains, fails, holds, lacks, same } from "../lib/check.mjs";
import { createElement as h } from "react";
import { renderToStaticMarkup } from "react-dom/server";
import { House } from "../lib/house.mjs";
import { sleep, until } from "../lib/lentil.mjs";
import { outside } from "../lib/outside.mjs";

export const setUp = () => House.open();
export const tearDown = (house) => house?.close();

/** The mail of the digest as Node renders it. */
const expected = h("html", { lang: "en" },
  h("body", { style: { fontFamily: "sans-serif" } },
    h("h1", null, "Good morning, ", "Bob & Co", "!"), h("p", null, "Thursday, 1 January 1970"),
    h("ul", null, h("li", null, h("a", { href: "https://example.test/red" }, "Red <lentils>")))));

/** Splits server-sent events as they come. */
async function* events(body) {
  let rest = "";
  for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
    rest += chunk;
    for (let end; (end = rest.indexOf("\n\n")) >= 0; rest = rest.slice(end + 2)) {
      yield rest.slice(0, end);
    }
  }
}

export const scenarios = {
  "webhooks: signatures are checked, deliveries count once, failures are tried again": async (house) => {
    const secret = "whsec_soup";
    await house.push("webhooks", { env: { WEBHOOK_SECRET: secret } });
    const client = house.http();
    const deliver = (body, { provider = "pay", t = Math.floor(Date.now() / 1000), key = secret } = {}) => {
      const raw = typeof body === "string" ? body : JSON.stringify(body);
      return fetch(`${house.siteUrl}/hooks/${provider}`, {
        method: "POST", body: raw, headers: { "X-Signature": `t=${t},v1=${createHmac("sha256", key).update(`${t}.${raw}`).digest("hex")}` },
      });
    };
    const paid = (id, order) => ({ id, type: "payment.succeeded", data: { order, note: "Süppchen 🥣" } });
    await house.run("deliveries:placeOrder", { number: "1" });
    const first = await deliver(paid("d1", "1"));
    same([first.status, first.headers.get("x-delivery"), await first.text()], [202, "d1", ""]);
    await until("the order to be paid", async () => (await client.query(api.deliveries.order, { number: "1" })).paid);
    const twice = await Promise.all([...Array(6)].map(() => deliver(paid("d2", "1"), { provider: "pay%2Fde" })));
    same(twice.map((r) => r.status).sort(), [200, 200, 200, 200, 200, 202]);
    same((await deliver(paid("d3", "1"), { key: "other" })).status, 401);
    same(await (await deliver(paid("d3", "1"), { t: 1000 })).json(), { error: "the signature is too old" });
    const noJSON = await deliver("{");
    same(noJSON.status, 400);
    contains((await noJSON.json()).error, "no JSON");
    await deliver(paid("d4", "unknown"));
    const failed = await until("three attempts", async () => (await client.query(api.deliveries.failures, {})).find((d) => d.attempts === 3));
    contains(failed.error, "order unknown is not known");
    const status = await fetch(`${house.siteUrl}/status`, { headers: { Origin: "https://status.example.test" } });
    same([status.headers.get("access-control-allow-origin"), await status.json()], ["https://status.example.test", { processed: 2, failed: 1 }]);
    const preflight = await fetch(`${house.siteUrl}/status`, { method: "OPTIONS", headers: { "Access-Control-Request-Headers": "x-a" } });
    same([preflight.status, preflight.headers.get("access-control-allow-headers")], [204, "x-a"]);
    same((await fetch(`${house.siteUrl}/hooks/pay`)).status, 404);
  },

  "agent: an answer streams through to the caller and, in sentences, to everybody else": async (house) => {
    let release;
    const model = await outside(async (request, response) => {
      const { messages } = JSON.parse(request.body);
      const prompt = messages.findLast((m) => m.role === "user").text;
      if (prompt === "fail") {
        response.writeHead(503).end();
        return;
      }
      for (const word of ["Soak ", "the lentils. ", "Then ", "boil ", "them."]) {
        response.write(word);
        await sleep(20);
        if (word === "the lentils. ") {
          await new Promise((done) => (release = done)); // the rest comes when the first sentence has been seen
        }
      }
      response.end();
    });
    await house.push("agent", { env: { MODEL_URL: model.url } });
    const thread = "t";
    const seen = house.watch(house.live(), api.messages.list, { thread });
    const chat = (body, options) => fetch(`${house.siteUrl}/chat`, { method: "POST", body: JSON.stringify({ thread, ...body }), ...options });
    const answer = await chat({ prompt: "How?" });
    same([answer.status, answer.headers.get("content-type")], [200, "text/event-stream"]);
    const pieces = [];
    for await (const event of events(answer.body)) {
      pieces.push(event);
      if (event.includes("the lentils")) {
        await until("the first sentence in the database", () => seen.last().at(-1)?.text === "Soak the lentils. ");
        same(seen.last().at(-1).state, "streaming");
        await until("the model to wait", () => release !== undefined);
        release();
      }
    }
    same(pieces.at(-1), "event: done\ndata: {}");
    const text = pieces.slice(0, -1).map((e) => JSON.parse(e.slice("data: ".length)).piece).join("");
    same(text, "Soak the lentils. Then boil them.");
    await until("the whole", () => seen.last().at(-1).state === "done");
    same(seen.last().map((m) => [m.role, m.text]), [["user", "How?"], ["assistant", text]]);
    same(answer.headers.get("x-message"), seen.last().at(-1)._id);

    // The reader leaves after the first sentence.
    release = undefined;
    const leave = new AbortController();
    const left = await chat({ prompt: "Again?" }, { signal: leave.signal });
    const reader = left.body.getReader();
    await until("the model to wait", () => release !== undefined);
    await reader.read();
    leave.abort();
    await reader.closed.catch(() => {});
    await until("what there is to be kept", () => seen.last().at(-1).state === "stopped");
    contains(seen.last().at(-1).text, "Soak");
    release();
    same((await chat({ prompt: "fail" })).status, 502);
    same((await chat({})).status, 400);
    const conversation = JSON.parse(model.requests.at(-1).body).messages;
    same(conversation.length, 6);
    await model.close();
  },

  "rates: keys are kept as hashes, and calls are limited exactly": async (house) => {
    await house.push("rates");
    const key = await house.run("keys:issue", { name: "soup-kitchen" });
    const other = await house.run("keys:issue", { name: "other" });
    const client = house.http();
    const shout = (word, k = key) => client.mutation(api.api.shout, { key: k, word });
    const began = performance.now();
    const outcomes = await Promise.allSettled([...Array(12)].map((_, i) => shout(`w${i}`)));
    const limited = outcomes.filter((o) => o.status === "rejected").map((o) => o.reason.data);
    same(limited[0].code, "RATE_LIMITED");
    const passed = 12 - limited.length;
    const meanwhile = (2 * (performance.now() - began)) / 1000; // two a second come back
    holds(passed >= 5 && passed <= 5 + Math.ceil(meanwhile), `${passed} of 12 passed, ${meanwhile} came back`);
    same((await shout("x", other)).word, "X");
    await sleep(limited.at(-1).retryAfterMs + 600);
    same((await shout("later")).word, "LATER");
    // Nothing is lost by a call that fails after its token was taken.
    same((await fails(() => shout("x".repeat(21), other), "a long word")).data, { code: "TOO_LONG", status: 400 });
    same((await shout("y", other)).left >= 3, true);
    same((await client.query(api.api.usage, { key })).words.length, passed + 1);
    await house.run("keys:revoke", { name: "soup-kitchen" });
    same((await fails(() => shout("z"), "a revoked key")).data, { code: "UNAUTHORIZED", status: 401 });
    same((await fails(() => client.query(api.api.usage, { key: "key_x" }), "no key")).data.status, 401);
    const data = await house.cli(["data", "keys", "--format", "json"]);
    lacks(data.stdout, key, "the table of keys");
  },

  "gallery: files are uploaded, checked, shrunk, served, swept and deleted": async (house) => {
    await house.push("gallery");
    const client = house.live();
    const album = await client.mutation(api.gallery.album, { name: "Soups" });
    const seen = house.watch(client, api.gallery.show, { album });
    const upload = async (bytes, type) => {
      const answer = await fetch(await client.mutation(api.gallery.uploadUrl, {}), { method: "POST", body: bytes, headers: type ? { "Content-Type": type } : {} });
      return (await answer.json()).storageId;
    };
    const png = Buffer.concat([Buffer.from("89504e470d0a1a0a", "hex"), Buffer.alloc(5000, 3)]);
    const file = await upload(png, "image/png; charset=binary");
    const photo = await client.mutation(api.gallery.add, { album, file, name: "red.png" });
    await until("the thumbnail and the cover", () => seen.last().photos[0]?.thumbnail && seen.last().cover);
    const [row] = seen.last().photos;
    same([row.bytes, row.name], [5008, "red.png"]);
    const full = await fetch(row.url);
    same([full.headers.get("content-type"), full.headers.get("digest")], ["image/png; charset=binary", `sha-256=${createHash("sha256").update(png).digest("base64")}`]);
    same(Buffer.compare(Buffer.from(await full.arrayBuffer()), png), 0);
    const small = Buffer.from(await (await fetch(row.thumbnail)).arrayBuffer());
    same(small.compare(png.subarray(0, 16)), 0);
    const text = await upload("no picture", "text/plain");
    same((await fails(() => client.mutation(api.gallery.add, { album, file: text, name: "x" }), "a text")).data, { code: "NO_IMAGE", contentType: "text/plain" });
    const untyped = await upload("?", undefined);
    same((await fails(() => client.mutation(api.gallery.add, { album, file: untyped, name: "x" }), "a file without type")).data.code, "NO_IMAGE");
    const orphans = await client.query(api.gallery.orphans, {});
    same(orphans.toSorted(), [text, untyped].toSorted());
    await client.mutation(api.gallery.sweep, { files: orphans });
    same(await client.query(api.gallery.orphans, {}), []);
    same((await fails(() => client.mutation(api.gallery.add, { album, file: text, name: "x" }), "a swept file")).data, { code: "NO_FILE" });
    await client.mutation(api.gallery.removePhoto, { photo });
    await until("an empty album", () => seen.last().photos.length === 0 && seen.last().cover === null);
    same([(await fetch(row.url)).status, (await fetch(row.thumbnail)).status], [404, 404]);
    contains((await fails(() => client.mutation(api.gallery.add, { album, file: album, name: "x" }), "an id that is no file's")).message, 'v.id("_storage")');
  },

  "digest: a cron renders a mail from JSX and sends each article once": async (house) => {
    let n = 0;
    const provider = await outside((request, response) => response.end(JSON.stringify({ id: `m${++n}` })));
    await house.push("digest", { env: { MAIL_API: `${provider.url}/v3/messages` } });
    const client = house.live();
    for (const name of ["Ann", "Bob & Co"]) {
      await client.mutation(api.digest.subscribe, { email: `${name.slice(0, 3)}@example.test`, name });
    }
    contains((await fails(() => client.mutation(api.digest.subscribe, { email: "nobody", name: "x" }), "no address")).message, "nobody is no address");
    await client.mutation(api.digest.publish, { title: "Red <lentils>", url: "https://example.test/red" });
    const seen = house.watch(client, api.digest.mails, {});
    await until("two mails", () => seen.last()?.length === 2);
    await sleep(1500); // the cron comes again, and finds nothing
    same([seen.last().length, provider.requests.length], [2, 2]);
    const { method, url, headers, body } = provider.requests.find((r) => r.body.includes("Bob"));
    same([method, url, headers.authorization], ["POST", "/v3/messages", `Basic ${btoa("api:secret")}`]);
    const form = await new Response(body, { headers: { "Content-Type": headers["content-type"] } }).formData();
    same([form.get("to"), form.get("subject")], ["Bob@example.test", "1 new"]);
    same(await form.get("html").text(), `<!doctype html>${renderToStaticMarkup(expected)}`);
    await provider.close();
  },
};
