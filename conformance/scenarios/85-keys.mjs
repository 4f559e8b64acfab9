// Deploying without a login: keys of deployments, projects and previews.
import { contains, holds, lacks, same } from "../lib/check.mjs";
import { Operator } from "../lib/operator.mjs";

export async function setUp() {
  return await Operator.open();
}

export async function tearDown(o) {
  await o?.close();
}

export const scenarios = {
  "keys deploy without a login: production's, a deployment's, the project's": async (o) => {
    const build = { VERCEL_PROJECT_PRODUCTION_URL: "shop.example.com" };
    await o.get("/api/deployment/provision_and_authorize", { teamSlug: "my-team", projectSlug: "my-project", deploymentType: "prod" });
    const { items } = await o.get("/v1/projects/1/list_deployments");
    const named = Object.fromEntries(items.map((d) => [d.deploymentType, d.name]));
    const clients = {};
    const bare = { direct: true }; // neither logged in nor below exec
    for (const [type, env] of [["prod", build], ["dev", {}]]) {
      const { deployKey } = await o.get(`/v1/deployments/${named[type]}/create_deploy_key`, { name: "CI" });
      contains(deployKey, `${type}:${named[type]}|`);
      const dir = o.app();
      const text = await o.cli(dir, ["deploy", "-y", "--skip-workos-check"], { ...bare, env: { ...env, CONVEX_DEPLOY_KEY: deployKey } });
      contains(text, "Deployed Convex functions");
      contains(text, "my-team:my-project");
      clients[type] = await o.cli(dir, ["run", "notes:environment"], { ...bare, env: { CONVEX_DEPLOY_KEY: deployKey } });
    }
    contains(clients.dev, o.lentil.info.clientId);
    holds(clients.prod.includes("client_") && clients.prod !== clients.dev, "an environment each");
    const { deployKey } = await o.get("/v1/projects/1/create_project_deploy_key", { name: "everything" });
    const text = await o.cli(o.app(), ["deploy", "-y"], { env: { ...build, CONVEX_DEPLOY_KEY: deployKey } });
    contains(text, "Deployed Convex functions");
    contains(await o.cli(o.app(), ["deploy", "-y"], { ...bare, code: 1, env: { CONVEX_DEPLOY_KEY: `prod:${named.prod}|${"0".repeat(52)}` } }), "npx convex login");
  },

  "each branch has its preview, which can be used again or made anew": async (o) => {
    const { previewDeployKey } = await o.get("/v1/projects/1/create_preview_deploy_key", { name: "CI" });
    contains(previewDeployKey, "preview:my-team:my-project|");
    const dir = o.app();
    const deploy = (...args) => o.cli(dir, ["deploy", ...args], { direct: true, env: { CONVEX_DEPLOY_KEY: previewDeployKey, VERCEL_BRANCH_URL: "branch.example.com" } });
    contains(await deploy("--preview-create", "Feature/Log-in", "--preview-run", "notes:seed"), "preview/feature-log-in");
    const at = ["--preview-name", "Feature/Log-in"];
    const logged = async (args) => await o.cli(dir, args, { env: { CONVEX_DEPLOYMENT: `dev:${o.lentil.info.deployment}` } });
    const notes = async () => await logged(["run", ...at, "notes:list"]);
    same((await notes()).match(/seeded/g).length, 1);
    await deploy("--preview-name", "Feature/Log-in");
    same((await notes()).match(/seeded/g).length, 1, "what was there is kept");
    const env = await logged(["env", "list", ...at]);
    contains(env, "WORKOS_API_KEY=sk_test_");
    lacks(env, o.lentil.info.clientId, "an environment of its own");
    const { items } = await o.get("/v1/projects/1/list_deployments?deploymentType=preview");
    holds(items.length === 1 && items[0].expiresAt > Date.now(), JSON.stringify(items));
  },

};
