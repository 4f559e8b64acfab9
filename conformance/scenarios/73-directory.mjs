// Okta and Entra ID as SCIM clients, played by hand in their dialects, and the official Node clients that read what came of it.
import { fails, holds, lacks, same } from "../lib/check.mjs";
import { until } from "../lib/lentil.mjs";
import { both } from "../lib/sdk.mjs";

export { openWithClients as setUp, tearDown } from "../lib/sdk.mjs";

const enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const patch = (...Operations) => ({ schemas: ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], Operations });

/** A directory of a fresh organization that has verified a domain, and its SCIM client. */
async function directory(house, workos, domain, more = {}) {
  const organization = await workos.organizations.createOrganization({ name: domain, domainData: [{ domain, state: "verified" }] });
  const made = await house.operate("POST", "/_lentil/v1/directories", { organization_id: organization.id, ...more });
  const scim = async (method, path, body, wanted = [200, 201, 204]) => {
    const answer = await fetch(made.endpoint + path, { method, headers: { Authorization: `Bearer ${made.token}`, "Content-Type": "application/scim+json" }, body: body && JSON.stringify(body) });
    const text = await answer.text();
    holds([wanted].flat().includes(answer.status), `${method} ${path}: ${answer.status} ${text}`);
    return text === "" ? undefined : JSON.parse(text);
  };
  return { organization, made, scim };
}

/** Every event of some kinds that is about a directory, oldest first. */
async function history(workos, id, ...events) {
  const all = await (await workos.events.listEvents({ events, limit: 100 })).data;
  return all.filter((e) => [e.data.id, e.data.directoryId, e.data.directory_id].includes(id));
}

