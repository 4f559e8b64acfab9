// One call for every method of the official Node.js client, with arguments that make sense: (client, world, sdk) => result.
// The scenario fails on a method of the client that is not here. `refused` marks calls that a right house says no to.
import { cookiePassword, fresh, password, totp } from "./sdk-world.mjs";

const refused = (call, why) => Object.assign(call, { refused: why });

/** Not for callers: what the client's own code calls, and transport. */
export const internal = new Set([
  "agents.validateAccessToken", "agents.validateCredentialRemotely", "agents.verifyAccessTokenClaims", "agents.getJWKS",
  "pkce.base64UrlEncode", "userManagement.resolveClientId", "userManagement.isValidJwt", "userManagement.prepareAuthenticationResponse",
  "userManagement.sealSessionDataFromAuthenticationResponse", "vault.decode", "webhooks.parseVerifiedPayload", "actions.serializeType",
]);

const agents = {
  createBlueprint: (w) => w.agents.createBlueprint(blueprint()),
  listBlueprints: (w) => w.agents.listBlueprints(),
  getBlueprint: async (w, c) => w.agents.getBlueprint((await madeBlueprint(w, c)).id),
  updateBlueprint: async (w, c) => w.agents.updateBlueprint({ agentBlueprintId: (await madeBlueprint(w, c)).id, name: "Renamed" }),
  deleteBlueprint: async (w, c) => w.agents.deleteBlueprint((await madeBlueprint(w, c)).id),
  mintToken: async (w, c) => w.agents.mintToken({ agentBlueprintId: (await madeBlueprint(w, c)).id, delegationType: "autonomous", organizationId: (await c.organization()).id }),
  listInstances: (w) => w.agents.listInstances(),
  getInstance: (w) => w.agents.getInstance("agent_instance_none"),
  deleteInstance: (w) => w.agents.deleteInstance("agent_instance_none"),
  listInstanceSessions: (w) => w.agents.listInstanceSessions(),
  getInstanceSession: (w) => w.agents.getInstanceSession("agent_session_none"),
  revokeInstanceSession: (w) => w.agents.revokeInstanceSession("agent_session_none"),
  linkClaimAttemptToExternalUser: refused((w) => w.agents.linkClaimAttemptToExternalUser({ claimAttemptToken: "none", user: { email: "ada@example.com", externalId: "ext" } }), "no such claim"),
  getRegistration: refused((w) => w.agents.getRegistration("agent_registration_none"), "no such registration"),
  validateCredential: async (w, c) => w.agents.validateCredential({ type: "api_key", credential: (await c.ask("POST", `/organizations/${(await c.organization()).id}/api_keys`, { name: "k" })).value }),
};
const blueprint = () => ({ name: fresh("Agent"), sessionSettings: { maxAgeSeconds: 3600, accessTokenTtlSeconds: 300, refreshTokenTtlSeconds: 3600 } });
const madeBlueprint = (w, c) => c.ask("POST", "/agents/blueprints", { name: fresh("Agent"), session_settings: { max_age_seconds: 3600, access_token_ttl_seconds: 300, refresh_token_ttl_seconds: 3600 } });

const organizationKey = async (c) => c.ask("POST", `/organizations/${(await c.organization()).id}/api_keys`, { name: fresh("key") });
const apiKeys = {
  createValidation: async (w, c) => w.apiKeys.createValidation({ value: (await organizationKey(c)).value }),
  deleteApiKey: async (w, c) => w.apiKeys.deleteApiKey((await organizationKey(c)).id),
  listOrganizationApiKeys: async (w, c) => w.apiKeys.listOrganizationApiKeys({ organizationId: (await c.organization()).id }),
  createOrganizationApiKey: async (w, c) => w.apiKeys.createOrganizationApiKey({ organizationId: (await c.organization()).id, name: "Production" }),
};

const auditSchema = async (c) => {
  const action = fresh("document.opened").replaceAll("-", "_");
  await c.ask("POST", `/audit_logs/actions/${action}/schemas`, { targets: [{ type: "document" }] });
  return action;
};
const auditEvent = (action) => ({ action, occurredAt: new Date(), actor: { type: "user", id: "user_1" }, targets: [{ type: "document", id: "doc_1" }], context: { location: "203.0.113.7" } });
const lastDay = () => ({ rangeStart: new Date(Date.now() - 86_400_000), rangeEnd: new Date() });
const auditLogs = {
  getOrganizationAuditLogsRetention: async (w, c) => w.auditLogs.getOrganizationAuditLogsRetention({ id: (await c.organization()).id }),
  updateOrganizationAuditLogsRetention: async (w, c) => w.auditLogs.updateOrganizationAuditLogsRetention({ id: (await c.organization()).id, retentionPeriod: "3_MONTHS" }),
  createEvent: async (w, c) => w.auditLogs.createEvent((await c.organization()).id, auditEvent(await auditSchema(c)), { idempotencyKey: fresh("idempotency") }),
  createExport: async (w, c) => w.auditLogs.createExport({ organizationId: (await c.organization()).id, ...lastDay() }),
  getExport: async (w, c) => {
    const { rangeStart: range_start, rangeEnd: range_end } = lastDay();
    return w.auditLogs.getExport((await c.ask("POST", "/audit_logs/exports", { organization_id: (await c.organization()).id, range_start, range_end })).id);
  },
  createSchema: (w) => w.auditLogs.createSchema({ action: fresh("thing.done").replaceAll("-", "_"), targets: [{ type: "thing", metadata: { owner: "string" } }], actor: { metadata: { role: "string" } } }),
  listSchemas: async (w, c) => w.auditLogs.listSchemas(await auditSchema(c)),
};

