// Convex.jsSyscall: requests and responses of HTTP actions, and stored files of
// actions. Bodies travel in pieces, as fast as the other side takes them.
(function (lx) {
  "use strict";
  const { native, hooks, registry, takeBody } = lx;
  const { JSON: { parse, stringify }, Error, TypeError, AbortController, Blob, ReadableStream, Request, Response, Uint8Array,
    Object: { defineProperty, getOwnPropertyDescriptor } } = globalThis;
  const { bytes: blobBytes } = Blob.prototype;
  const getHeaders = getOwnPropertyDescriptor(Response.prototype, "headers").get;
  const getStatus = getOwnPropertyDescriptor(Response.prototype, "status").get;

  const ask = (op, args = {}, body) => native.asyncHost(op, stringify(args), body)[0];

  let answer = null; // the body of the response that was made last: bytes, a stream, or null

  const readRequest = ({ convexJson: { url, headerPairs, method, streamId } }) => {
    const body = streamId === null || streamId === undefined ? null : new ReadableStream({
      type: "bytes",
      async pull(c) {
        const b = await ask("http/read");
        if (b === undefined) c.close();
        else c.enqueue(b);
      },
    });
    const request = new Request(url, { method, headers: headerPairs, body });
    // Whoever looks at the signal wants to know when the client leaves; nobody else waits for that.
    let gone = null;
    defineProperty(request, "signal", {
      get() {
        if (gone === null) {
          gone = new AbortController();
          ask("http/gone").then(() => gone.abort(), () => {});
        }
        return gone.signal;
      },
      configurable: true,
    });
    return request;
  };

  const readResponse = ({ response }) => {
    if (!(response instanceof Response)) throw new Error("HTTP actions must return a Response");
    answer = takeBody(response);
    return { headerPairs: [...getHeaders.call(response)], status: getStatus.call(response), streamId: answer === null ? null : "0" };
  };

  const storeBlob = async ({ blob, options }) => {
    if (!(blob instanceof Blob)) {
      throw new Error("store() expects a Blob. If you are trying to store a Request, `await request.blob()` will give you the correct input.");
    }
    return parse(await ask("storage/storeBlob", { contentType: blob.type, sha256: options?.sha256 }, await blobBytes.call(blob)));
  };
  const getBlob = async ({ storageId }) => {
    const found = parse(await ask("storage/getBlob", { storageId }));
    if (found === null) return null;
    return new Blob([await ask("storage/readBlob", { storageId })], { type: found.contentType ?? "" });
  };

  globalThis.Convex.jsSyscall = (op, args) => {
    switch (op) {
      case "requestFromConvexJson":
        return readRequest(args);
      case "convexJsonFromResponse":
        return readResponse(args);
      case "storage/storeBlob":
        lx.actionOnly("storage.store()");
        return storeBlob(args);
      case "storage/getBlob":
        lx.actionOnly("storage.get()");
        return getBlob(args);
    }
    throw new Error(`Unknown operation ${op}`);
  };

  const piece = 1 << 18; // of a body that is there as a whole
  // http(request, path): has the router of http.js answer, and sends what it gives.
  hooks.http = async (request, path) => {
    const router = registry["http.js"]?.default;
    if (typeof router !== "object" || router === null || router.isRouter !== true) {
      throw new Error("The default export of http.js is not a router made with httpRouter().");
    }
    const match = router.lookup(path, parse(request).method);
    if (match === null || match === undefined) return "none";
    await ask("http/route", { method: match[1], path: match[2] });
    const head = parse(await router.runRequest(request, path));
    const body = head.streamId === null ? null : answer;
    if (body === null || body instanceof Uint8Array) {
      await ask("http/head", { ...head, length: body === null ? 0 : body.length });
      for (let at = 0; body !== null && at < body.length; at += piece) await ask("http/write", {}, body.subarray(at, at + piece));
      return "done";
    }
    await ask("http/head", { ...head, length: -1 });
    const reader = body.getReader();
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return "done";
      if (!(value instanceof Uint8Array)) throw new TypeError("The response's body must consist of Uint8Arrays");
      try {
        await ask("http/write", {}, value);
      } catch (e) {
        await reader.cancel(e);
        throw e;
      }
    }
  };
})
