// Holds answers of the house against the public description of the WorkOS API: the same data and the same rules as
// internal/wire/workos/contract, whose doc.go explains the notation.
import { readFileSync } from "node:fs";
import { createServer, request } from "node:http";
import { join } from "node:path";
import { root } from "./lentil.mjs";

const contract = JSON.parse(readFileSync(join(root, "internal", "wire", "workos", "contract", "contract.json"), "utf8"));
const anywhere = [304, 401, 413, 415, 429, 501, 503];
const timestamp = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const bodiless = (status) => [200, 202, 204].includes(status);

const operations = Object.entries(contract.operations).map(([name, o]) => ({ name, ...o, segments: o.path.split("/").filter(Boolean) }));

/** The names of all operations. */
export const names = operations.map((o) => o.name);

/** The operation of a request, by method and path; undefined if it is none. */
export function find(method, path) {
  const got = path.split("?")[0].split("/").filter(Boolean);
  let best, most = -1;
  for (const o of operations) {
    if (o.method !== method || o.segments.length !== got.length) {
      continue;
    }
    let score = 0;
    for (const [i, s] of o.segments.entries()) {
      score = s === got[i] ? score * 2 + 1 : s.startsWith("{") ? score * 2 : NaN;
    }
    if (score > most) {
      [best, most] = [o, score];
    }
  }
  return best?.name;
}

/** What is wrong with an answer to an operation, a line each; nothing is wrong with an answer that is as described. */
export function check(operation, status, text) {
  const o = contract.operations[operation];
  const listed = String(status) in o.answers;
  const shape = o.answers[status];
  if (status >= 500 && !anywhere.includes(status)) {
    return [`answers ${status} ${text.slice(0, 200)}`];
  }
  if (status >= 400) {
    return o.answers[302] === null ? [] : refusal(status, listed, shape, text);
  }
  if (status >= 300) {
    return listed || anywhere.includes(status) ? [] : [`answers ${status}, which is not listed`];
  }
  if (!listed) {
    const done = bodiless(status) && text === "" && Object.entries(o.answers).some(([s, a]) => a === null && bodiless(Number(s)));
    return done ? [] : [`answers ${status}, listed are ${Object.keys(o.answers)}`];
  }
  if (shape === null) {
    return status === 204 && text !== "" ? ["has a body where the description has none"] : [];
  }
  return checkShape(shape, text);
}

function refusal(status, listed, shape, text) {
  if (text === "" && listed && shape === null) {
    return [];
  }
  let body;
  try {
    body = JSON.parse(text);
  } catch {
    return [`answers ${status} with ${JSON.stringify(text.slice(0, 120))}, which is no error body`];
  }
  if (typeof body?.message !== "string" && typeof body?.error !== "string") {
    return [`answers ${status} without message or error: ${text.slice(0, 200)}`];
  }
  return listed && shape === "#Error" ? checkShape(shape, text) : [];
}

function checkShape(shape, text) {
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    return [`${JSON.stringify(text.slice(0, 80))} is not JSON`];
  }
  return look(value, shape, "").map(([at, , problem]) => (at ? `${at}: ${problem}` : problem));
}

/** What contract.excused excuses: browsers keep the refresh token in a cookie. */
function excuse(operation, cookie, problems) {
  return problems.filter((p) => !(operation === "authenticate" && p === "lacks the member refresh_token" && cookie));
}

/** An event, as lists and webhooks show it. */
export function checkEvent(value) {
  return look(value, "#EventSchema", "").map(([at, , problem]) => `${at}: ${problem}`);
}

const kinds = {
  str: (v) => typeof v === "string",
  int: (v) => Number.isInteger(v),
  num: (v) => typeof v === "number",
  bool: (v) => typeof v === "boolean",
  ts: (v) => typeof v === "string" && timestamp.test(v) && !Number.isNaN(Date.parse(v)),
  null: (v) => v === null,
  object: (v) => v !== null && typeof v === "object" && !Array.isArray(v),
  any: () => true,
};

/** What is wrong with a value: [where, how badly, what]. */
function look(v, s, at) {
  const wrong = (weight, problem) => [[at, weight, problem]];
  const is = (what) => `is ${JSON.stringify(v)?.slice(0, 80)}, not ${what}`;
  const below = (name) => (at ? `${at}.${name}` : name);
  if (typeof s === "boolean") {
    return v === s ? [] : wrong(50, is(s));
  }
  if (typeof s === "string") {
    if (s.startsWith("=")) {
      return v === s.slice(1) ? [] : wrong(50, is(s.slice(1)));
    }
    if (s.includes("|")) {
      return nearest(v, s.split("|"), at);
    }
    if (s.startsWith("#")) {
      return look(v, contract.types[s.slice(1)], at);
    }
    return kinds[s](v) ? [] : wrong(3, is(`of the kind ${s}`));
  }
  if (Array.isArray(s)) {
    return s.includes(v) ? [] : wrong(2, is(`one of ${s.join(", ").slice(0, 200)}`));
  }
  if (s.any) {
    return nearest(v, s.any, at);
  }
  if (s.all) {
    return s.all.flatMap((part) => look(v, part, at));
  }
  if (s.text) {
    const long = typeof v === "string" ? [...v].length : -1;
    return long >= (s.text.min ?? 0) && long <= (s.text.max ?? Infinity) && (!s.text.pattern || new RegExp(s.text.pattern).test(v)) ? [] : wrong(3, is("such a text"));
  }
  if (s.number) {
    return typeof v === "number" && v >= (s.number.min ?? -Infinity) && v <= (s.number.max ?? Infinity) ? [] : wrong(3, is("such a number"));
  }
  if (s.list) {
    if (!Array.isArray(v)) {
      return wrong(3, is("a list"));
    }
    const bounds = v.length < (s.min ?? 0) || v.length > (s.max ?? Infinity) ? wrong(1, `has ${v.length} items`) : [];
    return bounds.concat(v.flatMap((item, i) => look(item, s.list, `${at}[${i}]`)));
  }
  if (!kinds.object(v)) {
    return wrong(3, is("an object"));
  }
  if (s.map) {
    return Object.entries(v).flatMap(([name, value]) => look(value, s.map, below(name)));
  }
  if (s.event) {
    const envelope = { object: "=event", id: "str", event: "str", created_at: "ts", data: "object", "context?": s.event };
    const data = contract.events[v.event];
    return look(v, { object: envelope }, at).concat(data === undefined ? [[below("event"), 1, `${v.event} is no event`]] : look(v.data, data, below("data")));
  }
  return Object.entries(s.object).flatMap(([written, shape]) => {
    const name = written.replace(/\?$/, "");
    if (name in v) {
      return look(v[name], shape, below(name));
    }
    return written === name ? wrong(2, `lacks the member ${name}`) : [];
  });
}