const authorization = {
  createEnvironmentRole: (w) => w.authorization.createEnvironmentRole({ slug: fresh("role"), name: "Editor", description: "May edit" }),
  listEnvironmentRoles: (w) => w.authorization.listEnvironmentRoles(),
  getEnvironmentRole: async (w, c) => w.authorization.getEnvironmentRole((await c.role()).slug),
  updateEnvironmentRole: async (w, c) => w.authorization.updateEnvironmentRole((await c.role()).slug, { name: "Renamed" }),
  setEnvironmentRolePermissions: async (w, c) => w.authorization.setEnvironmentRolePermissions((await c.role()).slug, { permissions: [(await c.permission()).slug] }),
  addEnvironmentRolePermission: async (w, c) => w.authorization.addEnvironmentRolePermission((await c.role()).slug, { permissionSlug: (await c.permission()).slug }),
  createOrganizationRole: async (w, c) => w.authorization.createOrganizationRole((await c.organization()).id, { slug: fresh("org-role"), name: "Billing" }),
  listOrganizationRoles: async (w, c) => w.authorization.listOrganizationRoles((await c.organization()).id),
  getOrganizationRole: (w, c) => withRole(c, (o, r) => w.authorization.getOrganizationRole(o, r)),
  updateOrganizationRole: (w, c) => withRole(c, (o, r) => w.authorization.updateOrganizationRole(o, r, { name: "Renamed" })),
  deleteOrganizationRole: (w, c) => withRole(c, (o, r) => w.authorization.deleteOrganizationRole(o, r)),
  setOrganizationRolePermissions: (w, c) => withRole(c, async (o, r) => w.authorization.setOrganizationRolePermissions(o, r, { permissions: [(await c.permission()).slug] })),
  addOrganizationRolePermission: (w, c) => withRole(c, async (o, r) => w.authorization.addOrganizationRolePermission(o, r, { permissionSlug: (await c.permission()).slug })),
  removeOrganizationRolePermission: (w, c) =>
    withRole(c, async (o, r) => {
      const { slug } = await c.permission();
      await c.ask("POST", `/authorization/organizations/${o}/roles/${r}/permissions`, { slug });
      return w.authorization.removeOrganizationRolePermission(o, r, { permissionSlug: slug });
    }),
  createPermission: (w) => w.authorization.createPermission({ slug: fresh("documents:read"), name: "Read documents" }),
  listPermissions: (w) => w.authorization.listPermissions(),
  getPermission: async (w, c) => w.authorization.getPermission((await c.permission()).slug),
  updatePermission: async (w, c) => w.authorization.updatePermission((await c.permission()).slug, { name: "Renamed" }),
  deletePermission: async (w, c) => w.authorization.deletePermission((await c.permission()).slug),
  getResource: async (w, c) => w.authorization.getResource((await c.resource()).id),
  createResource: async (w, c) => w.authorization.createResource({ externalId: fresh("ext"), name: "Roadmap", resourceTypeSlug: await c.resourceType(), organizationId: (await c.organization()).id }),
  updateResource: async (w, c) => w.authorization.updateResource({ resourceId: (await c.resource()).id, name: "Renamed" }),
  deleteResource: async (w, c) => w.authorization.deleteResource({ resourceId: (await c.resource()).id }),
  listResources: async (w, c) => w.authorization.listResources({ organizationId: (await c.resource()).organization_id }),
  getResourceByExternalId: (w, c) => external(c, (at) => w.authorization.getResourceByExternalId(at)),
  updateResourceByExternalId: (w, c) => external(c, (at) => w.authorization.updateResourceByExternalId({ ...at, name: "Renamed" })),
  deleteResourceByExternalId: (w, c) => external(c, (at) => w.authorization.deleteResourceByExternalId({ ...at, cascadeDelete: true })),
  check: (w, c) => assigned(c, (a) => w.authorization.check({ organizationMembershipId: a.membership.id, permissionSlug: a.permission.slug, resourceId: a.resource.id })),
  listRoleAssignments: (w, c) => assigned(c, (a) => w.authorization.listRoleAssignments({ organizationMembershipId: a.membership.id })),
  listRoleAssignmentsForResource: (w, c) => assigned(c, (a) => w.authorization.listRoleAssignmentsForResource({ resourceId: a.resource.id })),
  listResourceRoleAssignments: (w, c) => assigned(c, (a) => w.authorization.listResourceRoleAssignments({ organizationId: a.organization.id, resourceTypeSlug: a.type, externalId: a.resource.external_id })),
  assignRole: async (w, c) => {
    const organization = await c.organization();
    const [membership, type] = [await c.membership(undefined, organization), await c.resourceType()];
    const [resource, { role }] = [await c.resource(organization, type), await c.resourceRole(type)];
    return w.authorization.assignRole({ organizationMembershipId: membership.id, roleSlug: role.slug, resourceExternalId: resource.external_id, resourceTypeSlug: type });
  },
  removeRole: (w, c) => assigned(c, (a) => w.authorization.removeRole({ organizationMembershipId: a.membership.id, roleSlug: a.role.slug, resourceId: a.resource.id })),
  removeRoleAssignment: (w, c) => assigned(c, (a) => w.authorization.removeRoleAssignment({ organizationMembershipId: a.membership.id, roleAssignmentId: a.assignment.id })),
  listGroupRoleAssignments: async (w, c) => w.authorization.listGroupRoleAssignments({ groupId: (await c.groupAssigned()).group.id }),
  getGroupRoleAssignment: async (w, c) => {
    const a = await c.groupAssigned();
    return w.authorization.getGroupRoleAssignment({ groupId: a.group.id, roleAssignmentId: a.assignment.id });
  },
  createGroupRoleAssignment: (w, c) => assigned(c, async (a) => w.authorization.createGroupRoleAssignment({ groupId: (await c.group(a.organization)).id, roleSlug: a.role.slug, resourceId: a.resource.id })),
  removeGroupRoleAssignment: async (w, c) => {
    const a = await c.groupAssigned();
    return w.authorization.removeGroupRoleAssignment({ groupId: a.group.id, roleAssignmentId: a.assignment.id });
  },
  removeGroupRoleAssignments: async (w, c) => {
    const a = await c.groupAssigned();
    return w.authorization.removeGroupRoleAssignments({ groupId: a.group.id, roleSlug: a.role.slug, resourceId: a.resource.id });
  },
  replaceGroupRoleAssignments: (w, c) => assigned(c, async (a) => w.authorization.replaceGroupRoleAssignments({ groupId: (await c.group(a.organization)).id, roleAssignments: [{ roleSlug: a.role.slug, resourceId: a.resource.id }] })),
  listResourcesForMembership: (w, c) => assigned(c, (a) => w.authorization.listResourcesForMembership({ organizationMembershipId: a.membership.id, permissionSlug: a.permission.slug, parentResourceId: a.resource.id })),
  listMembershipsForResource: (w, c) => assigned(c, (a) => w.authorization.listMembershipsForResource({ resourceId: a.resource.id, permissionSlug: a.permission.slug })),
  listMembershipsForResourceByExternalId: (w, c) => assigned(c, (a) => w.authorization.listMembershipsForResourceByExternalId({ organizationId: a.organization.id, resourceTypeSlug: a.type, externalId: a.resource.external_id, permissionSlug: a.permission.slug })),
  listEffectivePermissions: (w, c) => assigned(c, (a) => w.authorization.listEffectivePermissions({ organizationMembershipId: a.membership.id, resourceId: a.resource.id })),
  listEffectivePermissionsByExternalId: (w, c) => assigned(c, (a) => w.authorization.listEffectivePermissionsByExternalId({ organizationMembershipId: a.membership.id, resourceTypeSlug: a.type, externalId: a.resource.external_id })),
};
const assigned = async (c, call) => call(await c.assigned());
const withRole = async (c, call) => {
  const organization = await c.organization();
  return call(organization.id, (await c.organizationRole(organization)).slug);
};
const external = async (c, call) => {
  const [organization, type] = [await c.organization(), await c.resourceType()];
  const resource = await c.resource(organization, type);
  return call({ organizationId: organization.id, resourceTypeSlug: type, externalId: resource.external_id });
};

