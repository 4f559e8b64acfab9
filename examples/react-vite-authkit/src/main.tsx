import { ConvexProviderWithAuthKit } from "@convex-dev/workos";
import { AuthKitProvider, useAuth } from "@workos-inc/authkit-react";
import { ConvexReactClient } from "convex/react";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./App";
import "./style.css";

const env = import.meta.env;
const convex = new ConvexReactClient(env.VITE_CONVEX_URL);

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <AuthKitProvider
      clientId={env.VITE_WORKOS_CLIENT_ID}
      redirectUri={env.VITE_WORKOS_REDIRECT_URI}
      // Where the sign-in service is. Without these three lines the client
      // talks to api.workos.com; with them, to the address in .env.local.
      apiHostname={env.VITE_WORKOS_API_HOSTNAME}
      port={env.VITE_WORKOS_API_PORT ? Number(env.VITE_WORKOS_API_PORT) : undefined}
      https={env.VITE_WORKOS_API_HTTPS !== "false"}
    >
      <ConvexProviderWithAuthKit client={convex} useAuth={useAuth}>
        <App />
      </ConvexProviderWithAuthKit>
    </AuthKitProvider>
  </StrictMode>,
);
