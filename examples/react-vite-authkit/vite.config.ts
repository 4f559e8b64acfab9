import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// The port is part of the redirect URI and of the CORS origin that convex.json
// registers, so a taken port is an error rather than a silent move.
export default defineConfig({
  plugins: [react()],
  server: { host: "localhost", port: 5173, strictPort: true },
});
