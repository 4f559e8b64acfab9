"use client";

import { useAccessToken, useAuth } from "@workos-inc/authkit-nextjs/components";

/** What the browser's side of the package knows. */
export function Client() {
  const { user, loading, organizationId, refreshAuth } = useAuth();
  const { accessToken } = useAccessToken();
  if (loading) {
    return <p>Loading</p>;
  }
  return (
    <section>
      <p data-testid="client-user">{user ? user.email : "nobody"}</p>
      <p data-testid="client-organization">{organizationId ?? "none"}</p>
      <p data-testid="client-token">{accessToken ? "has a token" : "no token"}</p>
      <button onClick={() => refreshAuth()}>Refresh</button>
    </section>
  );
}
