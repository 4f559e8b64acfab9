// What organizations, roles and groups mean for whoever is signed in, read from tokens that the Node clients receive.
import { WorkOS as WorkOS10 } from "@workos-inc/node";
import { createRemoteJWKSet, jwtVerify } from "jose";
import { WorkOS as WorkOS11 } from "workos-node-11";
import { fails, holds, same } from "../lib/check.mjs";
import { House } from "../lib/house.mjs";

const password = "correct horse battery staple";

export async function setUp() {
  const house = await House.open();
  const { authkitUrl, apiKey, clientId } = house.lentil.info;
  const { hostname, port } = new URL(authkitUrl);
  const options = { apiHostname: hostname, port: Number(port), https: false, clientId };
  house.clients = { 10: new WorkOS10(apiKey, options), 11: new WorkOS11(apiKey, options) };
  const keys = createRemoteJWKSet(new URL(`${authkitUrl}/sso/jwks/${clientId}`));
  house.claims = async ({ accessToken }) => {
    const { org_id, role, roles, permissions } = (await jwtVerify(accessToken, keys)).payload;
    return { org_id, role, roles: roles?.toSorted(), permissions };
  };
  return house;
}

export async function tearDown(house) {
  await house?.close();
}

/** One scenario for each major version. */
const both = (work) => async (house) => {
  for (const [major, client] of Object.entries(house.clients)) {
    await work(client, house, major);
  }
};

/** Somebody who signs in as a member of a new organization. */
async function member(workos, house, name) {
  const { clientId } = house.lentil.info;
  const organization = await workos.organizations.createOrganization({ name });
  const email = `${name}@example.com`;
  const user = await workos.userManagement.createUser({ email, password, emailVerified: true });
  const membership = await workos.userManagement.createOrganizationMembership({ userId: user.id, organizationId: organization.id });
  const enter = () => workos.userManagement.authenticateWithPassword({ clientId, email, password });
  const refresh = (from, organizationId) => workos.userManagement.authenticateWithRefreshToken({ clientId, refreshToken: from.refreshToken, ...(organizationId && { organizationId }) });
  return { organization, user, membership, enter, refresh };
}

export const scenarios = {
  "roles and permissions come into the next token, groups' too": both(async (workos, house, major) => {
    const { authorization, userManagement, groups } = workos;
    const ann = await member(workos, house, `ann-${major}`);
    const read = await authorization.createPermission({ slug: `soup:read:${major}`, name: "Read" });
    const cook = await authorization.createPermission({ slug: `soup:cook:${major}`, name: "Cook" });
    await authorization.addEnvironmentRolePermission("member", { permissionSlug: read.slug });
    let session = await ann.enter();
    same(session.organizationId, ann.organization.id, "the one organization, unasked");
    const own = { org_id: ann.organization.id, role: "member", roles: ["member"] };
    const first = await house.claims(session);
    holds(first.permissions.includes(read.slug), JSON.stringify(first));
    same({ ...first, permissions: undefined }, { ...own, permissions: undefined });

    const chef = await authorization.createOrganizationRole(ann.organization.id, { slug: "org-chef", name: "Chef" });
    await authorization.setOrganizationRolePermissions(ann.organization.id, chef.slug, { permissions: [cook.slug] });
    const group = await groups.createGroup({ organizationId: ann.organization.id, name: "Kitchen" });
    await groups.addOrganizationMembership({ organizationId: ann.organization.id, groupId: group.id, organizationMembershipId: ann.membership.id });
    await authorization.createGroupRoleAssignment({ groupId: group.id, roleSlug: chef.slug });
    session = await ann.refresh(session);
    let now = await house.claims(session);
    same([now.roles, now.role, now.permissions.includes(cook.slug)], [["member", "org-chef"], "member", true], "a group's role");
    await groups.removeOrganizationMembership({ organizationId: ann.organization.id, groupId: group.id, organizationMembershipId: ann.membership.id });
    await userManagement.updateOrganizationMembership(ann.membership.id, { roleSlug: "admin" });
    session = await ann.refresh(session);
    now = await house.claims(session);
    same([now.roles, now.role, now.permissions.includes(cook.slug)], [["admin"], "admin", false], "out of the group, another role");
    await authorization.deletePermission(read.slug);
  }),

  "another organization by refresh, for members only": both(async (workos, house, major) => {
    const ben = await member(workos, house, `ben-${major}`);
    const second = await workos.organizations.createOrganization({ name: `second-${major}` });
    const third = await workos.organizations.createOrganization({ name: `third-${major}` });
    let session = await ben.enter();
    await workos.userManagement.createOrganizationMembership({ userId: ben.user.id, organizationId: second.id, roleSlug: "admin" });
    session = await ben.refresh(session, second.id);
    same(await house.claims(session), { org_id: second.id, role: "admin", roles: ["admin"], permissions: [] });
    const error = await fails(() => ben.refresh(session, third.id), "an organization of others");
    holds(error.status === 400 && error.error !== "server_error", `${error.status} ${error.error} ${error.message}`);
    same((await house.claims(await ben.refresh(session))).org_id, second.id, "the refusal cost nothing");
  }),

  "whoever is out is signed out": both(async (workos, house, major) => {
    const { userManagement, organizations } = workos;
    const eve = await member(workos, house, `eve-${major}`);
    const one = await eve.enter();
    await userManagement.deactivateOrganizationMembership(eve.membership.id);
    await fails(() => eve.refresh(one), "a session of an inactive member");
    same((await eve.enter()).organizationId ?? null, null, "inactive members have no organization");
    await userManagement.reactivateOrganizationMembership(eve.membership.id);
    const two = await eve.enter();
    same(two.organizationId, eve.organization.id);
    await userManagement.deleteOrganizationMembership(eve.membership.id);
    await fails(() => eve.refresh(two), "a session of who is no member");
    await userManagement.createOrganizationMembership({ userId: eve.user.id, organizationId: eve.organization.id });
    const three = await eve.enter();
    await organizations.deleteOrganization(eve.organization.id);
    await fails(() => eve.refresh(three), "a session with an organization that is gone");
    const four = await eve.enter();
    await userManagement.deleteUser(eve.user.id);
    await fails(() => eve.refresh(four), "a session of who is gone");
    await fails(() => eve.enter(), "a user who is gone");
    same((await userManagement.listUsers({ email: `eve-${major}@example.com` })).data, []);
  }),

  "an invitation's token brings its user in": both(async (workos, house, major) => {
    const { userManagement, organizations } = workos;
    const { clientId } = house.lentil.info;
    const organization = await organizations.createOrganization({ name: `inviting-${major}` });
    const email = `guest-${major}@inviting.com`;
    const invitation = await userManagement.sendInvitation({ email, organizationId: organization.id, roleSlug: "admin" });
    const user = await userManagement.createUser({ email, password });
    const session = await userManagement.authenticateWithPassword({ clientId, email, password, invitationToken: invitation.token });
    same([session.organizationId, session.user.emailVerified], [organization.id, true]);
    same((await house.claims(session)).role, "admin");
    same((await userManagement.getInvitation(invitation.id)).acceptedUserId, user.id);
    const stranger = `stranger-${major}@elsewhere.com`;
    await userManagement.createUser({ email: stranger, password, emailVerified: true });
    const other = await userManagement.sendInvitation({ email: `second-${major}@inviting.com`, organizationId: organization.id });
    await fails(() => userManagement.authenticateWithPassword({ clientId, email: stranger, password, invitationToken: other.token }), "somebody else's invitation");
    same((await userManagement.getInvitation(other.id)).state, "pending");
  }),
};
