import { tanstackStart } from "@tanstack/react-start/plugin/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// The port is part of the redirect URI that convex.json registers, so a taken port
// is an error rather than a silent move.
export default defineConfig({
  plugins: [tanstackStart(), react()],
  server: { host: "localhost", strictPort: true },
  preview: { host: "localhost", strictPort: true },
});
