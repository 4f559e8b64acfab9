import { httpRouter } from "convex/server";
import { api } from "./_generated/api";
import { httpAction } from "./_generated/server";

const http = httpRouter();
http.route({
  path: "/me",
  method: "GET",
  handler: httpAction(async (ctx) => {
    try {
      const identity = await ctx.auth.getUserIdentity();
      return Response.json({ subject: identity?.subject ?? null, notes: await ctx.runQuery(api.members.notes) });
    } catch (error) {
      return Response.json({ error: (error as Error).message }, { status: 401 });
    }
  }),
});
export default http;