const ofDirectory = async (c, call) => call(await c.directory());
const directorySync = {
  listDirectories: (w) => w.directorySync.listDirectories(),
  getDirectory: (w, c) => ofDirectory(c, (d) => w.directorySync.getDirectory(d.directory.id)),
  deleteDirectory: (w, c) => ofDirectory(c, (d) => w.directorySync.deleteDirectory(d.directory.id)),
  listGroups: (w, c) => ofDirectory(c, (d) => w.directorySync.listGroups({ directory: d.directory.id })),
  listUsers: (w, c) => ofDirectory(c, (d) => w.directorySync.listUsers({ directory: d.directory.id })),
  getUser: (w, c) => ofDirectory(c, (d) => w.directorySync.getUser(d.user.id)),
  getGroup: (w, c) => ofDirectory(c, (d) => w.directorySync.getGroup(d.group.id)),
};

const secret = async (c, id) => c.ask("POST", `/connect/applications/${id}/client_secrets`, {});
const connect = {
  completeOAuth2: refused((w) => w.connect.completeOAuth2({ externalAuthId: "external_none", user: { id: "ext", email: "ada@example.com" } }), "no such sign-in"),
  listApplications: (w) => w.connect.listApplications(),
  createApplication: async (w, c) => w.connect.createApplication({ applicationType: "m2m", name: fresh("Machine"), organizationId: (await c.organization()).id, scopes: [] }),
  createOAuthApplication: (w) => w.connect.createOAuthApplication(fresh("Site"), true, "A site", null, [{ uri: "https://site.example.com/callback", default: true }], true),
  createM2MApplication: async (w, c) => w.connect.createM2MApplication(fresh("Machine"), (await c.organization()).id),
  getApplication: async (w, c) => w.connect.getApplication({ id: (await c.application()).id }),
  updateApplication: async (w, c) => w.connect.updateApplication({ id: (await c.application()).id, name: "Renamed" }),
  deleteApplication: async (w, c) => w.connect.deleteApplication({ id: (await c.application()).id }),
  listApplicationClientSecrets: async (w, c) => w.connect.listApplicationClientSecrets({ id: (await c.application()).id }),
  createApplicationClientSecret: async (w, c) => w.connect.createApplicationClientSecret({ id: (await c.application()).id }),
  deleteClientSecret: async (w, c) => w.connect.deleteClientSecret({ id: (await secret(c, (await c.application()).id)).id }),
};

const featureFlags = {
  listFeatureFlags: (w) => w.featureFlags.listFeatureFlags(),
  getFeatureFlag: async (w, c) => w.featureFlags.getFeatureFlag((await c.flag()).slug),
  enableFeatureFlag: async (w, c) => w.featureFlags.enableFeatureFlag((await c.flag()).slug),
  disableFeatureFlag: async (w, c) => w.featureFlags.disableFeatureFlag((await c.flag()).slug),
  addFlagTarget: async (w, c) => w.featureFlags.addFlagTarget({ slug: (await c.flag()).slug, targetId: (await c.user()).id }),
  removeFlagTarget: async (w, c) => {
    const [flag, user] = [await c.flag(), await c.user()];
    await c.ask("POST", `/feature-flags/${flag.slug}/targets/${user.id}`);
    return w.featureFlags.removeFlagTarget({ slug: flag.slug, targetId: user.id });
  },
  listOrganizationFeatureFlags: async (w, c) => w.featureFlags.listOrganizationFeatureFlags({ organizationId: (await c.organization()).id }),
  listUserFeatureFlags: async (w, c) => w.featureFlags.listUserFeatureFlags({ userId: (await c.user()).id }),
  createRuntimeClient: async (w, c) => {
    const client = w.featureFlags.createRuntimeClient({ logger: { debug() {}, info() {}, warn() {}, error() {} } });
    client.on("error", () => {});
    try {
      await client.waitUntilReady({ timeoutMs: 60_000 });
      return client.isEnabled("no-such-flag", { userId: (await c.user()).id });
    } finally {
      client.close();
    }
  },
};

