// An assistant: the model's answer is read as it streams in, passed on to the caller piece by piece as server-sent
// events, and kept in the database for everybody else, sentence by sentence.
import { httpRouter } from "convex/server";
import { internal } from "./_generated/api";
import { httpAction } from "./_generated/server";

const http = httpRouter();

http.route({
  path: "/chat",
  method: "POST",
  handler: httpAction(async (ctx, request) => {
    const { thread, prompt } = await request.json();
    if (typeof prompt !== "string" || prompt === "") {
      return Response.json({ error: "prompt is missing" }, { status: 400 });
    }
    const id = await ctx.runMutation(internal.messages.begin, { thread, prompt });
    const messages = await ctx.runQuery(internal.messages.context, { thread });
    const model = await fetch(process.env.MODEL_URL!, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ messages }),
      signal: request.signal,
    });
    if (!model.ok) {
      await ctx.runMutation(internal.messages.write, { id, text: `The model answered ${model.status}.`, state: "stopped" });
      return new Response("The model is not well.", { status: 502 });
    }
    let text = "";
    const { readable, writable } = new TransformStream<string, string>();
    const out = writable.getWriter();
    const work = (async () => {
      try {
        for await (const piece of model.body!.pipeThrough(new TextDecoderStream()) as unknown as AsyncIterable<string>) {
          text += piece;
          await out.write(`data: ${JSON.stringify({ piece })}\n\n`);
          if (/[.!?]\s*$/.test(text)) {
            await ctx.runMutation(internal.messages.write, { id, text, state: "streaming" });
          }
        }
        await ctx.runMutation(internal.messages.write, { id, text, state: "done" });
        await out.write("event: done\ndata: {}\n\n");
        await out.close();
      } catch (error) {
        // The reader left, or the model broke off: what there is stays.
        await ctx.runMutation(internal.messages.write, { id, text, state: "stopped" });
      }
    })();
    void work;
    return new Response(readable.pipeThrough(new TextEncoderStream()), {
      headers: { "Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Message": id },
    });
  }),
});

export default http;
