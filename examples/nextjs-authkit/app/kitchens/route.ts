import { getWorkOS, switchToOrganization, withAuth } from "@workos-inc/authkit-nextjs";
import { NextResponse } from "next/server";

/**
 * Goes to a kitchen (an organization, whose id is in the access token from then on), or opens a new one. A form that the
 * browser itself sends: the board is loaded anew and with it the token of its live connection.
 */
export async function POST(request: Request) {
  const { user } = await withAuth({ ensureSignedIn: true });
  const form = await request.formData();
  let kitchen = form.get("kitchen");
  const name = String(form.get("name") ?? "").trim().slice(0, 40);
  if (name !== "") {
    const workos = getWorkOS();
    kitchen = (await workos.organizations.createOrganization({ name })).id;
    await workos.userManagement.createOrganizationMembership({ organizationId: kitchen, userId: user.id });
  }
  if (typeof kitchen === "string") {
    await switchToOrganization(kitchen, { returnTo: "/board", revalidationStrategy: "none" });
  }
  return NextResponse.redirect(new URL("/board", process.env.NEXT_PUBLIC_WORKOS_REDIRECT_URI), 303);
}
