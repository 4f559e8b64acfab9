import { tanstackStart } from "@tanstack/react-start/plugin/vite";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

// The port is part of the redirect URI that convex.json registers, so a taken port
// is an error rather than a silent move.
export default defineConfig({
  plugins: [everyCookie(), tanstackStart(), react()],
  server: { host: "localhost", strictPort: true },
  preview: { host: "localhost", strictPort: true },
});

/**
 * Node.js before 22 sends only the last of several cookies if another header was set before them, which the dev server
 * does: the session's cookie would be lost, and the sign-in begin again, in circles. Not needed from Node.js 22 on.
 */
function everyCookie(): Plugin {
  return {
    name: "every-cookie",
    configureServer({ middlewares }) {
      middlewares.use((_request, response, next) => {
        const { writeHead } = response;
        response.writeHead = ((...args: unknown[]) => {
          const headers = args.at(-1);
          if (Array.isArray(headers)) {
            const others: unknown[] = []; // names and values in turn
            for (let i = 0; i + 1 < headers.length; i += 2) {
              if (String(headers[i]).toLowerCase() === "set-cookie") {
                response.appendHeader("Set-Cookie", headers[i + 1]);
              } else {
                others.push(headers[i], headers[i + 1]);
              }
            }
            args[args.length - 1] = others;
          }
          return Reflect.apply(writeHead, response, args);
        }) as typeof writeHead;
        next();
      });
    },
  };
}
