import { withAuth } from "@workos-inc/authkit-nextjs";

export default async function Protected() {
  const { user, role, permissions, organizationId } = await withAuth({ ensureSignedIn: true });
  return (
    <main>
      <h1>Only for {user.email}</h1>
      <p data-testid="claims">{JSON.stringify({ role, permissions, organizationId })}</p>
    </main>
  );
}
