import { withAuth } from "@workos-inc/authkit-nextjs";

export async function GET() {
  const { user, sessionId, accessToken, organizationId, role, permissions, impersonator } = await withAuth();
  return Response.json({
    email: user?.email ?? null, sessionId: sessionId ?? null, accessToken: accessToken ?? null, organizationId: organizationId ?? null,
    role: role ?? null, permissions: permissions ?? null, impersonator: impersonator ?? null,
  });
}
