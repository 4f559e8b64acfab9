// Fine-grained authorization with the official Node clients: types and trees of resources, roles on them for members and
// groups, checks, and who may what.
import { fails, same } from "../lib/check.mjs";
import { both, openWithClients } from "../lib/sdk.mjs";

export { tearDown } from "../lib/sdk.mjs";

export async function setUp() {
  const house = await openWithClients();
  const [workos] = Object.values(house.clients);
  for (const [slug, parents] of [["workspace", undefined], ["project", ["workspace"]]]) {
    await house.operate("POST", "/_lentil/v1/authorization/resource_types", { slug, name: slug, parent_type_slugs: parents });
  }
  for (const [slug, resourceTypeSlug] of [["workspace:view", "workspace"], ["project:view", "project"], ["project:edit", "project"]]) {
    await workos.authorization.createPermission({ slug, name: slug, resourceTypeSlug });
  }
  for (const [slug, resourceTypeSlug, permissions] of [["workspace-admin", "workspace", ["workspace:view", "project:view", "project:edit"]], ["project-viewer", "project", ["project:view"]], ["auditor", "organization", ["project:view"]]]) {
    await workos.authorization.createEnvironmentRole({ slug, name: slug, resourceTypeSlug });
    await workos.authorization.setEnvironmentRolePermissions(slug, { permissions });
  }
  return house;
}

/** An organization with two workspaces of two projects each, and members. */
async function acme(workos, major, ...people) {
  const organization = await workos.organizations.createOrganization({ name: `Acme ${major}` });
  const members = [];
  for (const name of people) {
    const user = await workos.userManagement.createUser({ email: `${name}-${organization.id}@example.com` });
    members.push(await workos.userManagement.createOrganizationMembership({ organizationId: organization.id, userId: user.id }));
  }
  const resources = {};
  for (const w of ["w1", "w2"]) {
    resources[w] = await workos.authorization.createResource({ organizationId: organization.id, resourceTypeSlug: "workspace", externalId: w, name: w });
    for (const p of ["a", "b"]) {
      resources[w + p] = await workos.authorization.createResource({ organizationId: organization.id, resourceTypeSlug: "project", externalId: w + p, name: w + p, parentResourceId: resources[w].id });
    }
  }
  return { organization, members, ...resources };
}

