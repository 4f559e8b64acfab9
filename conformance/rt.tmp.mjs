import { ConvexHttpClient } from "convex/browser";
import { anyApi as api } from "convex/server";
import { join } from "node:path";
import { Lentil, portFlags, removeFolder, root, scratchApp } from "/work/wt/node/conformance/lib/lentil.mjs";
const dir = scratchApp(join(root, "conformance", "apps", "runtime"), join(root, "conformance", "node_modules"));
const l = await new Lentil(dir, await portFlags()).start();
try {
await l.cli(["dev", "--once", "--typecheck", "disable"]);
const c = new ConvexHttpClient(l.info.url, { logger: false });
const t = async (f) => { try { return await f(); } catch (e) { return "FAILED " + e.message; } };
console.log(await t(() => c.query(api.deterministic.inQuery, {salt:1})));
console.log(await t(() => c.mutation(api.deterministic.inMutation, {})));
console.log(await t(() => c.action(api.deterministic.inAction, {})));
for (const what of ["fetch","setTimeout","setInterval","import","generateKey"]) console.log(what, await t(() => c.query(api.deterministic.refused, {what})));
console.log(await t(() => c.query(api.deterministic.weak)), await t(() => c.query(api.deterministic.compiled)), await t(() => c.query(api.deterministic.nested)));
for (const f of ["inQuery"]) console.log(await t(() => c.query(api.locals[f])));
console.log(await t(() => c.mutation(api.locals.inMutation)));
console.log(await t(() => c.action(api.locals.inAction)));
for (const kind of ["type","own","empty","string","object","undefined","cause","plain"]) console.log(kind, await t(() => c.query(api.failures.fail, {kind})));
console.log(await t(() => c.query(api.failures.never)), await t(() => c.query(api.failures.unhandled)));
for (const name of ["mode","credentials","cache","redirect","referrer","integrity","keepalive","destination","duplex","wrapKey","unwrapKey","host","username","password"]) console.log(name, await t(() => c.action(api.failures.member, {name})));
const post = async (path) => (await fetch(l.info.url + "/api/query", { method: "POST", headers: {"content-type":"application/json", "convex-client":"npm-1.48.0"}, body: JSON.stringify({path, args: {}, format:"json"}) })).json();
const p = await post("failures:prints"); console.log(p.value); for (const x of p.logLines) console.log(x.length > 3000 ? x.length + x.slice(-60) : x);
const fl = await post("failures:floods"); console.log(fl.logLines.length, fl.logLines.at(-1), fl.logLines.at(-2));
} finally { await l.stop(); removeFolder(dir); }
