// A service outside of the house that functions call: it records requests and answers as the scenario wants.
import { createServer } from "node:http";

export async function outside(answer) {
  const requests = [];
  const server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) {
      chunks.push(chunk);
    }
    const seen = { method: request.method, url: request.url, headers: request.headers, body: Buffer.concat(chunks) };
    requests.push(seen);
    await answer(seen, response, request);
  });
  server.keepAliveTimeout = 0; // or a connection would end just when a request comes by it
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    requests,
    close: () =>
      new Promise((done) => {
        server.closeAllConnections();
        server.close(done);
      }),
  };
}