const inGroup = async (c, call) => {
  const organization = await c.organization();
  return call({ organizationId: organization.id, groupId: (await c.group(organization)).id }, organization);
};
const groups = {
  listOrganizationMemberships: (w, c) => inGroup(c, (at) => w.groups.listOrganizationMemberships(at)),
  listGroups: async (w, c) => w.groups.listGroups({ organizationId: (await c.organization()).id }),
  createGroup: async (w, c) => w.groups.createGroup({ organizationId: (await c.organization()).id, name: "Cooks" }),
  getGroup: (w, c) => inGroup(c, (at) => w.groups.getGroup(at)),
  updateGroup: (w, c) => inGroup(c, (at) => w.groups.updateGroup({ ...at, name: "Renamed" })),
  deleteGroup: (w, c) => inGroup(c, (at) => w.groups.deleteGroup(at)),
  addOrganizationMembership: (w, c) => inGroup(c, async (at, o) => w.groups.addOrganizationMembership({ ...at, organizationMembershipId: (await c.membership(undefined, o)).id })),
  removeOrganizationMembership: (w, c) =>
    inGroup(c, async (at, o) => {
      const { id } = await c.membership(undefined, o);
      await c.ask("POST", `/organizations/${at.organizationId}/groups/${at.groupId}/organization-memberships`, { organization_membership_id: id });
      return w.groups.removeOrganizationMembership({ ...at, organizationMembershipId: id });
    }),
};

const multiFactorAuth = {
  deleteFactor: async (w, c) => w.multiFactorAuth.deleteFactor((await c.factor()).id),
  getFactor: async (w, c) => w.multiFactorAuth.getFactor((await c.factor()).id),
  enrollFactor: (w) => w.multiFactorAuth.enrollFactor({ type: "totp", issuer: "Soup", user: "ada@example.com" }),
  challengeFactor: async (w, c) => w.multiFactorAuth.challengeFactor({ authenticationFactorId: (await c.factor()).id }),
  verifyChallenge: async (w, c) => {
    const challenge = await c.challenge();
    const key = challenge.factor.totp.secret;
    return w.multiFactorAuth.verifyChallenge({ authenticationChallengeId: challenge.id, code: typeof key === "string" && !key.startsWith("nothing") ? totp(key) : "123456" });
  },
  createUserAuthFactor: async (w, c) => w.multiFactorAuth.createUserAuthFactor({ userId: (await c.user()).id, type: "totp", totpIssuer: "Soup" }),
  listUserAuthFactors: async (w, c) => w.multiFactorAuth.listUserAuthFactors({ userId: (await c.user()).id }),
};

const contact = async (c, call) => {
  const organizationId = (await c.organization()).id;
  const made = await c.ask("POST", `/organizations/${organizationId}/it_contacts`, { email: `${fresh("it")}@example.com` });
  return call({ organizationId, contactId: made.id });
};
const organizations = {
  listOrganizations: (w) => w.organizations.listOrganizations({ limit: 5, order: "asc" }),
  createOrganization: (w) => w.organizations.createOrganization({ name: fresh("Soup"), externalId: fresh("ext"), metadata: { tier: "gold" }, domainData: [{ domain: `${fresh("soup")}.example.com`, state: "verified" }] }, { idempotencyKey: fresh("idempotency") }),
  deleteOrganization: async (w, c) => w.organizations.deleteOrganization((await c.organization()).id),
  getOrganization: async (w, c) => w.organizations.getOrganization((await c.organization()).id),
  getOrganizationByExternalId: async (w, c) => w.organizations.getOrganizationByExternalId((await c.organization({ external_id: fresh("ext") })).external_id),
  updateOrganization: async (w, c) => w.organizations.updateOrganization({ organization: (await c.organization()).id, name: "Renamed", metadata: { tier: null } }),
  listItContacts: async (w, c) => w.organizations.listItContacts({ organizationId: (await c.organization()).id }),
  createItContact: async (w, c) => w.organizations.createItContact({ organizationId: (await c.organization()).id, email: `${fresh("it")}@example.com` }),
  deleteItContact: (w, c) => contact(c, (at) => w.organizations.deleteItContact(at)),
  inviteItContact: (w, c) => contact(c, (at) => w.organizations.inviteItContact({ ...at, intents: ["sso"] })),
  revokeItContact: (w, c) => contact(c, (at) => w.organizations.revokeItContact(at)),
};

const organizationDomains = {
  getOrganizationDomain: async (w, c) => w.organizationDomains.getOrganizationDomain((await c.domain()).id),
  verifyOrganizationDomain: async (w, c) => w.organizationDomains.verifyOrganizationDomain((await c.domain()).id),
  createOrganizationDomain: async (w, c) => w.organizationDomains.createOrganizationDomain({ organizationId: (await c.organization()).id, domain: `${fresh("new")}.example.com` }),
  deleteOrganizationDomain: async (w, c) => w.organizationDomains.deleteOrganizationDomain((await c.domain()).id),
};

const passwordless = {
  createSession: (w) => w.passwordless.createSession({ type: "MagicLink", email: `${fresh("link")}@example.com` }),
  sendSession: async (w, c) => w.passwordless.sendSession((await c.ask("POST", "/passwordless/sessions", { type: "MagicLink", email: `${fresh("link")}@example.com` })).id),
};

