import { createServerFn } from "@tanstack/react-start";
import { getAuth } from "@workos/authkit-tanstack-react-start";
import { ConvexHttpClient } from "convex/browser";
import { api } from "../convex/_generated/api";

/** The board as the caller may see it, for the first answer of the server; null for strangers. */
export const loadBoard = createServerFn().handler(async () => {
  const auth = await getAuth();
  if (!auth.user) {
    return null;
  }
  const convex = new ConvexHttpClient(import.meta.env.VITE_CONVEX_URL);
  convex.setAuth(auth.accessToken);
  const { email, firstName } = auth.user;
  return { email, name: firstName || email.split("@")[0], rows: await convex.query(api.board.list) };
});
