import { defineApp } from "convex/server";
import { v } from "convex/values";
import notes from "./notes/convex.config";

const app = defineApp({ env: { GREETING: v.string(), SECRET: v.optional(v.string()) } });
app.use(notes, { httpPrefix: "/notes", env: { NAME: app.env.GREETING, MODE: "loud" } });
app.use(notes, { name: "more", env: { NAME: "fixed", MODE: "quiet" } });
export default app;
