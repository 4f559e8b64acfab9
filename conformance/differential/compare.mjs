// Runs one program against two sides, step by step, and tells where they differ.
import { anyApi as api } from "convex/server";
import { ConvexError, convexToJson } from "convex/values";
import { fill } from "./interpreter.js";

const functions = api.interpreter;

/** One side: how functions are called there, and which id each slot has. */
export class Side {
  constructor(name, call, settle) {
    Object.assign(this, { name, call, settle, slots: {}, names: new Map() });
  }

  /** Calls a function and gives what both sides must agree on. */
  async outcome(kind, path, args) {
    let value;
    try {
      value = await this.call(kind, path, args);
    } catch (error) {
      // The words differ; that it failed, and the data of ConvexErrors, must not.
      this.lastError = String(error.message);
      return error instanceof ConvexError ? { failed: this.canonical(error.data) } : { failed: true };
    }
    return { value };
  }

  async interpret(kind, ops) {
    const out = await this.outcome(kind, functions[kind], { ops, slots: this.slots });
    if (out.value === undefined) {
      return { out };
    }
    for (const [name, id] of Object.entries(out.value.slots)) {
      this.slots[name] = id;
      this.names.set(id, name);
    }
    return { out: { results: this.canonical(out.value.results) }, raw: out.value.results };
  }

  /** A value with ids named by their slots, and without creation times, as text. */
  canonical(value) {
    return JSON.stringify(this.#named(convexToJson(value ?? null)));
  }

  #named(json) {
    if (typeof json === "string") {
      return this.names.get(json) ?? json;
    }
    if (Array.isArray(json)) {
      return json.map((v) => this.#named(v));
    }
    if (json !== null && typeof json === "object") {
      const all = Object.entries(json).filter(([name]) => name !== "_creationTime");
      return Object.fromEntries(all.map(([name, v]) => [name, this.#named(v)]).sort(([a], [b]) => (a < b ? -1 : 1)));
    }
    return json;
  }

  async step(step) {
    switch (step.fn) {
      case "mutation":
      case "query":
      case "action": {
        const { out } = await this.interpret(step.fn, step.ops);
        if (step.wait) {
          await this.settle();
        }
        return [out];
      }
      case "pages":
        return await this.pages(step);
      default: {
        const [module, name] = step.fn.split(":");
        const out = await this.outcome(step.kind, api[module][name], fill(step.args, this.slots));
        return [out.value === undefined ? out : { value: this.canonical(out.value) }];
      }
    }
  }

  /** All pages of a query, with writes after the first unless it is the last. Whether a last page that is full is the end is not compared. */
  async pages({ source, n, between }) {
    const seen = [];
    let cursor = null;
    const all = await this.interpret("query", [{ op: "collect", ...source }]);
    const several = all.raw !== undefined && all.raw[0].length > n;
    for (let i = 0; i < 50; i++) {
      const { out, raw } = await this.interpret("query", [{ op: "paginate", n, cursor, ...source }]);
      if (raw === undefined) {
        return [...seen, out];
      }
      const [{ page, isDone, continueCursor }] = raw;
      if (page.length > 0) {
        seen.push(this.canonical(page));
      }
      if (isDone) {
        break;
      }
      cursor = continueCursor;
      if (i === 0 && several && between.length > 0) {
        seen.push((await this.interpret("mutation", between)).out);
      }
    }
    return seen;
  }

  async dump(tables) {
    const out = await this.outcome("query", functions.dump, { tables });
    // Documents of scheduled functions come without a slot: they are named in the order of their creation.
    for (const row of Object.values(out.value).flat().sort((a, b) => a._creationTime - b._creationTime)) {
      if (!this.names.has(row._id)) {
        this.names.set(row._id, `unnamed ${this.names.size}`);
      }
    }
    return Object.entries(out.value).map(([name, rows]) => {
      const times = rows.map((row) => row._creationTime);
      const rising = times.every((t, i) => i === 0 || t > times[i - 1]);
      return `${name}${rising ? "" : " (creation times do not rise)"}: ${this.canonical(rows)}`;
    });
  }
}

/** Undefined when both agree all along; else what differed, and where. */
export async function difference(program, tables, a, b) {
  for (const [i, step] of program.entries()) {
    const [x, y] = [await a.step(step), await b.step(step)];
    const where = () => `step ${i}: ${JSON.stringify(convexToJson(step))}`;
    if (JSON.stringify(x) !== JSON.stringify(y)) {
      return { where: where(), [a.name]: x, [b.name]: y, errors: [a.lastError, b.lastError] };
    }
    const [p, q] = [await a.dump(tables), await b.dump(tables)];
    const t = p.findIndex((row, k) => row !== q[k]);
    if (t >= 0) {
      return { where: `after ${where()}`, [a.name]: p[t], [b.name]: q[t] };
    }
  }
}