const ofIntegration = async (c, call) => call(await c.integration());
const account = async (c, call) => {
  const [user, integration] = [await c.user(), await c.integration(["oauth"])];
  return call({ userId: user.id, slug: integration.slug }, `/user_management/users/${user.id}/connected_accounts/${integration.slug}`);
};
const tokens = { accessToken: "access", refreshToken: "refresh", scopes: ["read"], state: "connected" };
const connected = (c, call) =>
  account(c, async (at, path) => {
    await c.ask("POST", path, { access_token: "access", refresh_token: "refresh", scopes: ["read"] });
    return call(at);
  });
const organizationConnected = async (c, call) => {
  const at = await ofOrganization(c);
  await c.ask("POST", `/organizations/${at.organizationId}/connected_accounts/${at.slug}`, { user_id: at.userId, access_token: "access", refresh_token: "refresh", scopes: ["read"] });
  return call(at);
};
const ofOrganization = async (c) => ({ organizationId: (await c.organization()).id, slug: (await c.integration(["oauth"])).slug, userId: (await c.user()).id });
const pipes = {
  listDataIntegrations: (w) => w.pipes.listDataIntegrations(),
  createDataIntegration: async (w, c) => {
    await c.ask("DELETE", "/data-integrations/github").catch(() => {}); // of the client's other version
    return w.pipes.createDataIntegration({ provider: "github", enabled: true, scopes: ["repo"], credentials: { type: "custom", clientId: "c", clientSecret: "s" } });
  },
  getDataIntegration: (w, c) => ofIntegration(c, (i) => w.pipes.getDataIntegration({ slug: i.slug })),
  updateDataIntegration: (w, c) => ofIntegration(c, (i) => w.pipes.updateDataIntegration({ slug: i.slug, description: "changed" })),
  deleteDataIntegration: (w, c) => ofIntegration(c, (i) => w.pipes.deleteDataIntegration({ slug: i.slug })),
  createDataIntegrationApiKey: (w, c) => ofIntegration(c, async (i) => w.pipes.createDataIntegrationApiKey({ slug: i.slug, userId: (await c.user()).id, secret: "the secret of the other side", connectionIntent: "add" })),
  updateDataIntegrationApiKey: (w, c) => ofIntegration(c, async (i) => w.pipes.updateDataIntegrationApiKey({ slug: i.slug, userId: (await c.user()).id, secret: "the secret of the other side" })),
  authorizeDataIntegration: async (w, c) => w.pipes.authorizeDataIntegration({ slug: (await c.integration(["oauth"])).slug, userId: (await c.user()).id }),
  createDataIntegrationClientCredential: async (w, c) => w.pipes.createDataIntegrationClientCredential({ slug: (await c.integration(["client_credentials"])).slug, userId: (await c.user()).id, clientId: "c", clientSecret: "s", connectionIntent: "add" }),
  updateDataIntegrationClientCredentials: async (w, c) => w.pipes.updateDataIntegrationClientCredentials({ slug: (await c.integration(["client_credentials"])).slug, userId: (await c.user()).id, clientId: "c", clientSecret: "s" }),
  createDataIntegrationCredential: async (w, c) => {
    const { user, integration } = await c.installed();
    return w.pipes.createDataIntegrationCredential({ slug: integration.slug, userId: user.id });
  },
  getOrganizationDataIntegration: (w, c) => ofIntegration(c, (i) => w.pipes.getOrganizationDataIntegration({ slug: i.slug })),
  updateOrganizationDataIntegration: (w, c) => ofIntegration(c, (i) => w.pipes.updateOrganizationDataIntegration({ slug: i.slug, description: "changed" })),
  deleteOrganizationDataIntegration: (w, c) => ofIntegration(c, (i) => w.pipes.deleteOrganizationDataIntegration({ slug: i.slug })),
  getAccessToken: (w, c) => connected(c, (at) => w.pipes.getAccessToken({ provider: at.slug, userId: at.userId })),
  getOrganizationConnectedAccount: (w, c) => organizationConnected(c, (at) => w.pipes.getOrganizationConnectedAccount(at)),
  createOrganizationConnectedAccount: async (w, c) => w.pipes.createOrganizationConnectedAccount({ ...(await ofOrganization(c)), ...tokens }),
  updateOrganizationConnectedAccount: (w, c) => organizationConnected(c, (at) => w.pipes.updateOrganizationConnectedAccount({ ...at, ...tokens })),
  deleteOrganizationConnectedAccount: (w, c) => organizationConnected(c, (at) => w.pipes.deleteOrganizationConnectedAccount(at)),
  listOrganizationDataProviders: async (w, c) => w.pipes.listOrganizationDataProviders({ organizationId: (await c.organization()).id }),
  getUserConnectedAccount: (w, c) => connected(c, (at) => w.pipes.getUserConnectedAccount(at)),
  createUserConnectedAccount: (w, c) => account(c, (at) => w.pipes.createUserConnectedAccount({ ...at, ...tokens })),
  updateUserConnectedAccount: (w, c) => connected(c, (at) => w.pipes.updateUserConnectedAccount({ ...at, ...tokens })),
  deleteUserConnectedAccount: (w, c) => connected(c, (at) => w.pipes.deleteUserConnectedAccount(at)),
  listUserDataProviders: async (w, c) => w.pipes.listUserDataProviders({ userId: (await c.user()).id }),
};

const attempt = { ipAddress: "203.0.113.7", userAgent: "Mozilla/5.0", email: "ada@example.com", authMethod: "Password", action: "sign-in" };
const radar = {
  createAttempt: (w) => w.radar.createAttempt(attempt),
  updateAttempt: async (w, c) => w.radar.updateAttempt({ id: (await c.ask("POST", "/radar/attempts", { ip_address: "203.0.113.7", user_agent: "Mozilla/5.0", email: "ada@example.com", auth_method: "Password", action: "sign-in" })).attempt_id, attemptStatus: "success" }),
  addListEntry: (w) => w.radar.addListEntry({ type: "ip_address", action: "block", entry: "198.51.100.7" }),
  removeListEntry: async (w, c) => {
    await c.ask("POST", "/radar/lists/ip_address/block", { entry: "198.51.100.9" });
    return w.radar.removeListEntry({ type: "ip_address", action: "block", entry: "198.51.100.9" });
  },
};

