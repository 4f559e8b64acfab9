import { getSignInUrl } from "@workos-inc/authkit-nextjs";
import { redirect } from "next/navigation";

/** Begins sign-ins that began elsewhere, as /sign-in does, and passes on what they came with. */
export async function GET(request: Request) {
  const url = new URL(await getSignInUrl());
  new URL(request.url).searchParams.forEach((value, name) => url.searchParams.set(name, value));
  redirect(url.toString());
}
