import { httpRouter, anyApi as api } from "convex/server";
import { httpAction } from "./_generated/server";

const http = httpRouter();
http.route({
  path: "/node",
  method: "GET",
  handler: httpAction(async (ctx) => new Response(JSON.stringify(await ctx.runAction(api.work.globals)))),
});
export default http;