const sso = {
  listConnections: (w) => w.sso.listConnections(),
  deleteConnection: async (w, c) => w.sso.deleteConnection((await c.connection()).id),
  getConnection: async (w, c) => w.sso.getConnection((await c.connection()).id),
  getAuthorizationUrl: (w, c) => w.sso.getAuthorizationUrl({ connection: "conn_1", redirectUri: c.callback, clientId: c.clientId, state: "s" }),
  getAuthorizationUrlWithPKCE: (w, c) => w.sso.getAuthorizationUrlWithPKCE({ connection: "conn_1", redirectUri: c.callback, clientId: c.clientId }),
  getProfileAndToken: refused((w, c) => w.sso.getProfileAndToken({ clientId: c.clientId, code: "no-such-code" }), "no such code; whole journeys are in the scenarios of sign-on"),
  getProfile: refused((w) => w.sso.getProfile({ accessToken: "no-such-token" }), "no such token"),
};

const signedIn = async (w, c) => w.userManagement.authenticateWithPassword({ clientId: c.clientId, email: (await c.user()).email, password, session: { sealSession: true, cookiePassword } });
const halfway = async (w, c) => {
  const step = await c.halfway();
  return w.userManagement.authenticateWithTotp({ clientId: c.clientId, code: step.code, pendingAuthenticationToken: step.token, authenticationChallengeId: step.challenge });
};
const unverified = async (c) => {
  const user = await c.user({ email_verified: false });
  return { user, step: await c.session(user) };
};
const userManagement = {
  getJWKS: async (w) => (await w.userManagement.getJWKS())({ alg: "RS256" }).catch((e) => { if (e.code !== "ERR_JWKS_MULTIPLE_MATCHING_KEYS") throw e; }),
  loadSealedSession: async (w, c) => {
    const session = w.userManagement.loadSealedSession({ sessionData: (await signedIn(w, c)).sealedSession, cookiePassword });
    const [seen, renewed] = [await session.authenticate(), await session.refresh()];
    if (!seen.authenticated || !renewed.authenticated || !(await session.getLogoutUrl()).includes("session_id=")) {
      throw new Error(JSON.stringify([seen, renewed]));
    }
    return renewed;
  },
  getUser: async (w, c) => w.userManagement.getUser((await c.user()).id),
  getUserByExternalId: async (w, c) => w.userManagement.getUserByExternalId((await c.user({ external_id: fresh("ext") })).external_id),
  listUsers: (w) => w.userManagement.listUsers({ limit: 3 }),
  createUser: (w) => w.userManagement.createUser({ email: `${fresh("new")}@example.com`, password, firstName: "Ada", lastName: "L", emailVerified: true, externalId: fresh("ext"), metadata: { team: "soup" } }),
  authenticateWithMagicAuth: async (w, c) => {
    const user = await c.user();
    const magic = await c.ask("POST", "/user_management/magic_auth", { email: user.email });
    return w.userManagement.authenticateWithMagicAuth({ clientId: c.clientId, email: user.email, code: magic.code });
  },
  authenticateWithPassword: async (w, c) => w.userManagement.authenticateWithPassword({ clientId: c.clientId, email: (await c.user()).email, password, ipAddress: "203.0.113.7", userAgent: "Mozilla/5.0" }),
  authenticateWithCode: async (w, c) => w.userManagement.authenticateWithCode({ clientId: c.clientId, code: await c.authorizationCode() }),
  authenticateWithCodeAndVerifier: async (w, c) => {
    const verifier = c.verifier();
    return w.userManagement.authenticateWithCodeAndVerifier({ clientId: c.clientId, code: await c.authorizationCode({ verifier }), codeVerifier: verifier });
  },
  authenticateWithRefreshToken: async (w, c) => w.userManagement.authenticateWithRefreshToken({ clientId: c.clientId, refreshToken: (await c.session()).refresh_token }),
  authenticateWithTotp: halfway,
  authenticateWithEmailVerification: async (w, c) => {
    const { user, step } = await unverified(c);
    return w.userManagement.authenticateWithEmailVerification({ clientId: c.clientId, code: await c.code(user.email), pendingAuthenticationToken: step.pending_authentication_token });
  },
  authenticateWithOrganizationSelection: async (w, c) => {
    const user = await c.user();
    const [one] = [await c.organization(), await c.membership(user), await c.membership(user)].slice(1);
    const step = await c.session(user);
    return w.userManagement.authenticateWithOrganizationSelection({ clientId: c.clientId, organizationId: one.organization_id, pendingAuthenticationToken: step.pending_authentication_token });
  },
  sendRadarSmsChallenge: refused((w, c) => c.user().then((u) => w.userManagement.sendRadarSmsChallenge({ userId: u.id, pendingAuthenticationToken: "none", phoneNumber: "+15555550123" })), "no such attempt"),
  authenticateWithRadarSmsChallenge: refused((w, c) => w.userManagement.authenticateWithRadarSmsChallenge({ clientId: c.clientId, code: "123456", verificationId: "none", phoneNumber: "+15555550123", pendingAuthenticationToken: "none" }), "no such challenge"),
  authenticateWithRadarEmailChallenge: refused((w, c) => w.userManagement.authenticateWithRadarEmailChallenge({ clientId: c.clientId, code: "123456", radarChallengeId: "radar_challenge_none", pendingAuthenticationToken: "none" }), "no such challenge"),
  authenticateWithSessionCookie: async (w, c) => {
    const seen = await w.userManagement.authenticateWithSessionCookie({ sessionData: (await signedIn(w, c)).sealedSession, cookiePassword });
    if (!seen.authenticated) {
      throw new Error(JSON.stringify(seen));
    }
    return seen;
  },
  getSessionFromCookie: async (w, c) => w.userManagement.getSessionFromCookie({ sessionData: (await signedIn(w, c)).sealedSession, cookiePassword }),
  getEmailVerification: async (w, c) => w.userManagement.getEmailVerification((await unverified(c)).step.email_verification_id),
  sendVerificationEmail: async (w, c) => w.userManagement.sendVerificationEmail({ userId: (await c.user({ email_verified: false })).id }),
  getMagicAuth: async (w, c) => w.userManagement.getMagicAuth((await c.ask("POST", "/user_management/magic_auth", { email: (await c.user()).email })).id),
  createMagicAuth: (w) => w.userManagement.createMagicAuth({ email: `${fresh("magic")}@example.com` }),
  verifyEmail: async (w, c) => {
    const user = await c.user({ email_verified: false });
    await c.ask("POST", `/user_management/users/${user.id}/email_verification/send`);
    return w.userManagement.verifyEmail({ userId: user.id, code: await c.code(user.email) });
  },
  getPasswordReset: async (w, c) => w.userManagement.getPasswordReset((await c.ask("POST", "/user_management/password_reset", { email: (await c.user()).email })).id),
  createPasswordReset: async (w, c) => w.userManagement.createPasswordReset({ email: (await c.user()).email }),
  resetPassword: async (w, c) => w.userManagement.resetPassword({ token: (await c.ask("POST", "/user_management/password_reset", { email: (await c.user()).email })).password_reset_token, newPassword: "another horse, another battery" }),
  updateUser: async (w, c) => w.userManagement.updateUser({ userId: (await c.user()).id, firstName: "Grace", metadata: { team: "salad" }, locale: "en-GB" }),
  listSessions: async (w, c) => w.userManagement.listSessions((await c.session()).user.id),
  deleteUser: async (w, c) => w.userManagement.deleteUser((await c.user()).id),
  listUserApiKeys: async (w, c) => w.userManagement.listUserApiKeys((await c.user()).id),
  createUserApiKey: async (w, c) => {
    const membership = await c.membership();
    return w.userManagement.createUserApiKey(membership.user_id, { name: "Laptop", organizationId: membership.organization_id });
  },
  getUserIdentities: async (w, c) => w.userManagement.getUserIdentities((await c.user()).id),
  getOrganizationMembership: async (w, c) => w.userManagement.getOrganizationMembership((await c.membership()).id),
  listOrganizationMemberships: async (w, c) => w.userManagement.listOrganizationMemberships({ userId: (await c.membership()).user_id, statuses: ["active"] }),
  createOrganizationMembership: async (w, c) => w.userManagement.createOrganizationMembership({ organizationId: (await c.organization()).id, userId: (await c.user()).id, roleSlug: (await c.role()).slug }),
  updateOrganizationMembership: async (w, c) => w.userManagement.updateOrganizationMembership((await c.membership()).id, { roleSlug: (await c.role()).slug }),
  deleteOrganizationMembership: async (w, c) => w.userManagement.deleteOrganizationMembership((await c.membership()).id),
  deactivateOrganizationMembership: async (w, c) => w.userManagement.deactivateOrganizationMembership((await c.membership()).id),
  reactivateOrganizationMembership: async (w, c) => {
    const { id } = await c.membership();
    await c.ask("PUT", `/user_management/organization_memberships/${id}/deactivate`);
    return w.userManagement.reactivateOrganizationMembership(id);
  },
  listGroupsForOrganizationMembership: async (w, c) => w.userManagement.listGroupsForOrganizationMembership({ organizationMembershipId: (await c.membership()).id }),
  getInvitation: async (w, c) => w.userManagement.getInvitation((await c.invitation()).id),
  findInvitationByToken: async (w, c) => w.userManagement.findInvitationByToken((await c.invitation()).token),
  listInvitations: (w) => w.userManagement.listInvitations({}),
  sendInvitation: async (w, c) => w.userManagement.sendInvitation({ email: `${fresh("guest")}@example.com`, organizationId: (await c.organization()).id, expiresInDays: 3 }),
  acceptInvitation: async (w, c) => {
    const invitation = await c.invitation({ organization_id: (await c.organization()).id });
    await c.user({ email: invitation.email });
    return w.userManagement.acceptInvitation(invitation.id);
  },
  revokeInvitation: async (w, c) => w.userManagement.revokeInvitation((await c.invitation()).id),
  resendInvitation: async (w, c) => w.userManagement.resendInvitation((await c.invitation()).id),
  listWaitlists: (w) => w.userManagement.listWaitlists(),
  getWaitlist: async (w, c) => w.userManagement.getWaitlist((await c.waitlist()).id),
  listWaitlistEntries: async (w, c) => w.userManagement.listWaitlistEntries((await c.waitlist()).id),
  createWaitlistEntry: async (w, c) => w.userManagement.createWaitlistEntry((await c.waitlist()).id, { email: `${fresh("waiting")}@example.com` }),
  approveWaitlistEntry: async (w, c) => w.userManagement.approveWaitlistEntry((await c.waiting()).id),
  denyWaitlistEntry: async (w, c) => w.userManagement.denyWaitlistEntry((await c.waiting()).id),
  deleteWaitlistEntry: async (w, c) => w.userManagement.deleteWaitlistEntry((await c.waiting()).id),
  revokeSession: async (w, c) => {
    const { access_token: token } = await c.session();
    return w.userManagement.revokeSession({ sessionId: JSON.parse(Buffer.from(token.split(".")[1], "base64url")).sid });
  },
  getAuthorizationUrl: (w, c) => w.userManagement.getAuthorizationUrl({ provider: "authkit", redirectUri: c.callback, clientId: c.clientId, state: "s" }),
  getAuthorizationUrlWithPKCE: (w, c) => w.userManagement.getAuthorizationUrlWithPKCE({ provider: "authkit", redirectUri: c.callback, clientId: c.clientId }),
  getLogoutUrl: (w) => w.userManagement.getLogoutUrl({ sessionId: "session_1", returnTo: "http://localhost:5173/" }),
  getJwksUrl: (w, c) => w.userManagement.getJwksUrl(c.clientId),
};

