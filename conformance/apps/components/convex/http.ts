import { httpRouter } from "convex/server";
import { httpAction } from "./_generated/server";

const http = httpRouter();
http.route({ path: "/notes/mine", method: "GET", handler: httpAction(async () => new Response("the app's own")) });
http.route({ pathPrefix: "/notes/files/deep/", method: "GET", handler: httpAction(async () => new Response("the app's longer prefix")) });
http.route({ pathPrefix: "/", method: "GET", handler: httpAction(async () => new Response("the app's shortest prefix")) });
export default http;
