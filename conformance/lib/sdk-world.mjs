// Things for the SDK's methods to be called on, each made when it is asked for, over plain HTTP. What cannot be made, because
// the house does not offer the operation, throws Unreachable; the stand-in world then gives ids of nothing instead.
import { createHash, createHmac, randomBytes } from "node:crypto";
import { sleep } from "./lentil.mjs";

export const password = "correct horse battery staple";
export const cookiePassword = "a cookie password of more than thirty-two characters";

/** A method could not be tried as it should, because something it needs is not offered. */
export class Unreachable extends Error {}

/** The six digits of a TOTP secret (RFC 6238), now. */
export function totp(secret) {
  const bits = [...secret.replace(/=+$/, "").toUpperCase()].map((c) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(c).toString(2).padStart(5, "0")).join("");
  const key = Buffer.from(bits.match(/.{8}/g).map((b) => parseInt(b, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000)));
  const mac = createHmac("sha1", key).update(counter).digest();
  return String((mac.readUInt32BE(mac.at(-1) & 15) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}

let counter = 0;

/** A word that no other call uses. */
export const fresh = (prefix) => `${prefix}-${process.pid.toString(36)}-${(counter++).toString(36)}`;

export class World {
  constructor(lentil, callback) {
    this.lentil = lentil;
    this.base = lentil.info.authkitUrl;
    this.callback = callback;
    this.clientId = lentil.info.clientId;
  }

  /** Asks the API with the environment's key. */
  async ask(method, path, body) {
    const answer = await fetch(this.base + path, {
      method,
      headers: { Authorization: `Bearer ${this.lentil.info.apiKey}`, ...(body && { "Content-Type": "application/json" }) },
      body: body && JSON.stringify(body),
    });
    const text = await answer.text();
    if (answer.ok) {
      return text === "" ? {} : JSON.parse(text);
    }
    const error = new Error(`${method} ${path}: ${answer.status} ${text}`);
    error.status = answer.status;
    error.body = text.startsWith("{") ? JSON.parse(text) : {};
    const nowhere = answer.status === 404 && (error.body.code === "not_found" || !text.startsWith("{"));
    throw answer.status === 501 || nowhere ? Object.assign(new Unreachable(`${method} ${path.split("?")[0]}`), { cause: error }) : error;
  }

  async user(more = {}) {
    const email = more.email?.includes("@") ? more.email : `${fresh("person")}@example.com`;
    return await this.ask("POST", "/user_management/users", { password, email_verified: true, first_name: "Per", last_name: "Son", ...more, email });
  }

  async organization(more = {}) {
    return await this.ask("POST", "/organizations", { name: fresh("Organization"), ...more });
  }

  async membership(user, organization, more = {}) {
    user ??= await this.user();
    organization ??= await this.organization();
    return await this.ask("POST", "/user_management/organization_memberships", { user_id: user.id, organization_id: organization.id, ...more });
  }

  async domain(organization) {
    organization ??= await this.organization();
    return await this.ask("POST", "/organization_domains", { organization_id: organization.id, domain: `${fresh("domain")}.example.com` });
  }

  async invitation(more = {}) {
    return await this.ask("POST", "/user_management/invitations", { email: `${fresh("guest")}@example.com`, ...more });
  }

  async role(more = {}) {
    return await this.ask("POST", "/authorization/roles", { slug: fresh("role"), name: "A role", ...more });
  }

  async organizationRole(organization) {
    return await this.ask("POST", `/authorization/organizations/${organization.id}/roles`, { slug: fresh("org-role"), name: "A role of one organization" });
  }

  async permission(more = {}) {
    return await this.ask("POST", "/authorization/permissions", { slug: fresh("thing:do"), name: "May do", ...more });
  }

  async group(organization) {
    return await this.ask("POST", `/organizations/${organization.id}/groups`, { name: fresh("Group") });
  }

  /** A type of resource, which only the dashboard of the real service makes. */
  async resourceType() {
    const slug = fresh("document").replaceAll("-", "_");
    await this.ask("POST", "/_lentil/v1/authorization/resource_types", { slug, name: "Document" });
    return slug;
  }

  async resource(organization, type) {
    organization ??= await this.organization();
    type ??= await this.resourceType();
    return await this.ask("POST", "/authorization/resources", { external_id: fresh("ext"), name: "A resource", resource_type_slug: type, organization_id: organization.id });
  }

  /** A role and a permission for a type of resource, the one with the other. */
  async resourceRole(type) {
    const permission = await this.permission({ resource_type_slug: type });
    const role = await this.role({ resource_type_slug: type });
    await this.ask("PUT", `/authorization/roles/${role.slug}/permissions`, { permissions: [permission.slug] });
    return { role, permission };
  }

  /** Everything at once: a member with a role on a resource. */
  async assigned() {
    const organization = await this.organization();
    const membership = await this.membership(undefined, organization);
    const type = await this.resourceType();
    const resource = await this.resource(organization, type);
    const { role, permission } = await this.resourceRole(type);
    const assignment = await this.ask("POST", `/authorization/organization_memberships/${membership.id}/role_assignments`, { role_slug: role.slug, resource_id: resource.id });
    return { organization, membership, type, resource, role, permission, assignment };
  }

  async groupAssigned() {
    const all = await this.assigned();
    const group = await this.group(all.organization);
    const assignment = await this.ask("POST", `/authorization/groups/${group.id}/role_assignments`, { role_slug: all.role.slug, resource_id: all.resource.id });
    return { ...all, group, assignment };
  }

  async factor() {
    return await this.ask("POST", "/auth/factors/enroll", { type: "totp", totp_issuer: "Lentil", totp_user: "ada@example.com" });
  }

  async challenge() {
    const factor = await this.factor();
    return { factor, ...(await this.ask("POST", `/auth/factors/${factor.id}/challenge`, {})) };
  }

  async application() {
    return await this.ask("POST", "/connect/applications", { name: fresh("Machine"), application_type: "m2m", organization_id: (await this.organization()).id });
  }

  async endpoint() {
    return await this.ask("POST", "/webhook_endpoints", { endpoint_url: `http://localhost:9/${fresh("hook")}`, events: ["user.created"] });
  }

  async flag() {
    return await this.ask("POST", "/_lentil/v1/feature-flags", { slug: fresh("flag"), name: "A flag" });
  }

  async connection() {
    return await this.ask("POST", "/_lentil/v1/connections", { organization_id: (await this.organization()).id, connection_type: "TestIdp", protocol: "oidc", name: fresh("Connection") });
  }

  /** A directory with one user and one group, which its SCIM client sent. */
  async directory() {
    const made = await this.ask("POST", "/_lentil/v1/directories", { organization_id: (await this.organization()).id, type: "generic scim v2.0", name: fresh("Directory") });
    const scim = async (path, body) => {
      const answer = await fetch(made.endpoint + path, { method: "POST", headers: { Authorization: `Bearer ${made.token}`, "Content-Type": "application/scim+json" }, body: JSON.stringify(body) });
      if (!answer.ok) {
        throw new Error(`SCIM ${path}: ${answer.status} ${await answer.text()}`);
      }
      return await answer.json();
    };
    const email = `${fresh("employee")}@example.com`;
    const user = await scim("/Users", { schemas: ["urn:ietf:params:scim:schemas:core:2.0:User"], userName: email, name: { givenName: "Em", familyName: "Ployee" }, emails: [{ value: email, primary: true, type: "work" }], active: true });
    await scim("/Groups", { schemas: ["urn:ietf:params:scim:schemas:core:2.0:Group"], displayName: "Everybody", members: [{ value: user.id }] });
    const [users, groups] = [await this.ask("GET", `/directory_users?directory=${made.id}`), await this.ask("GET", `/directory_groups?directory=${made.id}`)];
    return { directory: made, user: users.data[0], group: groups.data[0] };
  }

  async vaultObject() {
    const name = fresh("secret");
    return { name, ...(await this.ask("POST", "/vault/v1/kv", { name, value: "squeamish ossifrage", key_context: { tenant: "one" } })) };
  }

  /** A data integration of our own with an API key as its way in. */
  async integration(auth_methods = ["api_key"]) {
    return await this.ask("POST", "/data-integrations", {
      provider: fresh("provider"), enabled: true, auth_methods,
      custom_provider: { name: "A provider", authorization_url: "https://provider.example.com/authorize", token_url: "https://provider.example.com/token", client_secret_required: true },
      ...(auth_methods.includes("oauth") && { credentials: { type: "custom", client_id: "c", client_secret: "s" } }),
    });
  }

  async installed() {
    const [user, integration] = [await this.user(), await this.integration()];
    await this.ask("PUT", `/data-integrations/${integration.slug}/api-key`, { user_id: user.id, secret: "the secret of the other side" });
    return { user, integration };
  }

  async waitlist() {
    return (await this.ask("GET", "/user_management/waitlists")).data[0];
  }

  async waiting() {
    const list = await this.waitlist();
    return await this.ask("POST", `/user_management/waitlists/${list.id}/entries`, { email: `${fresh("waiting")}@example.com` });
  }

  /** What an answer to a grant says, be it a refusal with a step to take. */
  async grant(body) {
    try {
      return await this.ask("POST", "/user_management/authenticate", { client_id: this.clientId, client_secret: this.lentil.info.apiKey, ...body });
    } catch (error) {
      if (error.status === 403) {
        return error.body;
      }
      throw error;
    }
  }

  async session(user) {
    user ??= await this.user();
    return await this.grant({ grant_type: "password", email: user.email, password });
  }

  /** A person with a second factor, halfway through signing in. */
  async halfway() {
    const user = await this.user();
    const { authentication_factor: factor } = await this.ask("POST", `/user_management/users/${user.id}/auth_factors`, { type: "totp" });
    const step = await this.session(user);
    if (step.code !== "mfa_challenge") {
      throw new Error(`a person with a factor was asked for ${JSON.stringify(step)}`);
    }
    const challenge = await this.ask("POST", `/auth/factors/${factor.id}/challenge`, {});
    return { token: step.pending_authentication_token, challenge: challenge.id, code: totp(factor.totp.secret) };
  }

  /** Walks the hosted pages as a browser without script would, and gives the code that the app gets. */
  async authorizationCode({ verifier, provider = "authkit" } = {}) {
    const user = await this.user();
    const jar = new Map();
    const query = new URLSearchParams({ client_id: this.clientId, redirect_uri: this.callback, response_type: "code", provider, state: "s" });
    if (verifier) {
      query.set("code_challenge", createHash("sha256").update(verifier).digest("base64url"));
      query.set("code_challenge_method", "S256");
    }
    let next = { url: `${this.base}/user_management/authorize?${query}` };
    for (let step = 0; step < 12; step++) {
      const answer = await fetch(next.url, {
        method: next.form ? "POST" : "GET", body: next.form, redirect: "manual",
        headers: { Cookie: [...jar].map((c) => c.join("=")).join("; "), Accept: "text/html", ...(next.form && { Origin: new URL(this.base).origin, "Content-Type": "application/x-www-form-urlencoded" }) },
      });
      for (const cookie of answer.headers.getSetCookie()) {
        const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie);
        jar.set(name, value);
      }
      const location = answer.headers.get("location");
      if (location) {
        const to = new URL(location, next.url);
        if (to.href.startsWith(this.callback)) {
          return to.searchParams.get("code");
        }
        next = { url: to.href };
        continue;
      }
      const page = await answer.text();
      const form = [...page.matchAll(/<form\b[^>]*method="?post"?[^>]*>.*?<\/form>/gis)].map((m) => m[0]).find((f) => /name="(email|password)"/.test(f));
      if (!form) {
        throw new Error(`no form to fill at ${next.url} (${answer.status}): ${page.slice(0, 500)}`);
      }
      const fields = new URLSearchParams();
      for (const [input] of form.matchAll(/<input\b[^>]*>/gi)) {
        const attribute = (a) => new RegExp(`\\b${a}="([^"]*)"`).exec(input)?.[1];
        const name = attribute("name");
        name && fields.set(name, name === "email" ? user.email : name === "password" ? password : (attribute("value") ?? ""));
      }
      next = { url: new URL(/action="([^"]*)"/.exec(form)?.[1] ?? next.url, next.url).href, form: fields };
    }
    throw new Error("the pages never came to an end");
  }

  code(email) {
    return this.lentil.code(email);
  }

  verifier = () => randomBytes(48).toString("base64url");
  pause = sleep;
}

/** A world of things that do not exist: any question gives an id of nothing. */
export function standIn(world) {
  const nothing = (depth = 0) =>
    new Proxy(function () {}, {
      get(_, name) {
        if (name === "then" || name === "toJSON") {
          return undefined;
        }
        if (name === Symbol.toPrimitive || name === "toString") {
          return () => "nothing_01HXNOTHINGNOTHINGNOTHIN";
        }
        return depth > 2 || ["id", "slug", "email", "code", "token", "name", "externalId"].includes(name) ? "nothing_01HXNOTHINGNOTHINGNOTHIN" : nothing(depth + 1);
      },
    });
  return new Proxy(world, {
    get(target, name) {
      const own = target[name];
      return typeof own === "function" && !["verifier", "pause", "session", "user"].includes(name) ? async () => nothing() : typeof own === "function" ? own.bind(target) : own;
    },
  });
}
