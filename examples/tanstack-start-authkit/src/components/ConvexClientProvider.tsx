import { AuthKitProvider, useAccessToken, useAuth, type AuthKitProviderProps } from "@workos/authkit-tanstack-react-start/client";
import { ConvexProviderWithAuth, ConvexReactClient } from "convex/react";
import { useCallback, useMemo, type ReactNode } from "react";

const convex = new ConvexReactClient(import.meta.env.VITE_CONVEX_URL);

/** Who is signed in, as the server knows already, and the live connection in their name. */
export function ConvexClientProvider({ auth, children }: { auth: AuthKitProviderProps["initialAuth"]; children: ReactNode }) {
  return (
    <AuthKitProvider initialAuth={auth}>
      <ConvexProviderWithAuth client={convex} useAuth={useAuthFromAuthKit}>
        {children}
      </ConvexProviderWithAuth>
    </AuthKitProvider>
  );
}

function useAuthFromAuthKit() {
  const { user, loading } = useAuth();
  const { getAccessToken, refresh } = useAccessToken();
  const fetchAccessToken = useCallback(
    async ({ forceRefreshToken }: { forceRefreshToken: boolean }) =>
      (await (forceRefreshToken ? refresh() : getAccessToken())) ?? null,
    [getAccessToken, refresh],
  );
  return useMemo(
    () => ({ isLoading: loading, isAuthenticated: user !== null, fetchAccessToken }),
    [loading, user !== null, fetchAccessToken],
  );
}
