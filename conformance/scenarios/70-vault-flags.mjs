// The official Node clients, both majors, with the vault (data keys for their own encryption, objects with versions) and
// with feature flags (the API and the runtime client that evaluates by itself).
import { fails, holds, same } from "../lib/check.mjs";
import { patience, until } from "../lib/lentil.mjs";
import { both } from "../lib/sdk.mjs";

export { openWithClients as setUp, tearDown } from "../lib/sdk.mjs";

export const scenarios = {
  "the clients encrypt and decrypt with data keys": both(async (workos, house) => {
    const context = { organization_id: "org_1", kind: "note" };
    const sealed = await workos.vault.encrypt("Grüße aus der Küche", context, "page 7");
    same(await workos.vault.decrypt(sealed, "page 7"), "Grüße aus der Küche");
    await fails(() => workos.vault.decrypt(sealed, "page 8"), "");
    for (const other of Object.values(house.clients)) {
      same(await other.vault.decrypt(sealed, "page 7"), "Grüße aus der Küche");
    }
    const { dataKey, encryptedKeys } = await workos.vault.createDataKey({ context });
    const moved = await workos.vault.createRekey({ context: { organization_id: "org_2" }, encryptedKeys });
    holds(moved.encryptedKeys !== encryptedKeys, "sealed anew");
    same((await workos.vault.decryptDataKey({ keys: moved.encryptedKeys })).key, dataKey.key);
    const error = await fails(() => workos.vault.decryptDataKey({ keys: "bm9wZQ==" }), "");
    same(error.status, 400);
  }),

  "objects have names, versions and one value at a time": both(async (workos, house, major) => {
    const name = `keys/${major} of the house`;
    const made = await workos.vault.createObject({ name, value: "one", context: { team: major } });
    same([made.context, made.environmentId], [{ team: major }, house.lentil.info.environmentId]);
    same((await fails(() => workos.vault.createObject({ name, value: "x", context: {} }), "")).status, 409);
    const read = await workos.vault.readObjectByName(name);
    same([read.id, read.value, read.metadata.versionId], [made.id, "one", made.versionId]);
    const changed = await workos.vault.updateObject({ id: made.id, value: "two", versionCheck: made.versionId });
    same((await fails(() => workos.vault.updateObject({ id: made.id, value: "three", versionCheck: made.versionId }), "")).status, 409);
    same((await workos.vault.readObject({ id: made.id })).value, "two");
    const versions = await workos.vault.listObjectVersions({ id: made.id });
    same(versions.map((v) => [v.id, v.currentVersion, v.size]), [[changed.metadata.versionId, true, 3], [made.versionId, false, 3]]);
    const listed = await workos.vault.listObjects({ search: `${major} OF`, limit: 5 });
    same(listed.data.map((o) => o.name), [name]);
    same((await workos.vault.describeObject({ id: made.id })).metadata.versionId, changed.metadata.versionId);
    await workos.vault.deleteObject({ id: made.id });
    same((await fails(() => workos.vault.readObject({ id: made.id }), "")).status, 404);
  }),

  "flags are switched, and are on for users by their organizations": both(async (workos, house, major) => {
    const slug = `soup-${major}`;
    const user = await workos.userManagement.createUser({ email: `flag-${major}@example.com` });
    const organization = await workos.organizations.createOrganization({ name: `Flags ${major}` });
    await workos.userManagement.createOrganizationMembership({ userId: user.id, organizationId: organization.id });
    await house.operate("POST", "/_lentil/v1/feature-flags", { slug, name: "Soup", tags: ["beta"] });
    const flag = await workos.featureFlags.getFeatureFlag(slug);
    same([flag.name, flag.enabled, flag.defaultValue, flag.tags], ["Soup", false, false, ["beta"]]);
    await workos.featureFlags.addFlagTarget({ slug, targetId: organization.id });
    const of = async () => [
      (await workos.featureFlags.listUserFeatureFlags({ userId: user.id })).data.map((f) => f.slug).includes(slug),
      (await workos.featureFlags.listOrganizationFeatureFlags({ organizationId: organization.id })).data.map((f) => f.slug).includes(slug),
    ];
    same(await of(), [false, false]);
    same((await workos.featureFlags.enableFeatureFlag(slug)).enabled, true);
    same(await of(), [true, true]);
    await workos.featureFlags.removeFlagTarget({ slug, targetId: organization.id });
    await workos.featureFlags.addFlagTarget({ slug, targetId: user.id });
    same(await of(), [true, false]);
    same((await workos.featureFlags.disableFeatureFlag(slug)).enabled, false);
    same(await of(), [false, false]);
    same((await fails(() => workos.featureFlags.addFlagTarget({ slug, targetId: "team_1" }), "")).status, 400);
  }),

  "the runtime client polls and evaluates by itself": both(async (workos, house, major) => {
    const slug = `live-${major}`;
    await house.operate("POST", "/_lentil/v1/feature-flags", { slug, enabled: true, targets: [{ type: "workspace", id: "ws_1" }] });
    const runtime = workos.featureFlags.createRuntimeClient({ pollingIntervalMs: 5000 });
    try {
      await runtime.waitUntilReady({ timeoutMs: patience });
      same(runtime.isEnabled(slug, {}), false);
      same(runtime.isEnabled(slug, { workspace: { id: "ws_1" } }), true);
      same(runtime.isEnabled(slug, { userId: "user_1" }), false);
      const changes = [];
      runtime.on("change", (change) => changes.push(change.key));
      await house.operate("PUT", `/_lentil/v1/feature-flags/${slug}`, { default_value: true });
      await until("the change is seen", () => changes.includes(slug));
      same(runtime.isEnabled(slug, { userId: "user_1" }), true);
    } finally {
      runtime.close();
    }
  }),
};
