// ReadableStream, WritableStream, TransformStream: the parts programs use, in
// the order of events of https://streams.spec.whatwg.org/.
(function (lx) {
  "use strict";
  const { define, tag } = lx;
  const { Promise, TypeError, RangeError, Symbol, Uint8Array, ArrayBuffer, DOMException } = globalThis;

  const deferred = () => {
    const d = Promise.withResolvers();
    d.promise.catch(() => {});
    return d;
  };
  const sizeOf = (strategy) => strategy?.size ?? (() => 1);
  const highWater = (strategy, fallback) => {
    const n = strategy?.highWaterMark ?? fallback;
    if (!(Number(n) >= 0)) throw new RangeError("Invalid highWaterMark");
    return Number(n);
  };

  class ReadableStream {
    #state = "readable";
    #error;
    #queue = [];
    #size = 0;
    #waiting = []; // readers' deferreds, with their view if they brought one
    #reader = null;
    #source;
    #high;
    #measure;
    #pulling = false;
    #again = false;
    #started = false;
    #closing = false;
    #bytes;
    #controller;

    constructor(source = {}, strategy = {}) {
      this.#source = source ?? {};
      this.#bytes = this.#source.type === "bytes";
      this.#high = highWater(strategy, this.#bytes ? 0 : 1);
      this.#measure = this.#bytes ? (c) => c.byteLength : sizeOf(strategy);
      const stream = this;
      this.#controller = {
        get desiredSize() {
          return stream.#state === "errored" ? null : stream.#state === "closed" ? 0 : stream.#high - stream.#size;
        },
        get byobRequest() {
          return stream.#request();
        },
        enqueue: (chunk) => {
          if (stream.#state !== "readable" || stream.#closing) throw new TypeError("The stream is not in a state that permits enqueue");
          stream.#enqueue(chunk);
        },
        close: () => {
          if (stream.#state !== "readable" || stream.#closing) throw new TypeError("The stream is not in a state that permits close");
          stream.#closing = true;
          if (stream.#queue.length === 0) stream.#close();
        },
        error: (e) => stream.#fail(e),
      };
      const begun = this.#source.start?.(this.#controller);
      Promise.resolve(begun).then(
        () => {
          this.#started = true;
          this.#pull();
        },
        (e) => this.#fail(e),
      );
    }
    #enqueue(chunk) {
      const wait = this.#waiting.shift();
      if (wait) {
        wait.resolve({ value: wait.view ? this.#fill(wait.view, chunk) : chunk, done: false });
      } else {
        const size = this.#measure(chunk);
        this.#queue.push([chunk, size]);
        this.#size += size;
      }
      this.#pull();
    }
    // What a source of bytes may fill in place: the view of the read that waits longest.
    #request() {
      const wait = this.#waiting[0];
      if (!wait?.view) return null;
      const answer = (view, n) => {
        if (this.#waiting[0] !== wait) throw new TypeError("The request has been answered already");
        if (!(n >= 0 && n <= wait.view.byteLength) || (n === 0) !== this.#closing) throw new RangeError("The number of bytes is out of range");
        this.#waiting.shift();
        wait.resolve({ value: new Uint8Array(view.buffer, view.byteOffset, n), done: n === 0 });
        if (n > 0) this.#pull();
      };
      return {
        view: lx.view(wait.view),
        respond: (n) => answer(wait.view, n),
        respondWithNewView: (view) => answer(view, view.byteLength),
      };
    }
    // Copies into a view a reader brought; what does not fit stays.
    #fill(view, chunk) {
      const from = lx.view(chunk), to = lx.view(view);
      const n = Math.min(from.length, to.length);
      to.set(from.subarray(0, n));
      if (n < from.length) {
        this.#queue.unshift([from.slice(n), from.length - n]);
        this.#size += from.length - n;
      }
      return new Uint8Array(view.buffer, view.byteOffset, n);
    }
    #pull() {
      if (!this.#started || this.#state !== "readable" || this.#closing || !this.#source.pull) return;
      if (this.#waiting.length === 0 && this.#high - this.#size <= 0) return;
      if (this.#pulling) {
        this.#again = true;
        return;
      }
      this.#pulling = true;
      let p;
      try {
        p = Promise.resolve(this.#source.pull(this.#controller));
      } catch (e) {
        p = Promise.reject(e);
      }
      p.then(
        () => {
          this.#pulling = false;
          if (this.#again) {
            this.#again = false;
            this.#pull();
          }
        },
        (e) => this.#fail(e),
      );
    }
    #close() {
      if (this.#state !== "readable") return;
      this.#state = "closed";
      for (const w of this.#waiting.splice(0)) w.resolve({ value: w.view ? new Uint8Array(w.view.buffer, w.view.byteOffset, 0) : undefined, done: true });
      this.#reader?.ended.resolve();
    }
    #fail(e) {
      if (this.#state !== "readable") return;
      this.#state = "errored";
      this.#error = e;
      this.#queue = [];
      this.#size = 0;
      for (const w of this.#waiting.splice(0)) w.reject(e);
      this.#reader?.ended.reject(e);
    }
    #read(view) {
      if (this.#state === "errored") return Promise.reject(this.#error);
      if (this.#queue.length) {
        const [chunk, size] = this.#queue.shift();
        this.#size -= size;
        const value = view ? this.#fill(view, chunk) : chunk;
        if (this.#closing && this.#queue.length === 0) this.#close();
        else this.#pull();
        return Promise.resolve({ value, done: false });
      }
      if (this.#state === "closed") return Promise.resolve({ value: undefined, done: true });
      const d = Promise.withResolvers();
      d.view = view;
      this.#waiting.push(d);
      this.#pull();
      return d.promise;
    }
    async #cancel(reason) {
      if (this.#state === "closed") return;
      if (this.#state === "errored") throw this.#error;
      this.#queue = [];
      this.#size = 0;
      this.#close();
      await this.#source.cancel?.(reason);
    }
    get locked() {
      return this.#reader !== null;
    }
    cancel(reason) {
      if (this.locked) return Promise.reject(new TypeError("The stream is locked"));
      return this.#cancel(reason);
    }
    getReader(options) {
      return options?.mode === "byob" ? new ReadableStreamBYOBReader(this) : new ReadableStreamDefaultReader(this);
    }
    // For the readers: takes the lock and gives the ways in.
    static access(stream, reader) {
      if (stream.#reader) throw new TypeError("The stream is locked to a reader");
      stream.#reader = reader;
      if (stream.#state === "closed") reader.ended.resolve();
      if (stream.#state === "errored") reader.ended.reject(stream.#error);
      return {
        read: (view) => stream.#read(view),
        cancel: (reason) => stream.#cancel(reason),
        release() {
          stream.#reader = null;
          const e = new TypeError("The reader was released");
          for (const w of stream.#waiting.splice(0)) w.reject(e);
        },
        bytes: stream.#bytes,
      };
    }
    // Whether a chunk would be taken at once.
    static hungry(stream) {
      return stream.#waiting.length > 0 || stream.#high - stream.#size > 0;
    }
    async *#iterate(preventCancel) {
      const r = this.getReader();
      let done = false;
      try {
        for (;;) {
          const step = await r.read();
          if ((done = step.done)) return;
          yield step.value;
        }
      } catch (e) {
        done = true;
        throw e;
      } finally {
        if (!done && !preventCancel) await r.cancel();
        r.releaseLock();
      }
    }
    values(options) {
      return this.#iterate(options?.preventCancel);
    }
    [Symbol.asyncIterator]() {
      return this.#iterate();
    }
    tee() {
      const r = this.getReader();
      const controllers = [];
      const dead = [false, false];
      let reading = null;
      const pull = () =>
        (reading ??= r.read().then(
          ({ value, done }) => {
            reading = null;
            controllers.forEach((c, i) => {
              if (dead[i]) return;
              if (done) c.close();
              else c.enqueue(i === 1 && value instanceof Uint8Array ? value.slice() : value);
            });
          },
          (e) => controllers.forEach((c) => c.error(e)),
        ));
      const branch = (i) =>
        new ReadableStream({
          start: (c) => void (controllers[i] = c),
          pull,
          cancel(reason) {
            dead[i] = true;
            if (dead[0] && dead[1]) return r.cancel(reason);
          },
        });
      return [branch(0), branch(1)];
    }
    async pipeTo(dest, options = {}) {
      const r = this.getReader(), w = dest.getWriter();
      const { signal } = options;
      try {
        for (;;) {
          signal?.throwIfAborted();
          await w.ready;
          const { value, done } = await r.read();
          if (done) break;
          await w.write(value);
        }
        if (!options.preventClose) await w.close();
      } catch (e) {
        if (!options.preventAbort) await w.abort(e).catch(() => {});
        if (!options.preventCancel) await r.cancel(e).catch(() => {});
        throw e;
      } finally {
        r.releaseLock();
        w.releaseLock();
      }
    }
    pipeThrough({ readable, writable }, options) {
      this.pipeTo(writable, options).catch(() => {});
      return readable;
    }
    static from(iterable) {
      const it = (iterable[Symbol.asyncIterator] ?? iterable[Symbol.iterator]).call(iterable);
      return new ReadableStream({
        async pull(c) {
          const { value, done } = await it.next();
          if (done) c.close();
          else c.enqueue(await value);
        },
        cancel: (reason) => it.return?.(reason),
      }, { highWaterMark: 0 });
    }
  }
  const { access, hungry } = ReadableStream;
  delete ReadableStream.access;
  delete ReadableStream.hungry;

  class Reader {
    #way;
    constructor(stream, ended) {
      if (!(stream instanceof ReadableStream)) throw new TypeError("A ReadableStream is required");
      this.#way = access(stream, { ended });
      this.#ended = ended;
    }
    #ended;
    get closed() {
      return this.#ended.promise;
    }
    cancel(reason) {
      return this.#way ? this.#way.cancel(reason) : Promise.reject(new TypeError("The reader was released"));
    }
    releaseLock() {
      this.#way?.release();
      this.#way = null;
    }
    static way(r) {
      return r.#way;
    }
  }
  const { way } = Reader;
  delete Reader.way;
  class ReadableStreamDefaultReader extends Reader {
    constructor(stream) {
      super(stream, deferred());
    }
    read() {
      return way(this)?.read() ?? Promise.reject(new TypeError("The reader was released"));
    }
  }
  class ReadableStreamBYOBReader extends Reader {
    constructor(stream) {
      super(stream, deferred());
      if (!way(this).bytes) {
        this.releaseLock();
        throw new TypeError("The stream is not a byte stream");
      }
    }
    read(view) {
      if (!ArrayBuffer.isView(view) || view.byteLength === 0) return Promise.reject(new TypeError("A view with room is required"));
      return way(this)?.read(view) ?? Promise.reject(new TypeError("The reader was released"));
    }
  }

  class WritableStream {
    #sink;
    #state = "writable";
    #error;
    #high;
    #measure;
    #waiting = 0;
    #last; // the operation all later ones wait for
    #writer = null;
    #abort = new AbortController();
    #controller;
    constructor(sink = {}, strategy = {}) {
      this.#sink = sink ?? {};
      this.#high = highWater(strategy, 1);
      this.#measure = sizeOf(strategy);
      this.#controller = { signal: this.#abort.signal, error: (e) => this.#fail(e) };
      this.#last = Promise.resolve(this.#sink.start?.(this.#controller)).catch((e) => this.#fail(e));
    }
    #fail(e) {
      if (this.#state === "errored" || this.#state === "closed") return;
      this.#state = "errored";
      this.#error = e;
      this.#writer?.closed.reject(e);
      this.#writer?.ready.reject(e);
    }
    #do(f, weight) {
      if (this.#state === "errored") return Promise.reject(this.#error);
      if (this.#state !== "writable") return Promise.reject(new TypeError("The stream is closing or closed"));
      this.#waiting += weight;
      if (this.#waiting >= this.#high && this.#writer) this.#writer.ready = deferred();
      const p = this.#last.then(async () => {
        if (this.#state === "errored") throw this.#error;
        await f();
      });
      this.#last = p.then(
        () => {
          this.#waiting -= weight;
          if (this.#waiting < this.#high) this.#writer?.ready.resolve();
        },
        (e) => this.#fail(e),
      );
      return p;
    }
    get locked() {
      return this.#writer !== null;
    }
    getWriter() {
      return new WritableStreamDefaultWriter(this);
    }
    abort(reason) {
      if (this.locked) return Promise.reject(new TypeError("The stream is locked"));
      return this.#abortNow(reason);
    }
    async #abortNow(reason) {
      if (this.#state === "closed" || this.#state === "errored") return;
      this.#abort.abort(reason);
      this.#fail(reason);
      await this.#sink.abort?.(reason);
    }
    close() {
      if (this.locked) return Promise.reject(new TypeError("The stream is locked"));
      return this.#close();
    }
    #close() {
      const p = this.#do(() => this.#sink.close?.(), 0);
      if (this.#state === "writable") this.#state = "closing";
      return p.then(() => {
        this.#state = "closed";
        this.#writer?.closed.resolve();
      });
    }
    static access(stream, writer) {
      if (stream.#writer) throw new TypeError("The stream is locked to a writer");
      stream.#writer = writer;
      if (stream.#state === "closed") writer.closed.resolve();
      if (stream.#state === "errored") {
        writer.closed.reject(stream.#error);
        writer.ready.reject(stream.#error);
      } else if (stream.#waiting < stream.#high) {
        writer.ready.resolve();
      }
      return {
        write: (chunk) => stream.#do(() => stream.#sink.write?.(chunk, stream.#controller), stream.#measure(chunk)),
        close: () => stream.#close(),
        abort: (reason) => stream.#abortNow(reason),
        release: () => void (stream.#writer = null),
        size: () => (stream.#state === "errored" ? null : stream.#high - stream.#waiting),
      };
    }
  }
  const open = WritableStream.access;
  delete WritableStream.access;
  class WritableStreamDefaultWriter {
    #mine = { closed: deferred(), ready: deferred() };
    #way;
    constructor(stream) {
      this.#way = open(stream, this.#mine);
    }
    get closed() { return this.#mine.closed.promise; }
    get ready() { return this.#mine.ready.promise; }
    get desiredSize() { return this.#way.size(); }
    write(chunk) { return this.#way.write(chunk); }
    close() { return this.#way.close(); }
    abort(reason) { return this.#way.abort(reason); }
    releaseLock() { this.#way.release(); }
  }

  class TransformStream {
    constructor(transformer = {}, writableStrategy = {}, readableStrategy = { highWaterMark: 0 }) {
      let out;
      // Writes wait while the readable side is full. A pull ends only when it is
      // full again, so that the next one is not lost.
      let full = true;
      let change = deferred();
      const setFull = (value) => {
        if (full === value) return;
        full = value;
        change.resolve();
        change = deferred();
      };
      const controller = {
        get desiredSize() {
          return out.desiredSize;
        },
        enqueue: (chunk) => {
          out.enqueue(chunk);
          if (!hungry(this.readable)) setFull(true);
        },
        error: (e) => out.error(e),
        terminate: () => {
          out.close();
          stop?.error(new TypeError("The stream was terminated"));
          setFull(false);
        },
      };
      let stop; // the writable side's controller
      this.readable = new ReadableStream({
        start: (c) => void (out = c),
        pull: () => {
          setFull(false);
          return change.promise;
        },
        cancel: (reason) => {
          stop?.error(reason);
          setFull(false);
          return transformer.cancel?.(reason);
        },
      }, readableStrategy);
      this.writable = new WritableStream({
        start: (c) => {
          stop = c;
          return transformer.start?.(controller);
        },
        async write(chunk) {
          while (full) await change.promise;
          try {
            if (transformer.transform) await transformer.transform(chunk, controller);
            else controller.enqueue(chunk);
          } catch (e) {
            out.error(e);
            throw e;
          }
        },
        async close() {
          try {
            await transformer.flush?.(controller);
            out.close();
          } catch (e) {
            out.error(e);
            throw e;
          }
        },
        abort: async (reason) => {
          out.error(reason);
          await transformer.cancel?.(reason);
        },
      }, writableStrategy);
    }
  }

  class TextEncoderStream extends TransformStream {
    constructor() {
      const e = new TextEncoder();
      super({ transform: (chunk, c) => c.enqueue(e.encode(chunk)) });
    }
    get encoding() {
      return "utf-8";
    }
  }
  class TextDecoderStream extends TransformStream {
    constructor(label, options) {
      const d = new TextDecoder(label, options);
      super({
        transform(chunk, c) {
          const s = d.decode(chunk, { stream: true });
          if (s) c.enqueue(s);
        },
        flush(c) {
          const s = d.decode();
          if (s) c.enqueue(s);
        },
      });
    }
  }
  class CountQueuingStrategy {
    constructor({ highWaterMark }) {
      this.highWaterMark = highWaterMark;
    }
    size() {
      return 1;
    }
  }
  class ByteLengthQueuingStrategy {
    constructor({ highWaterMark }) {
      this.highWaterMark = highWaterMark;
    }
    size(chunk) {
      return chunk.byteLength;
    }
  }
  for (const c of [ReadableStream, ReadableStreamDefaultReader, ReadableStreamBYOBReader, WritableStream,
    WritableStreamDefaultWriter, TransformStream, TextEncoderStream, TextDecoderStream, CountQueuingStrategy,
    ByteLengthQueuingStrategy]) {
    tag(c);
    define(c.name, c);
  }
})
