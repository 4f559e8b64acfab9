// The commands of the official CLI that ask its cloud, one by one, against a house's control plane.
import { rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { contains, holds, lacks, same } from "../lib/check.mjs";
import { root, write } from "../lib/lentil.mjs";
import { Operator, variables } from "../lib/operator.mjs";
import { keys } from "../lib/terminal.mjs";

const older = join(root, "conformance", "apps", "older", "node_modules");

export async function setUp() {
  const o = await Operator.open();
  o.dir = o.app();
  await o.cli(o.dir, ["dev", "--once", "--configure", "new", "--team", "my-team", "--project", "Shop"]);
  return o;
}

export async function tearDown(o) {
  await o?.close();
}

export const scenarios = {
  "deployment create, select and deployments": async (o) => {
    const created = await o.cli(o.dir, ["deployment", "create", "dev/feature", "--type", "dev", "--expiration", "in 2 days"]);
    contains(created, "Created new dev deployment");
    contains(created, "my-team:shop:dev/feature");
    contains(await o.cli(o.dir, ["deployment", "create", "dev/feature", "--type", "dev"], { code: 1 }), "ReferenceTaken");
    contains(await o.cli(o.dir, ["deployment", "create", "Dev/Feature!", "--type", "dev"], { code: 1 }), "eference");
    contains(await o.cli(o.dir, ["deployment", "create", "x/y", "--type", "dev", "--region", "moon"], { code: 1 }), "Invalid region");
    const before = o.written(o.dir).CONVEX_DEPLOYMENT;
    contains(await o.cli(o.dir, ["deployment", "select", "dev/feature"]), "Selected deployment");
    const name = o.written(o.dir).CONVEX_DEPLOYMENT.slice("dev:".length);
    contains(await o.cli(o.dir, ["deployments"]), name);
    const { expiresAt } = await o.get(`/v1/deployments/${name}`);
    holds(Math.abs(expiresAt - Date.now() - 2 * 86_400_000) < 3_600_000, `expires ${new Date(expiresAt).toISOString()}`);
    contains((await variables(o, o.dir)).WORKOS_API_KEY, "sk_test_"); // the project has had an environment: each new deployment has one
    contains(await o.cli(o.dir, ["deployment", "select", "dev"]), "Selected deployment");
    same(o.written(o.dir).CONVEX_DEPLOYMENT, before);
    contains(await o.cli(o.dir, ["deployment", "select", "no/such"], { code: 1 }), "not found");
  },

  "deployment create at a terminal asks for type and name": async (o) => {
    const t = o.terminal(o.dir, ["deployment", "create"]);
    await t.answer("Deployment type?", `${keys.down}${keys.enter}`);
    await t.answer("What do you want to call this deployment?", `preview/asked${keys.enter}`);
    await t.says("Created new preview deployment");
    same(await t.ends(), 0, t.out);
    lacks(t.out, "Where should this", "there is one region");
  },

  "deployment token create and delete, by name and by value": async (o) => {
    const name = o.written(o.dir).CONVEX_DEPLOYMENT.slice("dev:".length);
    const made = async (label) => (await o.cli(o.dir, ["deployment", "token", "create", label])).split("\n").find((line) => line.startsWith(`dev:${name}|`));
    const [one, two] = [await made("one"), await made("two")];
    const works = async (key) => await o.cli(o.dir, ["run", "notes:list"], { direct: true, env: { CONVEX_DEPLOY_KEY: key } }).then(() => true, (error) => !String(error).includes("401"));
    holds(await works(one), "a key opens its deployment");
    await o.cli(o.dir, ["deployment", "token", "delete", "one"]);
    await o.cli(o.dir, ["deployment", "token", "delete", two]);
    same([await works(one), await works(two)], [false, false], "keys that are gone");
    contains(await o.cli(o.dir, ["deployment", "token", "delete", "one"], { code: 1 }), "AccessTokenNotFound");
  },

  "env default: what new deployments begin with": async (o) => {
    await o.cli(o.dir, ["env", "default", "set", "REGION", "earth"]);
    await o.cli(o.dir, ["env", "default", "set", "REGION", "moon", "--type", "prod"]);
    contains(await o.cli(o.dir, ["env", "default", "list"]), "REGION=earth");
    contains(await o.cli(o.dir, ["env", "default", "get", "REGION", "--type", "prod"]), "moon");
    await o.cli(o.dir, ["env", "default", "remove", "REGION"]);
    contains(await o.cli(o.dir, ["env", "default", "list"]), "No environment variables set");
    same((await variables(o, o.dir, "--prod")).REGION, "moon");
  },

  "run, data, logs, env and dashboard with --prod": async (o) => {
    await o.cli(o.dir, ["deploy", "-y", "--skip-workos-check"]);
    await o.cli(o.dir, ["run", "--prod", "notes:add", '{"text":"a moonrock"}']);
    contains(await o.cli(o.dir, ["data", "--prod", "notes"]), "a moonrock");
    await o.cli(o.dir, ["env", "set", "--prod", "COLOUR", "grey"]);
    same((await variables(o, o.dir, "--prod")).COLOUR, "grey");
    const logs = o.terminal(o.dir, ["logs", "--prod", "--history", "5"]);
    await logs.says("added a moonrock");
    await logs.stop();
    const { name } = await o.get("/v1/teams/my-team/projects/shop/deployment?defaultProd=true");
    contains(await o.cli(o.dir, ["dashboard", "--prod", "--no-open"]), `/d/${name}`);
    contains(await o.cli(o.dir, ["insights"], { code: 1 }), "InsightsNotOffered");
    contains(await o.cli(o.dir, ["project", "create", "Another"]), "Created project another");
  },

  "integration workos: environments of a project, invitations, status": async (o) => {
    const workos = async (...args) => await o.cli(o.dir, ["integration", "workos", ...args]);
    contains(await workos("create-project-environment", "--name", "staging"), "API Key: sk_test_");
    contains(await workos("create-project-environment", "--name", "live", "--production"), "API Key: sk_live_");
    contains(await o.cli(o.dir, ["integration", "workos", "create-project-environment", "--name", "staging"], { code: 1 }), "already");
    const list = await workos("list-project-environments");
    contains(list, "live (production)");
    const client = /staging - Client ID: (client_\w+)/.exec(list)[1];
    const t = o.terminal(o.dir, ["integration", "workos", "delete-project-environment", "--client-id", client]);
    await t.answer("Are you sure", `y${keys.enter}`);
    await t.says("Deleted environment");
    same(await t.ends(), 0, t.out);
    lacks(await workos("list-project-environments"), client);

    const invite = o.terminal(o.dir, ["integration", "workos", "invite"]);
    await invite.answer("Which email would you like to invite");
    await invite.answer("Send invitation to owner@lentil.localhost?");
    await invite.says("Successfully sent invitation to owner@lentil.localhost");
    same(await invite.ends(), 0, invite.out);
    contains((await o.lentil.outbox("owner@lentil.localhost"))[0].subject, "workspace");
    contains(await workos("invite", "--email", "owner@lentil.localhost"), "already");

    const status = await workos("status");
    contains(status, "WorkOS team: My team");
    contains(status, "WorkOS environment: Shop (dev/owner)");
    contains(await workos("provision-environment"), "WorkOS AuthKit environment ready");
    contains(await workos("provision-team"), "already has an associated WorkOS team");
    contains(await workos("status", "--prod"), "WorkOS environment: Shop (prod)");
  },
};

for (const version of ["1.25", "1.31", "1.39"]) {
  scenarios[`an older CLI, ${version}, makes a project, develops and deploys`] = async (o) => {
    const dir = o.app("older");
    rmSync(join(dir, "node_modules"), { force: true });
    write(join(dir, "node_modules", ".keep"), "");
    symlinkSync(join(older, `convex-${version}`), join(dir, "node_modules", "convex"));
    write(join(dir, "package.json"), JSON.stringify({ name: "older", type: "module", dependencies: { convex: "*" } }));
    const cli = { cli: join(dir, "node_modules", "convex", "bin", "main.js") };
    const choose = ["--configure", "new", "--team", "my-team", "--project", `Old ${version}`];
    contains(await o.cli(dir, ["dev", "--once", "--typecheck", "disable", ...choose], cli), "Convex functions ready");
    contains(o.written(dir).text, `project: old-${version.replace(".", "-")}`);
    await o.cli(dir, ["deploy", "-y", "--typecheck", "disable"], cli);
    contains(await o.cli(dir, ["data", "--prod"], cli), "tasks");
  };
}
