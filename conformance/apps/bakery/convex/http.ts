import { httpRouter } from "convex/server";
import { httpAction } from "./_generated/server";

const http = httpRouter();
http.route({ path: "/open", method: "GET", handler: httpAction(async () => new Response("from six")) });

export default http;