export const scenarios = {
  "resources live in a tree of their types": both(async (workos, house, major) => {
    const { organization, w1, w1a, w2 } = await acme(workos, major);
    const authz = workos.authorization;
    const at = { organizationId: organization.id, resourceTypeSlug: "project", externalId: "w1a" };
    same(await authz.getResourceByExternalId(at), await authz.getResource(w1a.id));
    same([w1a.parentResourceId, w1a.resourceTypeSlug, w1a.description], [w1.id, "project", null]);
    const root = await authz.getResourceByExternalId({ organizationId: organization.id, resourceTypeSlug: "organization", externalId: organization.id });
    same([root.name, root.parentResourceId, w1.parentResourceId], [organization.name, null, root.id]);
    const twice = await fails(() => authz.createResource({ organizationId: organization.id, resourceTypeSlug: "project", externalId: "w1a", name: "again", parentResourceId: w2.id }), "a second one");
    same([twice.status, twice.rawData?.code ?? twice.code], [409, "authorization_resource_external_id_conflict"]);
    same((await fails(() => authz.createResource({ organizationId: organization.id, resourceTypeSlug: "project", externalId: "x", name: "x" }), "a project without workspace")).status, 422);
    same((await authz.updateResource({ resourceId: w1a.id, name: "Renamed", description: "of late" })).description, "of late");
    same((await authz.updateResourceByExternalId({ ...at, description: null })).description, null);
    same((await authz.listResources({ organizationId: organization.id, resourceTypeSlug: "project", parentResourceId: w1.id, order: "asc" })).data.map((r) => r.externalId), ["w1a", "w1b"]);
    same((await authz.listResources({ organizationId: organization.id, parentResourceTypeSlug: "workspace", parentExternalId: "w2" })).data.length, 2);
    same((await (await authz.listResources({ organizationId: organization.id, limit: 2 })).data).length, 2);
    same((await fails(() => authz.deleteResource({ resourceId: w1.id }), "with projects")).status, 409);
    await authz.deleteResource({ resourceId: w1.id, cascadeDelete: true });
    same((await fails(() => authz.getResource(w1a.id), "")).status, 404);
    await authz.deleteResourceByExternalId({ organizationId: organization.id, resourceTypeSlug: "project", externalId: "w2a" });
    same((await authz.listResources({ organizationId: organization.id })).data.length, 2);
  }),

  "roles on a resource count for all below it, of members and of groups": both(async (workos, house, major) => {
    const { organization, members: [ann, bob, eve], w1, w1a, w1b, w2a } = await acme(workos, major, "ann", "bob", "eve");
    const authz = workos.authorization;
    const may = async (m, permissionSlug, r) => (await authz.check({ organizationMembershipId: m.id, permissionSlug, resourceId: r.id })).authorized;
    const assignment = await authz.assignRole({ organizationMembershipId: ann.id, roleSlug: "workspace-admin", resourceId: w1.id });
    same([assignment.role.slug, assignment.resource.externalId, assignment.source], ["workspace-admin", "w1", { type: "direct", groupRoleAssignmentId: null }]);
    same([await may(ann, "project:edit", w1a), await may(ann, "workspace:view", w1), await may(ann, "project:edit", w2a), await may(bob, "project:view", w1a)], [true, true, false, false]);
    same((await authz.check({ organizationMembershipId: ann.id, permissionSlug: "project:view", resourceExternalId: "w1b", resourceTypeSlug: "project" })).authorized, true);
    same((await fails(() => authz.assignRole({ organizationMembershipId: bob.id, roleSlug: "project-viewer", resourceId: w1.id }), "a project's role on a workspace")).status, 422);

    const group = await workos.groups.createGroup({ organizationId: organization.id, name: "Viewers" });
    await workos.groups.addOrganizationMembership({ organizationId: organization.id, groupId: group.id, organizationMembershipId: bob.id });
    const ofGroup = await authz.createGroupRoleAssignment({ groupId: group.id, roleSlug: "project-viewer", resourceExternalId: "w1a", resourceTypeSlug: "project" });
    same([await may(bob, "project:view", w1a), await may(bob, "project:edit", w1a), await may(bob, "project:view", w1b)], [true, false, false]);
    same((await fails(() => authz.createGroupRoleAssignment({ groupId: group.id, roleSlug: "project-viewer", resourceId: w1a.id }), "twice")).status, 409);
    same((await authz.getGroupRoleAssignment({ groupId: group.id, roleAssignmentId: ofGroup.id })).resource.id, w1a.id);
    const bobs = (await authz.listRoleAssignments({ organizationMembershipId: bob.id, resourceId: w1a.id })).data;
    same(bobs.map((a) => [a.role.slug, a.source]), [["project-viewer", { type: "group", groupRoleAssignmentId: ofGroup.id }]]);

    await authz.assignRole({ organizationMembershipId: eve.id, roleSlug: "auditor", resourceExternalId: organization.id, resourceTypeSlug: "organization" });
    same([await may(eve, "project:view", w2a), await may(eve, "project:edit", w2a)], [true, false]);
    same((await workos.userManagement.getOrganizationMembership(eve.id)).roles.map((r) => r.slug).sort(), ["auditor", "member"]);

    const who = async (assignmentKind) => (await authz.listMembershipsForResource({ resourceId: w1a.id, permissionSlug: "project:view", assignment: assignmentKind, order: "asc" })).data.map((m) => m.id);
    same([await who("direct"), await who("indirect")], [[bob.id], [ann.id, bob.id, eve.id]]);
    same((await authz.listMembershipsForResourceByExternalId({ organizationId: organization.id, resourceTypeSlug: "project", externalId: "w1b", permissionSlug: "project:edit", assignment: "indirect" })).data.map((m) => m.id), [ann.id]);
    const below = async (m) => (await authz.listResourcesForMembership({ organizationMembershipId: m.id, permissionSlug: "project:view", parentResourceId: w1.id, order: "asc" })).data.map((r) => r.externalId);
    same([await below(ann), await below(bob), await below(eve)], [["w1a", "w1b"], ["w1a"], ["w1a", "w1b"]]);
    const effective = async (m, r) => (await authz.listEffectivePermissions({ organizationMembershipId: m.id, resourceId: r.id })).data.map((p) => p.slug).sort();
    same([await effective(ann, w1a), await effective(bob, w1a), await effective(bob, w1b)], [["project:edit", "project:view"], ["project:view"], []]);
    same((await authz.listEffectivePermissionsByExternalId({ organizationMembershipId: ann.id, resourceTypeSlug: "workspace", externalId: "w1" })).data.map((p) => p.slug), ["workspace:view"]);
    same((await authz.listRoleAssignmentsForResource({ resourceId: w1.id })).data.map((a) => a.organizationMembershipId), [ann.id]);
    same((await authz.listResourceRoleAssignments({ organizationId: organization.id, resourceTypeSlug: "project", externalId: "w1a", roleSlug: "project-viewer" })).data.map((a) => a.organizationMembershipId), [bob.id]);

    await authz.replaceGroupRoleAssignments({ groupId: group.id, roleAssignments: [{ roleSlug: "project-viewer", resourceId: w1b.id }, { roleSlug: "auditor" }] });
    same((await authz.listGroupRoleAssignments({ groupId: group.id })).data.map((a) => a.role.slug).sort(), ["auditor", "project-viewer"]);
    same([await may(bob, "project:view", w1b), await may(bob, "project:view", w2a)], [true, true]);
    await authz.removeGroupRoleAssignments({ groupId: group.id, roleSlug: "auditor" });
    same([await may(bob, "project:view", w1b), await may(bob, "project:view", w2a)], [true, false]);
    const [left] = (await authz.listGroupRoleAssignments({ groupId: group.id })).data;
    await authz.removeGroupRoleAssignment({ groupId: group.id, roleAssignmentId: left.id });
    same(await may(bob, "project:view", w1b), false);
    await authz.removeRoleAssignment({ organizationMembershipId: ann.id, roleAssignmentId: assignment.id });
    same(await may(ann, "project:edit", w1a), false);
    await authz.removeRole({ organizationMembershipId: eve.id, roleSlug: "auditor", resourceExternalId: organization.id, resourceTypeSlug: "organization" });
    same(await may(eve, "project:view", w2a), false);
    same((await fails(() => authz.removeRole({ organizationMembershipId: eve.id, roleSlug: "auditor", resourceExternalId: organization.id, resourceTypeSlug: "organization" }), "twice")).status, 404);
  }),
};
