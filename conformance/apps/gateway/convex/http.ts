// The corners of HTTP: both ways at once, all methods, redirects, bodies of every kind, breaking off.
import { httpRouter } from "convex/server";
import type { Id } from "./_generated/dataModel";
import { internal } from "./_generated/api";
import { httpAction } from "./_generated/server";

const http = httpRouter();

// Answers each piece of the request while the request goes on.
http.route({
  path: "/upper",
  method: "POST",
  handler: httpAction(async (_, request) => {
    const upper = new TransformStream<string, string>({ transform: (piece, to) => to.enqueue(piece.toUpperCase()) });
    return new Response(request.body!.pipeThrough(new TextDecoderStream()).pipeThrough(upper).pipeThrough(new TextEncoderStream()));
  }),
});

for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] as const) {
  http.route({
    pathPrefix: "/tell/",
    method,
    handler: httpAction(async (_, request) => {
      const { pathname, search } = new URL(request.url);
      const headers = [...request.headers].filter(([name]) => name.startsWith("x-") || name === "cookie" || name === "content-length");
      return Response.json({ method: request.method, pathname, search, headers, body: await request.text() }, { headers: { "X-Method": request.method } });
    }),
  });
}

http.route({ path: "/redirect", method: "GET", handler: httpAction(async (_, request) => Response.redirect(new URL("/tell/after?x=1", request.url), 307)) });
http.route({ path: "/teapot", method: "GET", handler: httpAction(async () => new Response("short and stout", { status: 418, statusText: "I'm a teapot" })) });

// What comes in is stored, and its address goes out.
http.route({
  path: "/store",
  method: "PUT",
  handler: httpAction(async (ctx, request) => {
    const id = await ctx.storage.store(await request.blob());
    return Response.json({ id, url: await ctx.storage.getUrl(id) }, { status: 201 });
  }),
});
http.route({
  path: "/file",
  method: "GET",
  handler: httpAction(async (ctx, request) => {
    const blob = await ctx.storage.get(new URL(request.url).searchParams.get("id") as Id<"_storage">);
    return blob ? new Response(blob, { headers: { "Content-Disposition": 'attachment; filename="file"' } }) : new Response("no such file", { status: 404 });
  }),
});

http.route({
  path: "/form",
  method: "POST",
  handler: httpAction(async (_, request) => {
    const copy = request.clone();
    const form = await request.formData();
    return Response.json({ fields: [...form].map(([name, value]) => [name, String(value)]), raw: await copy.text(), used: [request.bodyUsed, copy.bodyUsed] });
  }),
});

// Breaks off in the middle of its answer.
http.route({
  path: "/break",
  method: "GET",
  handler: httpAction(
    async () =>
      new Response(
        new ReadableStream({
          async start(to) {
            to.enqueue(new TextEncoder().encode("so far, "));
            await new Promise((done) => setTimeout(done, 50));
            to.error(new Error("no further"));
          },
        }),
      ),
  ),
});

// Streams more than an answer may have.
http.route({
  path: "/flood",
  method: "GET",
  handler: httpAction(async () => {
    let sent = 0;
    return new Response(new ReadableStream({ pull: (to) => (sent++ < 30 ? to.enqueue(new Uint8Array(1 << 20)) : to.close()) }));
  }),
});

// Notes when its reader leaves, with what the signal or the stream's cancel says.
http.route({
  path: "/endless",
  method: "GET",
  handler: httpAction(async (ctx, request) => {
    let timer: ReturnType<typeof setInterval>;
    request.signal.addEventListener("abort", () => {
      clearInterval(timer);
      void ctx.runMutation(internal.log.add, { text: "the reader left" });
    });
    return new Response(
      new ReadableStream({
        start(to) {
          timer = setInterval(() => to.enqueue(new TextEncoder().encode(".")), 20);
        },
      }),
    );
  }),
});

// Answers before the body has come, and reads none of it.
http.route({ path: "/early", method: "POST", handler: httpAction(async () => new Response("no, thank you", { status: 403 })) });

http.route({
  path: "/later",
  method: "POST",
  handler: httpAction(async (ctx, request) => {
    await ctx.scheduler.runAfter(0, internal.log.add, { text: `later: ${await request.text()}` });
    return new Response(null, { status: 202 });
  }),
});

export default http;
