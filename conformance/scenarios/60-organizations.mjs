// Organizations, their people and invitations, and users' addresses and passwords, with the official Node clients.
import { contains, fails, holds, same } from "../lib/check.mjs";
import { until } from "../lib/lentil.mjs";
import { both, openWithClients, refused } from "../lib/sdk.mjs";

export { tearDown } from "../lib/sdk.mjs";

export async function setUp() {
  const house = await openWithClients();
  /** The newest mail to somebody, once it is there. */
  house.mail = (to, about) => until(`a mail about ${about} to ${to}`, async () => (await house.lentil.outbox(to)).find((m) => m.subject.includes(about)));
  return house;
}

/** Everything of a list, page by page; with a limit, the client's own autoPagination stops after one. */
const all = async (list, options) => {
  const data = [];
  for (let after; ; ) {
    const page = await list({ ...options, ...(after && { after }) });
    data.push(...page.data);
    if (!(after = page.listMetadata.after)) {
      return data;
    }
  }
};

/** The names of what happened since an event, oldest first. */
const history = async (house, after) => {
  const query = new URLSearchParams({ limit: "100", ...(after && { after }) });
  const { data } = await house.ask("GET", `/events?${query}`);
  return data;
};

const newest = async (house) => {
  let last;
  for (let page; (page = await history(house, last)).length > 0; ) {
    last = page.at(-1).id;
  }
  return last;
};

