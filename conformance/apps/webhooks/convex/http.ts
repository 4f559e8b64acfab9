// Receives webhooks: the signature is checked over the raw bytes, the answer goes out before the work is done.
import { httpRouter } from "convex/server";
import { internal } from "./_generated/api";
import { httpAction } from "./_generated/server";

const http = httpRouter();

const hex = (bytes: ArrayBuffer) => [...new Uint8Array(bytes)].map((b) => b.toString(16).padStart(2, "0")).join("");

async function verify(secret: string, raw: ArrayBuffer, header: string | null): Promise<string | null> {
  const parts = Object.fromEntries((header ?? "").split(",").map((part) => part.split("=", 2)));
  if (!/^\d+$/.test(parts.t ?? "") || Math.abs(Date.now() / 1000 - Number(parts.t)) > 300) {
    return "the signature is too old";
  }
  const key = await crypto.subtle.importKey("raw", new TextEncoder().encode(secret), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const signed = new Uint8Array([...new TextEncoder().encode(`${parts.t}.`), ...new Uint8Array(raw)]);
  return hex(await crypto.subtle.sign("HMAC", key, signed)) === parts.v1 ? null : "the signature does not match";
}

// /hooks/<provider>, whatever the provider.
http.route({
  pathPrefix: "/hooks/",
  method: "POST",
  handler: httpAction(async (ctx, request) => {
    const provider = decodeURIComponent(new URL(request.url).pathname.slice("/hooks/".length));
    const raw = await request.arrayBuffer();
    const wrong = await verify(process.env.WEBHOOK_SECRET!, raw, request.headers.get("X-Signature"));
    if (wrong) {
      return Response.json({ error: wrong }, { status: 401 });
    }
    let body: { id: string; type: string; data: unknown };
    try {
      body = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(raw));
    } catch (error) {
      return Response.json({ error: `no JSON: ${(error as Error).message}` }, { status: 400 });
    }
    const fresh = await ctx.runMutation(internal.deliveries.receive, { provider, delivery: body.id, type: body.type, payload: body.data });
    return new Response(null, { status: fresh ? 202 : 200, headers: { "X-Delivery": body.id } });
  }),
});

const cors = { "Access-Control-Allow-Origin": "https://status.example.test", Vary: "Origin" };

http.route({
  path: "/status",
  method: "OPTIONS",
  handler: httpAction(async (_, request) => {
    const headers = new Headers(cors);
    headers.set("Access-Control-Allow-Methods", "GET");
    headers.set("Access-Control-Allow-Headers", request.headers.get("Access-Control-Request-Headers") ?? "");
    return new Response(null, { status: 204, headers });
  }),
});

http.route({
  path: "/status",
  method: "GET",
  handler: httpAction(async (ctx) => Response.json(await ctx.runQuery(internal.deliveries.counts), { headers: cors })),
});

export default http;