const vault = {
  readObjectByName: async (w, c) => w.vault.readObjectByName((await c.vaultObject()).name),
  createDataKey: (w) => w.vault.createDataKey({ context: { tenant: "one" } }),
  decryptDataKey: async (w, c) => w.vault.decryptDataKey({ keys: (await c.ask("POST", "/vault/v1/keys/data-key", { context: { tenant: "one" } })).encrypted_keys }),
  createRekey: async (w, c) => w.vault.createRekey({ context: { tenant: "two" }, encryptedKeys: (await c.ask("POST", "/vault/v1/keys/data-key", { context: { tenant: "one" } })).encrypted_keys }),
  listObjects: (w) => w.vault.listObjects(),
  createObject: (w) => w.vault.createObject({ name: fresh("secret"), value: "squeamish ossifrage", context: { tenant: "one" } }),
  readObject: async (w, c) => w.vault.readObject({ id: (await c.vaultObject()).id }),
  updateObject: async (w, c) => w.vault.updateObject({ id: (await c.vaultObject()).id, value: "changed" }),
  deleteObject: async (w, c) => w.vault.deleteObject({ id: (await c.vaultObject()).id }),
  describeObject: async (w, c) => w.vault.describeObject({ id: (await c.vaultObject()).id }),
  listObjectVersions: async (w, c) => w.vault.listObjectVersions({ id: (await c.vaultObject()).id }),
  encrypt: (w) => w.vault.encrypt("attack at dawn", { tenant: "one" }, "bound"),
  decrypt: async (w) => {
    const plain = await w.vault.decrypt(await w.vault.encrypt("attack at dawn", { tenant: "one" }, "bound"), "bound");
    if (plain !== "attack at dawn") {
      throw new Error(`decrypted ${plain}`);
    }
    return plain;
  },
};

