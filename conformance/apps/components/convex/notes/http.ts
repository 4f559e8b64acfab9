import { httpRouter } from "convex/server";
import { internal } from "./_generated/api";
import { httpAction } from "./_generated/server";

const http = httpRouter();
http.route({
  path: "/count",
  method: "GET",
  handler: httpAction(async (ctx, request) => Response.json({ n: await ctx.runQuery(internal.lib.count, {}), url: request.url })),
});
http.route({ pathPrefix: "/files/", method: "GET", handler: httpAction(async (_ctx, request) => new Response(`files of ${new URL(request.url).pathname}`)) });
export default http;