function nearest(v, alternatives, at) {
  let best;
  for (const s of alternatives) {
    const found = look(v, s, at);
    const weight = found.reduce((sum, [, w]) => sum + w, 0);
    if (best === undefined || weight < best.weight) {
      best = { found, weight };
    }
    if (weight === 0) {
      break;
    }
  }
  return best.found;
}

/**
 * Watches what passes between clients and a house: `fetch` is for clients that take one, and stands in for the global one
 * until `stop`. `calls` has an entry per answer, `wrong` a line per answer that is not as described.
 */
export function watch(base) {
  const real = globalThis.fetch;
  const seen = { calls: [], wrong: [] };
  seen.fetch = async (input, init) => {
    const request = new Request(input, init);
    const method = request.method;
    const answer = await real(input, init);
    const url = new URL(request.url);
    if (url.origin !== new URL(base).origin) {
      return answer;
    }
    const text = await answer.clone().text();
    const operation = find(method, url.pathname);
    const call = { method, path: url.pathname, status: answer.status, text, operation, problems: operation ? check(operation, answer.status, text) : [] };
    if (!operation && answer.status >= 500 && !anywhere.includes(answer.status)) {
      call.problems.push(`answers ${answer.status} ${text.slice(0, 200)}`);
    }
    call.problems = excuse(operation, answer.headers.get("set-cookie"), call.problems);
    seen.calls.push(call);
    seen.wrong.push(...call.problems.map((p) => `${method} ${url.pathname} (${operation}) ${answer.status}: ${p}`));
    return answer;
  };
  globalThis.fetch = seen.fetch;
  seen.stop = () => (globalThis.fetch = real);
  return seen;
}

/**
 * A way to a house for clients in other processes: passes everything on as it is, and holds each answer against the
 * description. `wrong` has a line per answer that is not as described, `calls` the operations that were asked for.
 */
export async function judgingProxy(base) {
  const to = new URL(base);
  const seen = { calls: [], wrong: [] };
  const server = createServer((from, back) => {
    const body = [];
    const onward = request({ host: to.hostname, port: to.port, method: from.method, path: from.url, headers: { ...from.headers, host: to.host } }, (answer) => {
      back.writeHead(answer.statusCode, answer.rawHeaders);
      answer.on("data", (chunk) => (body.push(chunk), back.write(chunk)));
      answer.on("end", () => {
        back.end();
        const operation = find(from.method, from.url);
        if (operation) {
          seen.calls.push(operation);
          const problems = excuse(operation, answer.headers["set-cookie"], check(operation, answer.statusCode, Buffer.concat(body).toString()));
          seen.wrong.push(...problems.map((p) => `${from.method} ${from.url} (${operation}) ${answer.statusCode}: ${p}`));
        }
      });
    });
    onward.on("error", (error) => (back.writeHead(502), back.end(String(error))));
    from.pipe(onward);
  });
  server.keepAliveTimeout = 0; // or a connection would end just when a request comes by it
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  seen.port = server.address().port;
  seen.close = () => new Promise((done) => (server.closeAllConnections(), server.close(done)));
  return seen;
}

/** What was not as described among the answers that pages got, since the last look. The runner fails a scenario for them. */
const breaches = [];
export const takeBreaches = () => breaches.splice(0);

/** Holds what the pages of a browser's context get from the API against the description. */
export function judgePage(context) {
  context.on("response", async (response) => {
    const [method, { pathname }] = [response.request().method(), new URL(response.url())];
    const operation = /^\/(user_management|sso)\//.test(pathname) ? find(method, pathname) : undefined;
    if (!operation || response.status() >= 300 || response.headers()["x-lentil-error-hook"]) {
      return; // refusals are the scenario's own, redirects have no body
    }
    let text;
    try {
      text = await response.text();
    } catch {
      return; // the page went on before its body was kept
    }
    const headers = await response.allHeaders().catch(() => ({}));
    breaches.push(...excuse(operation, headers["set-cookie"], check(operation, response.status(), text)).map((p) => `${method} ${pathname} (${operation}) ${response.status()}: ${p}`));
  });
}