export const scenarios = {
  "Okta provisions, changes and removes a person; the clients read it and its events": both(async (workos, house, major) => {
    const domain = `okta${major}.example.com`;
    const { organization, made, scim } = await directory(house, workos, domain, { type: "okta scim v2.0", group_roles: { Admins: "admin" } });
    const filter = `/Users?filter=${encodeURIComponent(`userName eq "ann@${domain}"`)}&startIndex=1&count=100`;
    same((await scim("GET", filter)).totalResults, 0);
    const ann = await scim("POST", "/Users", {
      schemas: ["urn:ietf:params:scim:schemas:core:2.0:User"], userName: `ann@${domain}`, name: { givenName: "Ann", familyName: "Doe" },
      emails: [{ primary: true, value: `ann@${domain}`, type: "work" }], displayName: "Ann Doe", locale: "en-US", externalId: `00u${major}`, groups: [], password: "pushed-s3cret", active: true,
    });
    lacks(JSON.stringify(ann), "pushed-s3cret", "the answer");
    await scim("POST", "/Users", { userName: `ANN@${domain}` }, 409);
    same((await scim("GET", filter)).Resources[0].id, ann.id);

    const [listed] = (await workos.directorySync.listDirectories({ organizationId: organization.id })).data;
    same([listed.id, listed.state, listed.type, listed.organizationId], [made.id, "active", "okta scim v2.0", organization.id]);
    const user = await workos.directorySync.getUser(ann.id);
    same([user.email, user.firstName, user.state, user.idpId, user.groups], [`ann@${domain}`, "Ann", "active", `00u${major}`, []]);
    same(user.rawAttributes.displayName, "Ann Doe");
    lacks(JSON.stringify(user), "pushed-s3cret", "the directory user");

    const [person] = (await workos.userManagement.listUsers({ email: `ann@${domain}` })).data;
    same([person.emailVerified, person.firstName], [true, "Ann"]);
    const membership = async () => (await workos.userManagement.listOrganizationMemberships({ userId: person.id, statuses: ["active", "inactive"] })).data[0];
    same([(await membership()).status, (await membership()).directoryManaged, (await membership()).role.slug], ["active", true, "member"]);

    const group = await scim("POST", "/Groups", { displayName: "Staff", members: [] });
    await scim("PATCH", `/Groups/${group.id}`, patch({ op: "add", path: "members", value: [{ value: ann.id, display: `ann@${domain}` }] }));
    await scim("PATCH", `/Groups/${group.id}`, patch({ op: "replace", value: { id: group.id, displayName: "Admins" } }));
    same((await membership()).role.slug, "admin");
    same((await workos.directorySync.listUsers({ group: group.id })).data.map((u) => [u.id, u.role.slug, u.groups[0].name]), [[ann.id, "admin", "Admins"]]);
    same((await workos.directorySync.listGroups({ user: ann.id })).data.map((g) => g.name), ["Admins"]);
    same((await workos.directorySync.getGroup(group.id)).name, "Admins");

    await scim("PATCH", `/Users/${ann.id}`, patch({ op: "replace", value: { active: false } }));
    same((await workos.directorySync.getUser(ann.id)).state, "inactive");
    same((await membership()).status, "inactive");
    await scim("PUT", `/Users/${ann.id}`, { userName: `ann@${domain}`, name: { givenName: "Anna", familyName: "Doe" }, emails: [{ primary: true, value: `ann@${domain}` }], externalId: `00u${major}`, active: true });
    same([(await membership()).status, (await workos.userManagement.getUser(person.id)).firstName], ["active", "Anna"]);

    const events = await history(workos, made.id, "dsync.activated", "dsync.token.created", "dsync.user.created", "dsync.user.updated", "dsync.group.created", "dsync.group.updated", "dsync.group.user_added");
    same(events.map((e) => e.event), ["dsync.activated", "dsync.token.created", "dsync.user.created", "dsync.group.created", "dsync.group.user_added", "dsync.user.updated", "dsync.group.updated", "dsync.user.updated", "dsync.user.updated"]);
    same(events[0].data.domains.map((d) => d.domain), [domain]);
    same(events[6].data.previousAttributes.name, "Staff");
    same([events[7].data.previousAttributes.state, events[8].data.previousAttributes.first_name], ["active", "Ann"]);

    await scim("DELETE", `/Users/${ann.id}`);
    same((await membership()).status, "inactive");
    same((await fails(() => workos.directorySync.getUser(ann.id), "")).status, 404);
    same((await history(workos, made.id, "dsync.user.deleted", "dsync.group.user_removed")).map((e) => e.event), ["dsync.group.user_removed", "dsync.user.deleted"]);
    await workos.directorySync.deleteDirectory(made.id);
    same((await fails(() => workos.directorySync.getDirectory(made.id), "")).status, 404);
    await scim("GET", "/Users", undefined, 401);
    same((await history(workos, made.id, "dsync.deleted")).length, 1);
  }),

  "Entra ID patches in its own way, by pages of a hundred": both(async (workos, house, major) => {
    const domain = `entra${major}.example.com`;
    const { made, scim } = await directory(house, workos, domain, { type: "azure scim v2.0" });
    const bob = await scim("POST", "/Users?aadOptscim062020", {
      schemas: ["urn:ietf:params:scim:schemas:core:2.0:User", enterprise], externalId: `e${major}`, userName: `bob@${domain}`, active: true,
      name: { formatted: "Bob B", familyName: "B", givenName: "Bob" }, [enterprise]: { department: "Kitchen" },
    });
    const changed = await scim("PATCH", `/Users/${bob.id}`, patch(
      { op: "Add", path: 'emails[type eq "work"].value', value: `bob@${domain}` }, { op: "Replace", path: "name.familyName", value: "Baker" },
      { op: "Add", path: `${enterprise}:manager`, value: "chef" }, { op: "Replace", path: `${enterprise}:department`, value: "Bakery" }, { op: "Replace", path: "active", value: "False" },
    ));
    same([changed.active, changed.name.familyName, changed[enterprise]], [false, "Baker", { department: "Bakery", manager: { value: "chef" } }]);
    const read = await workos.directorySync.getUser(bob.id);
    same([read.state, read.lastName, read.customAttributes.department_name], ["inactive", "Baker", "Bakery"]);
    await scim("PATCH", `/Users/${bob.id}`, patch({ op: "Replace", value: { active: "True", "name.givenName": "Robert" } }));
    same((await workos.directorySync.getUser(bob.id)).firstName, "Robert");

    const staff = [bob.id];
    for (let n = 1; n < 12; n++) {
      staff.push((await scim("POST", "/Users", { userName: `u${n}@${domain}`, externalId: `x${n}`, active: true })).id);
    }
    const group = await scim("POST", "/Groups", { schemas: ["urn:ietf:params:scim:schemas:core:2.0:Group"], externalId: "g1", displayName: "Everybody" });
    await scim("PATCH", `/Groups/${group.id}`, patch(...staff.map((value) => ({ op: "Add", path: "members", value: [{ value }] }))));
    const asked = await scim("GET", `/Groups?excludedAttributes=members&filter=${encodeURIComponent(`id eq "${group.id}" and members eq "${bob.id}"`)}`);
    same([asked.totalResults, asked.Resources[0].members], [1, undefined]);
    await scim("PATCH", `/Groups/${group.id}`, patch({ op: "Remove", path: "members", value: [{ value: staff[1] }] }, { op: "Remove", path: `members[value eq "${staff[2]}"]` }));
    same((await scim("GET", `/Groups/${group.id}`)).members.length, 10);
    const seen = new Set();
    for (let startIndex = 1; startIndex <= 12; startIndex += 5) {
      const page = await scim("GET", `/Users?startIndex=${startIndex}&count=5`);
      same(page.totalResults, 12);
      page.Resources.forEach((u) => seen.add(u.id));
    }
    same(seen.size, 12);
    const paged = await (await workos.directorySync.listUsers({ directory: made.id })).autoPagination();
    same(new Set(paged.map((u) => u.id)), seen);
    same((await workos.directorySync.listUsers({ directory: made.id, limit: 100 })).data.filter((u) => u.groups.length === 1).length, 10);
    same((await scim("POST", "/Bulk", {}, 501)).status, "501");
    same((await scim("GET", "/Users?filter=userName%20is%20%22x%22", undefined, 400)).scimType, "invalidFilter");
    const rotated = await house.operate("POST", `/_lentil/v1/directories/${made.id}/token`);
    holds(rotated.token !== made.token && rotated.token.endsWith(rotated.token_suffix), "another token");
    await scim("GET", "/Users", undefined, 401);
  }),

  "whoever the directory turns away is signed out": both(async (workos, house, major) => {
    const domain = `leave${major}.example.com`;
    const { organization, scim } = await directory(house, workos, domain);
    const eve = await scim("POST", "/Users", { userName: `eve@${domain}`, name: { givenName: "Eve", familyName: "Doe" }, active: true });
    const [person] = (await workos.userManagement.listUsers({ email: `eve@${domain}` })).data;
    const password = "correct horse battery staple";
    await workos.userManagement.updateUser({ userId: person.id, password });
    const { clientId } = house.lentil.info;
    const signedIn = await workos.userManagement.authenticateWithPassword({ clientId, email: person.email, password });
    same(signedIn.organizationId, organization.id);
    await scim("PATCH", `/Users/${eve.id}`, patch({ op: "replace", value: { active: false } }));
    const refused = await fails(() => workos.userManagement.authenticateWithRefreshToken({ clientId, refreshToken: signedIn.refreshToken }), "a refresh");
    same([refused.status, refused.error], [400, "invalid_grant"]);
    const sessions = (await workos.userManagement.listSessions(person.id)).data;
    same(sessions.map((s) => s.status), ["revoked"]);
  }),

  "what was answered is there after a kill, with its event and its membership": async (house) => {
    const { made, scim } = await directory(house, house.clients[11], "killed.example.com");
    const answered = [];
    let killed = false;
    const push = async (worker) => {
      for (let n = 0; !killed; n++) {
        const userName = `u${worker}-${n}@killed.example.com`;
        const user = await scim("POST", "/Users", { userName, externalId: `${worker}-${n}`, active: true }).catch(() => undefined);
        if (user) {
          answered.push(user.id);
        }
      }
    };
    const workers = [0, 1, 2, 3].map(push);
    await until("a crowd", () => answered.length >= 60);
    await house.lentil.stop("SIGKILL");
    killed = true;
    await Promise.all(workers);
    await house.lentil.start();
    const workos = house.clients[11];
    const users = await (await workos.directorySync.listUsers({ directory: made.id })).autoPagination();
    const ids = new Set(users.map((u) => u.id));
    same(answered.filter((id) => !ids.has(id)), []);
    const directoryNow = await workos.directorySync.getDirectory(made.id);
    const counted = (await house.operate("GET", `/directories/${made.id}`)).metadata.users.active;
    same([directoryNow.state, counted], ["active", users.length]);
    const told = new Set();
    const memberships = await (await workos.userManagement.listOrganizationMemberships({ organizationId: made.organization_id })).autoPagination();
    for (let after; ; ) {
      const page = await workos.events.listEvents({ events: ["dsync.user.created"], limit: 100, after });
      page.data.forEach((e) => told.add(e.data.id));
      after = page.listMetadata.after;
      if (!after) {
        break;
      }
    }
    same([users.filter((u) => !told.has(u.id)).length, memberships.length], [0, users.length]);
  },
};
