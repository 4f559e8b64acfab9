"use server";

import { signOut, withAuth } from "@workos-inc/authkit-nextjs";
import { fetchMutation } from "convex/nextjs";
import { ConvexError } from "convex/values";
import { api } from "../convex/_generated/api";

/** Puts a suggestion on the board; gives what is wrong with it, if anything is. Works without script, too. */
export async function suggest(_: string | null, form: FormData): Promise<string | null> {
  const { user, accessToken } = await withAuth({ ensureSignedIn: true });
  const author = user.firstName || user.email.split("@")[0];
  try {
    await fetchMutation(api.board.suggest, { text: String(form.get("text")), author }, { token: accessToken });
    return null;
  } catch (error) {
    if (error instanceof ConvexError) {
      return String(error.data);
    }
    throw error;
  }
}

export async function leave() {
  await signOut();
}