export const scenarios = {
  "an organization with domains, from its beginning to its end": both(async (workos, house, major) => {
    const from = await newest(house);
    const { organizations, organizationDomains } = workos;
    const foo = await organizations.createOrganization({ name: `Foo ${major}`, externalId: `foo-${major}`, metadata: { tier: "gold" }, domainData: [{ domain: `foo${major}.com`, state: "verified" }] });
    same([foo.domains.length, foo.domains[0].state, foo.externalId, foo.metadata], [1, "verified", `foo-${major}`, { tier: "gold" }]);
    await refused(() => organizations.createOrganization({ name: "Thief", domainData: [{ domain: `FOO${major}.com`, state: "verified" }] }), 409, "domain_already_exists");
    await refused(() => organizations.createOrganization({ name: "Twin", externalId: `foo-${major}` }), 400, "external_id_already_used");
    same((await organizations.getOrganizationByExternalId(`foo-${major}`)).id, foo.id);
    const changed = await organizations.updateOrganization({ organization: foo.id, name: `Foo Corp ${major}`, metadata: { tier: null, plan: "a" }, stripeCustomerId: `cus_${major}` });
    same([changed.name, changed.metadata, changed.stripeCustomerId, changed.domains.length], [`Foo Corp ${major}`, { plan: "a" }, `cus_${major}`, 1]);
    holds(changed.updatedAt > foo.updatedAt, "updatedAt grows");
    const d = await organizationDomains.createOrganizationDomain({ organizationId: foo.id, domain: `foo${major}.dev` });
    same([d.state, d.verificationStrategy], ["pending", "dns"]);
    same((await organizationDomains.verifyOrganizationDomain(d.id)).state, "verified"); // a development environment has no DNS
    same((await organizations.listOrganizations({ domains: [`foo${major}.dev`] })).data.map((o) => o.id), [foo.id]);
    await organizationDomains.deleteOrganizationDomain(d.id);
    await organizations.deleteOrganization(foo.id);
    await refused(() => organizations.getOrganization(foo.id), 404, "entity_not_found");
    const again = await organizations.createOrganization({ name: "Heir", externalId: `foo-${major}`, domainData: [{ domain: `foo${major}.com`, state: "verified" }] });
    await organizations.deleteOrganization(again.id);
    const names = (await history(house, from)).map((e) => e.event).filter((n) => /^organization(\.|_domain)/.test(n));
    same(names, ["organization.created", "organization_domain.created", "organization_domain.verified", "organization.updated",
      "organization_domain.created", "organization.updated", "organization_domain.verified", "organization.updated",
      "organization_domain.deleted", "organization.updated", "organization_domain.deleted", "organization.deleted",
      "organization.created", "organization_domain.created", "organization_domain.verified", "organization_domain.deleted", "organization.deleted"]);
  }),

  "members, their roles and groups": both(async (workos, house, major) => {
    const { userManagement, organizations, authorization, groups } = workos;
    const organization = await organizations.createOrganization({ name: `Bar ${major}` });
    const people = [];
    for (let i = 0; i < 12; i++) {
      people.push(await userManagement.createUser({ email: `p${i}-${major}@bar.com`, externalId: `p${i}-${major}`, metadata: { n: String(i) } }));
    }
    const members = [];
    for (const user of people) {
      members.push(await userManagement.createOrganizationMembership({ userId: user.id, organizationId: organization.id }));
    }
    same([members[0].role.slug, members[0].status, members[0].organizationName], ["member", "active", `Bar ${major}`]);
    await refused(() => userManagement.createOrganizationMembership({ userId: people[0].id, organizationId: organization.id }), 409, "organization_membership_already_exists");
    await refused(() => userManagement.updateOrganizationMembership(members[0].id, { roleSlug: "boss" }), 422, "invalid_role");

    const permission = await authorization.createPermission({ slug: `soup:eat:${major}`, name: "Eat soup" });
    const role = await authorization.createOrganizationRole(organization.id, { name: "Cook" });
    holds(role.slug.startsWith("org-cook-"), role.slug);
    await authorization.setOrganizationRolePermissions(organization.id, role.slug, { permissions: [permission.slug] });
    same((await userManagement.updateOrganizationMembership(members[0].id, { roleSlugs: [role.slug, "admin"] })).roles.map((r) => r.slug), ["admin", role.slug]);
    await refused(() => authorization.deleteOrganizationRole(organization.id, role.slug), 409, "role_has_assignments");
    same((await authorization.listOrganizationRoles(organization.id)).data.map((r) => [r.slug, r.type]), [["admin", "EnvironmentRole"], ["member", "EnvironmentRole"], [role.slug, "OrganizationRole"]]);

    await userManagement.deactivateOrganizationMembership(members[1].id);
    const ids = async (options) => {
      const list = await all((o) => userManagement.listOrganizationMemberships(o), { organizationId: organization.id, limit: 5, ...options });
      return list.map((m) => m.id);
    };
    same(await ids({ order: "asc" }), members.filter((_, i) => i !== 1).map((m) => m.id), "active ones, by default");
    same(await ids({ order: "asc", statuses: ["active", "inactive"] }), members.map((m) => m.id), "both, as one list");
    same(await ids({ statuses: ["inactive"] }), [members[1].id]);
    const users = await all((o) => userManagement.listUsers(o), { organizationId: organization.id, limit: 4, order: "asc" });
    same(users.map((u) => u.id), people.filter((_, i) => i !== 1).map((u) => u.id), "users of an organization");
    same((await userManagement.listUsers({ email: `P3-${major}@BAR.com` })).data.map((u) => u.id), [people[3].id]);
    same((await userManagement.getUserByExternalId(`p4-${major}`)).metadata, { n: "4" });
    await userManagement.reactivateOrganizationMembership(members[1].id);

    const group = await groups.createGroup({ organizationId: organization.id, name: "Kitchen" });
    for (const m of members.slice(0, 3)) {
      await groups.addOrganizationMembership({ organizationId: organization.id, groupId: group.id, organizationMembershipId: m.id });
    }
    same((await groups.listOrganizationMemberships({ organizationId: organization.id, groupId: group.id, order: "asc" })).data.map((m) => m.id), members.slice(0, 3).map((m) => m.id));
    await userManagement.deleteOrganizationMembership(members[2].id);
    same((await groups.listOrganizationMemberships({ organizationId: organization.id, groupId: group.id })).data.length, 2);
    await userManagement.deleteUser(people[0].id);
    same((await groups.listOrganizationMemberships({ organizationId: organization.id, groupId: group.id })).data.map((m) => m.id), [members[1].id]);
    await organizations.deleteOrganization(organization.id);
    same((await userManagement.listOrganizationMemberships({ userId: people[5].id })).data, []);
  }),

  "an invitation arrives by mail and is accepted, resent, revoked": both(async (workos, house, major) => {
    const { userManagement, organizations } = workos;
    const organization = await organizations.createOrganization({ name: `Baz ${major}` });
    const inviter = await userManagement.createUser({ email: `boss-${major}@baz.com`, firstName: "Ada", lastName: "Lovelace" });
    const email = `new-${major}@baz.com`;
    const invitation = await userManagement.sendInvitation({ email, organizationId: organization.id, roleSlug: "admin", inviterUserId: inviter.id, expiresInDays: 3 });
    same([invitation.state, invitation.organizationId, invitation.inviterUserId], ["pending", organization.id, inviter.id]);
    const mail = await house.mail(email, `Join Baz ${major}`);
    contains(mail.text, "Ada Lovelace invites you");
    contains(mail.text, invitation.acceptInvitationUrl);
    same((await userManagement.findInvitationByToken(invitation.token)).id, invitation.id);
    await refused(() => userManagement.sendInvitation({ email, organizationId: organization.id }), 400, "email_already_invited_to_organization");
    await refused(() => userManagement.sendInvitation({ email, expiresInDays: 31 }), 400, "expires_in_days_too_long");
    same((await userManagement.resendInvitation(invitation.id)).id, invitation.id);
    await refused(() => userManagement.acceptInvitation(invitation.id), 400, "invalid_invite");
    const user = await userManagement.createUser({ email });
    const accepted = await userManagement.acceptInvitation(invitation.id);
    same([accepted.state, accepted.acceptedUserId], ["accepted", user.id]);
    const [membership] = (await userManagement.listOrganizationMemberships({ userId: user.id })).data;
    same([membership.organizationId, membership.role.slug], [organization.id, "admin"]);
    await refused(() => userManagement.sendInvitation({ email, organizationId: organization.id }), 400, "user_already_organization_member");
    const other = await userManagement.sendInvitation({ email: `other-${major}@baz.com`, organizationId: organization.id });
    same((await userManagement.revokeInvitation(other.id)).state, "revoked");
    await refused(() => userManagement.revokeInvitation(other.id), 400, "invite_not_pending");
    same((await userManagement.listInvitations({ organizationId: organization.id, order: "asc" })).data.map((i) => [i.id, i.state]), [[invitation.id, "accepted"], [other.id, "revoked"]]);
  }),

  "imported hashes of passwords let people in, once and ever after": both(async (workos, house, major) => {
    const hashes = {
      bcrypt: ["U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"],
      scrypt: ["correct horse battery", "$scrypt$ln=10,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg$xXt6EAFzAOlee5Hgl8R5+kLA6sDARjRcMGtm6fZJsa8"],
      pbkdf2: ["correct horse battery", "$pbkdf2-sha256$i=1000,l=32$MDEyMzQ1Njc4OWFiY2RlZg$BVALGMmC/K/8ELErc5VgJxyPFApArIZRCQsqjEgZWJ4"],
      argon2: ["password", "$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$wWKIMhR9lyDFvRz9YTZweHKfbftvj+qf+YFY4NeBbtA"],
      ssha: ["correct horse battery", "{SSHA}nUZl4BaMVZn4hrSAm5dyop5Z8AkwMTIzNDU2Nzg5YWJjZGVm"],
      ssha256: ["correct horse battery", "{SSHA256}NMRnJ5eIOCNZg7hoADpNd33UbTrjRoVfYO2S0QAVOCswMTIzNDU2Nzg5YWJjZGVm"],
      "firebase-scrypt": ["user1password", "$firebase-scrypt$hash=lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==$salt=42xEC+ixf3L2lw==$sk=jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==$ss=Bw==$r=8$m=14"],
    };
    const { clientId } = house.lentil.info;
    for (const [passwordHashType, [password, passwordHash]] of Object.entries(hashes)) {
      const email = `${passwordHashType}-${major}@example.com`;
      const user = await workos.userManagement.createUser({ email, emailVerified: true, passwordHash, passwordHashType });
      const enter = (p) => workos.userManagement.authenticateWithPassword({ clientId, email, password: p });
      await fails(() => enter(`${password}?`), `a wrong password of ${passwordHashType}`);
      same((await enter(password)).user.id, user.id, passwordHashType);
      same((await enter(password)).user.id, user.id, `${passwordHashType}, rehashed`);
    }
    await refused(() => workos.userManagement.createUser({ email: `x-${major}@example.com`, passwordHash: "$2b$10$x", passwordHashType: "bcrypt" }), 400, "invalid_password_hash");
  }),

  "addresses are verified and changed, passwords reset": both(async (workos, house, major) => {
    const { userManagement } = workos;
    const { clientId } = house.lentil.info;
    const email = `ann-${major}@example.com`;
    const from = await newest(house);
    const user = await userManagement.createUser({ email, password: "correct horse battery staple" });
    same((await userManagement.sendVerificationEmail({ userId: user.id })).user.id, user.id);
    const code = await house.lentil.code(email);
    const made = (await history(house, from)).find((e) => e.event === "email_verification.created");
    same([made.data.code, (await userManagement.getEmailVerification(made.data.id)).code], [undefined, code]);
    await refused(() => userManagement.verifyEmail({ userId: user.id, code: "000-000" }), 400, "email_verification_code_incorrect");
    same((await userManagement.verifyEmail({ userId: user.id, code })).user.emailVerified, true);

    const moved = `ann-${major}@example.org`;
    const sent = await house.ask("POST", `/user_management/users/${user.id}/email_change/send`, { new_email: moved });
    same([sent.status, sent.object, sent.new_email, sent.user.email], [200, "email_change", moved, email]);
    const confirmed = await house.ask("POST", `/user_management/users/${user.id}/email_change/confirm`, { code: await house.lentil.code(moved) });
    same([confirmed.status, confirmed.user.email, confirmed.user.email_verified], [200, moved, true]);
    await house.mail(email, "address was changed");

    const session = await userManagement.authenticateWithPassword({ clientId, email: moved, password: "correct horse battery staple" });
    const reset = await userManagement.createPasswordReset({ email: moved });
    contains(reset.passwordResetUrl, reset.passwordResetToken);
    const weak = await fails(() => userManagement.resetPassword({ token: reset.passwordResetToken, newPassword: "short" }), "a weak password");
    same([weak.status, weak.rawData?.code ?? weak.code, weak.rawData?.errors?.length ?? weak.errors?.length], [400, "password_reset_error", 1]);
    same((await userManagement.resetPassword({ token: reset.passwordResetToken, newPassword: "another horse, another staple" })).user.id, user.id);
    await fails(() => userManagement.authenticateWithRefreshToken({ clientId, refreshToken: session.refreshToken }), "a session from before the reset");
    await fails(() => userManagement.authenticateWithPassword({ clientId, email: moved, password: "correct horse battery staple" }), "the old password");
    same((await userManagement.authenticateWithPassword({ clientId, email: moved, password: "another horse, another staple" })).user.id, user.id);
    await refused(() => userManagement.resetPassword({ token: reset.passwordResetToken, newPassword: "yet another horse" }), 400, "password_reset_error");
    await house.mail(moved, "password was changed");
  }),
};
