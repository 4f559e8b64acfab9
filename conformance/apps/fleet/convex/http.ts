import { httpRouter } from "convex/server";
import { internal } from "./_generated/api";
import { httpAction } from "./_generated/server";

const http = httpRouter();

http.route({
  path: "/note",
  method: "POST",
  handler: httpAction(async (ctx, request) => {
    await ctx.runMutation(internal.notes.write, { text: await request.text() });
    return new Response(process.env.CONVEX_SITE_URL);
  }),
});

export default http;
