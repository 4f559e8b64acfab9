// Bundles what a page needs with esbuild, and serves it together with a document.
import { build } from "esbuild";
import { createServer } from "node:http";

/** Bundles a file for the browser; gives the text. */
export async function bundle(entry, options = {}) {
  const result = await build({ entryPoints: [entry], bundle: true, write: false, format: "esm", jsx: "automatic", define: { "process.env.NODE_ENV": '"production"' }, logLevel: "silent", ...options });
  return result.outputFiles[0].text;
}

/** Serves /app.js, and for every other path what `body` gives. */
export async function serve(script, body = () => '<div id="root"></div>') {
  const server = createServer(async (request, response) => {
    if (request.url === "/app.js") {
      response.setHeader("Content-Type", "text/javascript");
      return response.end(script);
    }
    response.setHeader("Content-Type", "text/html; charset=utf-8");
    response.end(`<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">${await body(request)}<script type="module" src="/app.js"></script>`);
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    close: () =>
      new Promise((done) => {
        server.closeAllConnections();
        server.close(done);
      }),
  };
}
