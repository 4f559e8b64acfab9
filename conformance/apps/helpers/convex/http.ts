import { corsRouter } from "convex-helpers/server/cors";
import { httpRouter } from "convex/server";
import { httpAction } from "./_generated/server";

const http = httpRouter();
const cors = corsRouter(http, { allowedOrigins: ["https://cooks.example.test"], allowCredentials: true });
cors.route({ path: "/time", method: "GET", handler: httpAction(async () => Response.json({ now: typeof Date.now() })) });
export default http;
