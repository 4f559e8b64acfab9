import type { AuthConfig } from "convex/server";

declare const process: { env: Record<string, string | undefined> };

export default {
  providers: [
    {
      type: "customJwt",
      applicationID: "own",
      issuer: process.env.CONVEX_CLOUD_URL!,
      jwks: process.env.CONVEX_CLOUD_URL! + "/.well-known/jwks.json",
      algorithm: "ES256",
    },
  ],
} satisfies AuthConfig;
