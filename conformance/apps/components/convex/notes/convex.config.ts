import { defineComponent } from "convex/server";
import { v } from "convex/values";
import inner from "../inner/convex.config";

const component = defineComponent("notes", {
  env: { NAME: v.string(), MODE: v.union(v.literal("loud"), v.literal("quiet")), ABSENT: v.optional(v.string()) },
});
component.use(inner, { httpPrefix: "/inner/" });
export default component;
