import { httpRouter } from "convex/server";
import { ConvexError } from "convex/values";
import { internal, api } from "./_generated/api";
import { httpAction } from "./_generated/server";

const http = httpRouter();

const tell = (name: string) =>
  httpAction(async (_, request) => Response.json({ name, method: request.method, url: request.url }, { headers: { "X-Route": name } }));

http.route({ path: "/exact", method: "GET", handler: tell("exact") });
http.route({ pathPrefix: "/deep/", method: "GET", handler: tell("deep") });
http.route({ pathPrefix: "/deep/er/", method: "GET", handler: tell("deeper") });
http.route({ path: "/deep/er/exact", method: "GET", handler: tell("deep exact") });
http.route({ path: "/exact", method: "DELETE", handler: tell("delete") });
http.route({ path: "/options", method: "OPTIONS", handler: tell("options") });

http.route({
  path: "/notes",
  method: "POST",
  handler: httpAction(async (ctx, request) => {
    const { text } = await request.json();
    console.log("noted", text);
    await ctx.runMutation(internal.notes.add, { text });
    return new Response(JSON.stringify(await ctx.runQuery(api.notes.list, {})), {
      status: 201,
      headers: [["Content-Type", "application/json"], ["Set-Cookie", "a=1"], ["Set-Cookie", "b=2"], ["X-Latin", "h\xf6"]],
    });
  }),
});

http.route({
  path: "/echo",
  method: "POST",
  handler: httpAction(async (_, request) => new Response(request.body, { headers: { "X-Type": request.headers.get("content-type") ?? "" } })),
});

http.route({
  path: "/size",
  method: "PUT",
  handler: httpAction(async (_, request) => {
    let size = 0;
    for await (const chunk of request.body as any) {
      size += chunk.length;
    }
    return new Response(String(size));
  }),
});

http.route({
  path: "/form",
  method: "POST",
  handler: httpAction(async (_, request) => {
    const form = await request.formData();
    const file = form.get("file") as File;
    return Response.json({ name: form.get("name"), file: file.name, type: file.type, text: await file.text() });
  }),
});

http.route({
  path: "/ticks",
  method: "GET",
  handler: httpAction(async (ctx) => {
    const { readable, writable } = new TransformStream();
    void (async () => {
      const writer = writable.getWriter();
      for (let i = 0; i < 3; i++) {
        await writer.write(new TextEncoder().encode(`tick ${i}\n`));
        // The next when somebody has noted that this one arrived.
        while (!(await ctx.runQuery(api.notes.list, {})).includes(`tick ${i} arrived`)) {
          await new Promise((done) => setTimeout(done, 20));
        }
      }
      await writer.close();
    })();
    return new Response(readable, { headers: { "Content-Type": "text/event-stream" } });
  }),
});

http.route({
  path: "/who",
  method: "GET",
  handler: httpAction(async (ctx) => {
    try {
      return Response.json({ identity: await ctx.auth.getUserIdentity() });
    } catch (error: any) {
      return Response.json({ error: error.message });
    }
  }),
});

http.route({
  path: "/wait",
  method: "GET",
  handler: httpAction(async (ctx, request) => {
    const left = new Promise((done) => request.signal.addEventListener("abort", done));
    await ctx.runMutation(internal.notes.add, { text: "a client waits" });
    await left;
    await ctx.runMutation(internal.notes.add, { text: "the client left" });
    return new Response();
  }),
});

http.route({ path: "/ignore", method: "POST", handler: httpAction(async () => new Response("ignored")) });
http.route({ path: "/empty", method: "GET", handler: httpAction(async () => new Response(null, { status: 204 })) });
http.route({ path: "/fail", method: "GET", handler: httpAction(async () => { throw new Error("the plain one"); }) });
http.route({ path: "/convex-error", method: "GET", handler: httpAction(async () => { throw new ConvexError({ code: 7 }); }) });
http.route({ path: "/nothing", method: "GET", handler: httpAction(async () => "text" as any) });
http.route({ path: "/large", method: "GET", handler: httpAction(async () => new Response(new Uint8Array(21 * 1024 * 1024))) });

export default http;
