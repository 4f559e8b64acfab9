// The guide's auto-provisioning with the official CLI, unchanged, against a house: projects, deployments of every kind and
// their WorkOS environments, at a terminal and without one.
import { contains, fails, holds, lacks, same } from "../lib/check.mjs";
import { Operator, variables } from "../lib/operator.mjs";
import { keys } from "../lib/terminal.mjs";

/** Asks the sign-in service as a program with an environment's key. */
async function settings(o, apiKey, path) {
  const answer = await fetch(`${o.lentil.info.authkitUrl}${path}`, { headers: { Authorization: `Bearer ${apiKey}` } });
  return JSON.stringify(await answer.json());
}

const world = {};

export async function setUp() {
  return await Operator.open();
}

export async function tearDown(o) {
  await o?.close();
}

export const scenarios = {
  "a first `npx convex dev` at a terminal makes the project, its deployment and its WorkOS environment": async (o) => {
    const dir = (world.dir = o.app());
    const t = o.terminal(dir, ["dev", "--once"]);
    await t.answer("What would you like to configure?");
    await t.answer("Project name:", `Shop${keys.enter}`);
    await t.says("Created project shop");
    await t.says("Provisioned a dev deployment");
    await t.says("New AuthKit environment provisioned");
    await t.says("AuthKit redirect URI added: http://localhost:5173/callback");
    await t.says("WorkOS AuthKit environment ready");
    await t.says("Convex functions ready!");
    same(await t.ends(), 0, t.out);

    const written = o.written(dir);
    contains(written.text, "team: my-team, project: shop");
    contains(written.CONVEX_DEPLOYMENT, "dev:");
    holds(/^http:\/\/127\.0\.0\.1:\d+$/.test(written.VITE_CONVEX_URL), written.VITE_CONVEX_URL);
    same(written.VITE_WORKOS_REDIRECT_URI, "http://localhost:5173/callback");
    const env = (world.dev = await variables(o, dir));
    same(env.WORKOS_CLIENT_ID, written.VITE_WORKOS_CLIENT_ID, "one client id in both places");
    contains(env.WORKOS_API_KEY, "sk_test_");
    contains(await settings(o, env.WORKOS_API_KEY, "/user_management/redirect_uris"), "http://localhost:5173/callback");
    contains(await settings(o, env.WORKOS_API_KEY, "/user_management/cors_origins"), "http://localhost:5173");
  },

  "a second run asks nothing, and changes nothing that is written down": async (o) => {
    const before = o.written(world.dir).text;
    const text = await o.cli(world.dir, ["dev", "--once"]);
    contains(text, "Convex functions ready!");
    lacks(text, "provisioned");
    same(o.written(world.dir).text, before);
    contains(await o.cli(world.dir, ["run", "notes:environment"]), world.dev.WORKOS_CLIENT_ID);
  },

  "without a terminal, flags say which project: a new one, or one that is there": async (o) => {
    const fresh = o.app();
    contains(await o.cli(fresh, ["dev", "--once", "--configure", "new", "--team", "my-team", "--project", "Second"]), "Created project second");
    contains(o.written(fresh).text, "team: my-team, project: second");
    const again = o.app();
    await o.cli(again, ["dev", "--once", "--configure", "existing", "--team", "my-team", "--project", "shop"]);
    same(o.written(again).CONVEX_DEPLOYMENT, o.written(world.dir).CONVEX_DEPLOYMENT, "the same deployment from another folder");
    contains(await o.cli(o.app(), ["dev", "--once", "--configure", "existing", "--team", "nobodys", "--project", "shop"], { code: 1 }), "Team nobodys not found");
    contains(await o.cli(o.app(), ["dev", "--once", "--configure", "new", "--team", "my-team", "--project", "x".repeat(101)], { code: 1 }), "1 to 100 bytes");
  },

  "production is provisioned as easily, with another client id and a live key": async (o) => {
    const build = { VERCEL_PROJECT_PRODUCTION_URL: "shop.example.com" };
    const text = await o.cli(world.dir, ["deploy", "-y"], { env: build });
    contains(text, "AuthKit redirect URI added: https://shop.example.com/callback");
    contains(text, "Deployed Convex functions");
    const env = (world.prod = await variables(o, world.dir, "--prod"));
    contains(env.WORKOS_API_KEY, "sk_live_");
    holds(env.WORKOS_CLIENT_ID !== world.dev.WORKOS_CLIENT_ID && env.WORKOS_ENVIRONMENT_ID !== world.dev.WORKOS_ENVIRONMENT_ID, "an environment of its own");
    contains(await settings(o, env.WORKOS_API_KEY, "/user_management/cors_origins"), "https://shop.example.com");
    lacks(await settings(o, env.WORKOS_API_KEY, "/user_management/redirect_uris"), "localhost:5173");
    await o.cli(world.dir, ["run", "--prod", "notes:add", '{"text":"in production"}']);
    contains(await o.cli(world.dir, ["data", "--prod", "notes"]), "in production");
    lacks(await o.cli(world.dir, ["data", "notes"]), "in production");
  },

  "a team without a WorkOS workspace is asked, and told what to do where nobody can be": async (o) => {
    await o.get("/v1/teams/create_team", { name: "Acme", defaultRegion: "local" });
    const dir = (world.acme = o.app());
    const create = ["dev", "--once", "--configure", "new", "--team", "acme", "--project", "board"];
    contains(await o.cli(dir, create, { code: 1 }), "Cannot provision WorkOS AuthKit in non-interactive mode");
    const t = o.terminal(dir, ["dev", "--once"]);
    await t.answer('enable automatic AuthKit environment provisioning for team "acme"?', `y${keys.enter}`);
    await t.answer("owner+2@lentil.localhost");
    await t.says("WorkOS team created successfully");
    await t.says("New AuthKit environment provisioned");
    await t.says("Convex functions ready!");
    same(await t.ends(), 0, t.out);
    contains(await o.cli(dir, ["integration", "workos", "status"]), "WorkOS team: Acme");
  },

  "\"Platform not authorized\" is cured by disconnect-team and provision-team": async (o) => {
    await o.get("/api/workos/authorize_platform", { teamId: 2, authorized: false });
    const build = { env: { VERCEL_PROJECT_PRODUCTION_URL: "acme.example.com" } };
    const refused = await o.cli(world.acme, ["deploy", "-y"], { ...build, code: 1 });
    contains(refused, "Platform not authorized");
    contains(refused, "npx convex integration workos disconnect-team");
    const off = o.terminal(world.acme, ["integration", "workos", "disconnect-team"]);
    await off.answer("Are you sure you want to disconnect this WorkOS team?", `y${keys.enter}`);
    await off.says("Successfully disconnected WorkOS team");
    same(await off.ends(), 0, off.out);
    contains(await o.cli(world.acme, ["integration", "workos", "status"]), "WorkOS team: Not provisioned");
    const on = o.terminal(world.acme, ["integration", "workos", "provision-team"]);
    await on.answer('provisioning for team "acme"?', `y${keys.enter}`);
    await on.answer("owner+2@lentil.localhost");
    await on.says("Successfully created WorkOS team");
    same(await on.ends(), 0, on.out);
    contains(await o.cli(world.acme, ["deploy", "-y"], build), "Deployed Convex functions");
  },

  "what is wrong is said at once": async (o) => {
    const began = performance.now();
    const strange = await o.ask("GET", "/v1/deployments/calm-wren-100");
    same([strange.status, strange.body.code], [404, "DeploymentNotFound"]);
    same((await o.ask("GET", "/api/something/newer")).status, 501);
    contains(await o.cli(world.dir, ["run", "notes:list", "--deployment", "calm-wren-100"], { code: 1 }), "You don't have access");
    const nobody = await o.ask("GET", "/api/teams", undefined, "wrong");
    same([nobody.status, nobody.body.code], [401, "InvalidAccessToken"]);
    contains(nobody.body.message, "npx convex login");
    contains(await o.cli(world.dir, ["run", "notes:list"], { direct: true, code: 1, env: { CONVEX_OVERRIDE_ACCESS_TOKEN: "wrong" } }), "npx convex login");
    holds(performance.now() - began < 31_000, "no request is repeated: the CLI does that for 31 s"); // 1 + 2 + 4 + 8 + 16
    await fails(async () => await o.get("/v1/projects/99"), "another's project");
  },
};
