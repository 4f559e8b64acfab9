"use client";

import { useAccessToken } from "@workos-inc/authkit-nextjs/components";
import { useEffect } from "react";

/**
 * Renews the access token before it ends, however long the window just stands there. The package does so when
 * the window is woken or a page is loaded; a board that hangs in the kitchen is neither.
 */
export function FreshToken() {
  const { getAccessToken } = useAccessToken();
  useEffect(() => {
    // The package renews a token in its last thirty seconds.
    const timer = setInterval(() => getAccessToken().catch(() => {}), 10_000);
    return () => clearInterval(timer);
  }, [getAccessToken]);
  return null;
}
