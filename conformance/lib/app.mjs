// The document's React app from examples/, pushed by the official CLI and served by Vite.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { root, scratchApp, until } from "./lentil.mjs";

export const reactExample = join(root, "examples", "react-vite-authkit");

export function scratchReactApp() {
  return scratchApp(reactExample);
}

/** Vite's development server for an app folder. */
export async function serveVite(dir, port, extra = []) {
  const child = spawn(
    process.execPath,
    [join(dir, "node_modules", "vite", "bin", "vite.js"), "--port", String(port), "--strictPort", "--clearScreen", "false", ...extra],
    { cwd: dir, stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, NO_COLOR: "1" } },
  );
  let log = "";
  child.stdout.on("data", (chunk) => (log += chunk));
  child.stderr.on("data", (chunk) => (log += chunk));
  const url = `http://localhost:${port}`;
  await until("vite", async () => {
    if (child.exitCode !== null) {
      throw new Error(`vite ended with ${child.exitCode}: ${log}`);
    }
    return (await fetch(url)).ok;
  });
  return {
    url,
    stop: () =>
      new Promise((done) => {
        child.once("exit", done);
        child.kill("SIGTERM");
      }),
  };
}