const signed = async (w) => {
  const [payload, timestamp, key] = [{ id: "event_1", event: "user.created", data: { object: "user", id: "user_1", email: "a@b.c", email_verified: true, created_at: "", updated_at: "" } }, String(Date.now()), "secret"];
  return { payload, secret: key, sigHeader: `t=${timestamp}, v1=${await w.webhooks.computeSignature(timestamp, payload, key)}` };
};
const webhooks = {
  listWebhookEndpoints: (w) => w.webhooks.listWebhookEndpoints(),
  createWebhookEndpoint: (w) => w.webhooks.createWebhookEndpoint({ endpointUrl: `http://localhost:9/${fresh("hook")}`, events: ["user.created", "session.created"] }),
  updateWebhookEndpoint: async (w, c) => w.webhooks.updateWebhookEndpoint({ id: (await c.endpoint()).id, status: "disabled" }),
  deleteWebhookEndpoint: async (w, c) => w.webhooks.deleteWebhookEndpoint({ id: (await c.endpoint()).id }),
  verifyHeader: async (w) => w.webhooks.verifyHeader(await signed(w)),
  computeSignature: (w) => w.webhooks.computeSignature("1", { a: 1 }, "secret"),
  getTimestampAndSignatureHash: async (w) => w.webhooks.getTimestampAndSignatureHash((await signed(w)).sigHeader),
  constructEvent: async (w) => w.webhooks.constructEvent(await signed(w)),
};

export const calls = {
  actions: {
    computeSignature: (w) => w.actions.computeSignature("1", { a: 1 }, "secret"),
    verifyHeader: async (w) => w.actions.verifyHeader(await signed(w)),
    signResponse: (w) => w.actions.signResponse({ type: "authentication", verdict: "Allow" }, "secret"),
    constructAction: async (w) => {
      const payload = { object: "authentication_action_context", id: "a", user: { object: "user", id: "u", email: "a@b.c", created_at: "", updated_at: "" } };
      const timestamp = String(Date.now());
      return w.actions.constructAction({ payload, secret: "secret", sigHeader: `t=${timestamp}, v1=${await w.actions.computeSignature(timestamp, payload, "secret")}` });
    },
  },
  adminPortal: { generateLink: async (w, c) => w.adminPortal.generateLink({ organization: (await c.organization()).id, intent: "sso", returnUrl: "http://localhost:5173/" }) },
  agents, apiKeys, auditLogs, authorization, connect, directorySync,
  events: { listEvents: (w) => w.events.listEvents({ events: ["user.created"] }) },
  featureFlags, groups, multiFactorAuth, organizationDomains, organizations, passwordless, pipes,
  pkce: { generateCodeVerifier: (w) => w.pkce.generateCodeVerifier(), generateCodeChallenge: (w) => w.pkce.generateCodeChallenge("a".repeat(43)), generate: (w) => w.pkce.generate() },
  radar, sso, userManagement, vault, webhooks,
  widgets: { createToken: async (w, c) => {
    const scope = "widgets:users-table:manage"; // is also the permission that the user needs
    await c.ask("POST", "/authorization/permissions", { slug: scope, name: "Manage users" }).catch((e) => { if (e.status !== 409) throw e; });
    const role = await c.role();
    await c.ask("PUT", `/authorization/roles/${role.slug}/permissions`, { permissions: [scope] });
    const membership = await c.membership(undefined, undefined, { role_slug: role.slug });
    return w.widgets.createToken({ organizationId: membership.organization_id, userId: membership.user_id, scopes: ["widgets:users-table:manage"] });
  } },
};
