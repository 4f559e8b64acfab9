import { httpRouter } from "convex/server";
import { authKit } from "./auth";
import { stream } from "./chat";

const http = httpRouter();
authKit.registerRoutes(http);
http.route({ path: "/chat-stream", method: "POST", handler: stream });
export default http;
