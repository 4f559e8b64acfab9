import { query } from "./library.js";
export const list = query(() => 1);
throw new Error("does not load");
