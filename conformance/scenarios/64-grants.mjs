// Every grant of authenticate with the official Node clients, their error classes and sealed sessions; and one session in
// ten server processes over crashes.
import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { createInterface } from "node:readline";
import { join } from "node:path";
import { WorkOS as WorkOS10 } from "@workos-inc/node";
import { WorkOS as WorkOS11 } from "workos-node-11";
import { fails, holds, same } from "../lib/check.mjs";
import { House } from "../lib/house.mjs";
import { root, sleep } from "../lib/lentil.mjs";
import { claims, totp, wrongTotp } from "../lib/signin.mjs";

const password = "correct horse battery staple";
const cookiePassword = "a cookie password of more than thirty-two characters";

export async function setUp() {
  const house = await House.open();
  const { authkitUrl, apiKey, clientId } = house.lentil.info;
  const { hostname, port } = new URL(authkitUrl);
  const options = { apiHostname: hostname, port: Number(port), https: false, clientId };
  house.clients = { 10: new WorkOS10(apiKey, options), 11: new WorkOS11(apiKey, options) };
  house.ask = async (method, path, body, headers) => {
    const answer = await fetch(authkitUrl + path, {
      method, headers: { Authorization: `Bearer ${apiKey}`, ...(body && { "Content-Type": "application/json" }), ...headers }, body: body && JSON.stringify(body),
    });
    const text = await answer.text();
    return { status: answer.status, headers: answer.headers, ...(text.startsWith("{") && JSON.parse(text)) };
  };
  return house;
}

export async function tearDown(house) {
  await house?.close();
}

/** One scenario for each major version. */
const both = (work) => async (house) => {
  for (const [major, workos] of Object.entries(house.clients)) {
    await work(workos, house, major);
  }
};

/** Runs what must be refused with this status and code; gives the error. */
const refused = async (work, status, code) => {
  const error = await fails(work, code);
  same([error.status, error.rawData?.code ?? error.rawData?.error ?? error.code ?? error.error], [status, code], String(error.message));
  return error;
};

const person = (workos, email, more) => workos.userManagement.createUser({ email, password, emailVerified: true, firstName: "Per", ...more });

const member = async (workos, name, user) => {
  const organization = await workos.organizations.createOrganization({ name });
  await workos.userManagement.createOrganizationMembership({ organizationId: organization.id, userId: user.id });
  return organization;
};

/** Signs up on the hosted pages as a browser without script would, and gives the code. */
async function visit(house, url, email) {
  const jar = new Map();
  const go = async (address, form) => {
    for (let to = address, body = form; ; ) {
      const answer = await fetch(to, {
        redirect: "manual", method: body ? "POST" : "GET", body,
        headers: { Accept: "text/html", Cookie: [...jar].map(([k, v]) => `${k}=${v}`).join("; "), ...(body && { Origin: new URL(to).origin }) },
      });
      answer.headers.getSetCookie().forEach((c) => jar.set(...c.split(";")[0].split(/=(.*)/s, 2)));
      const next = answer.headers.get("location");
      if (next === null) {
        return { at: to, text: await answer.text() };
      }
      const target = new URL(next, to);
      if (target.origin !== new URL(house.lentil.info.authkitUrl).origin) {
        return { left: target };
      }
      [to, body] = [target.href, undefined];
    }
  };
  const page = await go(url);
  const done = await go(page.at, new URLSearchParams({ step: "sign-in", email, password }));
  holds(done.left, `the browser is still at ${done.at}: ${done.text?.slice(0, 600)}`);
  return done.left.searchParams.get("code");
}

export const scenarios = {
  "password, and an error of its own class": both(async ({ userManagement }, house, major) => {
    const email = `password-${major}@example.com`;
    await person({ userManagement }, email);
    const answer = await userManagement.authenticateWithPassword({ email, password, ipAddress: "10.1.2.3", userAgent: "test" });
    same([answer.user.email, answer.authenticationMethod, answer.organizationId], [email, "Password", undefined]);
    holds(answer.user.lastSignInAt !== null, "last_sign_in_at is not set");
    const { iss, sid, sub, client_id, exp, iat } = claims(answer.accessToken);
    same([sub, client_id, exp - iat], [answer.user.id, house.lentil.info.clientId, 300]);
    holds(iss.endsWith(client_id) && sid.startsWith("session_"), `${iss} ${sid}`);
    const [session] = (await userManagement.listSessions(answer.user.id)).data;
    same([session.id, session.authMethod, session.ipAddress, session.userAgent, session.status], [sid, "password", "10.1.2.3", "test", "active"]);
    await refused(() => userManagement.authenticateWithPassword({ email, password: "wrong" }), 400, "invalid_credentials");
    await refused(() => userManagement.authenticateWithPassword({ email: "nobody@example.com", password }), 400, "invalid_credentials");
  }),

  "a magic code": both(async ({ userManagement }, house, major) => {
    const email = `magic-${major}@example.com`;
    const magic = await userManagement.createMagicAuth({ email });
    same([(await userManagement.getMagicAuth(magic.id)).code, magic.email], [magic.code, email]);
    const wrong = magic.code === "000000" ? "000001" : "000000";
    await refused(() => userManagement.authenticateWithMagicAuth({ email, code: wrong }), 400, "invalid_one_time_code");
    const answer = await userManagement.authenticateWithMagicAuth({ email, code: magic.code });
    same([answer.user.emailVerified, answer.authenticationMethod], [true, "MagicAuth"]);
    await refused(() => userManagement.authenticateWithMagicAuth({ email, code: magic.code }), 400, "one_time_code_previously_used");
  }),

  "every step-up in turn: address, second factor, organization": both(async (workos, house, major) => {
    const { userManagement, multiFactorAuth } = workos;
    const email = `steps-${major}@example.com`;
    const user = await person(workos, email, { emailVerified: false });
    const { authenticationFactor, authenticationChallenge } = await (userManagement.enrollAuthFactor ?? ((o) => multiFactorAuth.createUserAuthFactor(o))).call(userManagement, {
      userId: user.id, userlandUserId: user.id, type: "totp", totpIssuer: "Test", totpUser: email,
    });
    const { secret } = authenticationFactor.totp;
    holds(authenticationFactor.totp.qrCode.startsWith("data:image/png;base64,") && authenticationChallenge.id, "factor without QR code or challenge");
    const one = await member(workos, `One ${major}`, user);
    const two = await member(workos, `Two ${major}`, user);

    const verify = await refused(() => userManagement.authenticateWithPassword({ email, password }), 403, "email_verification_required");
    same(verify.name, "AuthenticationException");
    same(verify.rawData.email, email);
    const code = await house.lentil.code(email);
    const challenge = await refused(
      () => userManagement.authenticateWithEmailVerification({ code, pendingAuthenticationToken: verify.pendingAuthenticationToken ?? verify.rawData.pending_authentication_token }),
      403, "mfa_challenge",
    );
    same(challenge.rawData.authentication_factors, [{ id: authenticationFactor.id, type: "totp" }]);
    const asked = await multiFactorAuth.challengeFactor({ authenticationFactorId: authenticationFactor.id });
    const second = (c) => () => userManagement.authenticateWithTotp({
      code: c, pendingAuthenticationToken: challenge.rawData.pending_authentication_token, authenticationChallengeId: asked.id,
    });
    await refused(second(wrongTotp(secret)), 400, "invalid_one_time_code");
    const select = await refused(second(totp(secret)), 403, "organization_selection_required");
    same(select.rawData.organizations, [{ id: one.id, name: one.name }, { id: two.id, name: two.name }]);
    const answer = await userManagement.authenticateWithOrganizationSelection({ organizationId: two.id, pendingAuthenticationToken: select.rawData.pending_authentication_token });
    same([answer.organizationId, claims(answer.accessToken).org_id, claims(answer.accessToken).role, claims(answer.accessToken).permissions], [two.id, two.id, "member", []]);

    // From there a refresh changes over, and nowhere else.
    const stranger = await workos.organizations.createOrganization({ name: `Stranger ${major}` });
    await refused(() => userManagement.authenticateWithRefreshToken({ refreshToken: answer.refreshToken, organizationId: stranger.id }), 400, "organization_membership_not_found");
    const moved = await userManagement.authenticateWithRefreshToken({ refreshToken: answer.refreshToken, organizationId: one.id });
    same([claims(moved.accessToken).org_id, claims(moved.accessToken).sid], [one.id, claims(answer.accessToken).sid]);
  }),

  "a code with verifier, with secret, and with both": both(async ({ userManagement }, house, major) => {
    const email = `code-${major}@example.com`;
    await person({ userManagement }, email);
    const redirectUri = "http://localhost:3999/callback";
    const { authkitUrl, clientId } = house.lentil.info;
    const address = (more) => userManagement.getAuthorizationUrl({ provider: "authkit", redirectUri, clientId, prompt: "login", ...more });
    const verifier = randomBytes(48).toString("base64url");
    const challenge = { codeChallenge: createHash("sha256").update(verifier).digest("base64url"), codeChallengeMethod: "S256" };

    const confidential = await userManagement.authenticateWithCode({ clientId, code: await visit(house, address(), email) });
    same(confidential.user.email, email);
    const code = await visit(house, address(challenge), email);
    const other = await refused(() => userManagement.authenticateWithCode({ clientId, code, codeVerifier: randomBytes(48).toString("base64url") }), 400, "invalid_grant");
    same(other.name, "OauthException");
    same((await userManagement.authenticateWithCode({ clientId, code, codeVerifier: verifier })).user.email, email);
    // Once more, it ends what came of it: somebody else had it, too.
    await refused(() => userManagement.authenticateWithCode({ clientId, code, codeVerifier: verifier }), 400, "invalid_grant");
    const bare = await visit(house, address(challenge), email);
    const publicly = await fetch(`${authkitUrl}/user_management/authenticate`, {
      method: "POST", body: new URLSearchParams({ client_id: clientId, grant_type: "authorization_code", code: bare, code_verifier: verifier }),
    });
    same([publicly.status, (await publicly.json()).user.email], [200, email]);
  }),

  "sealed sessions: authenticate, refresh, log out": both(async (workos, house, major) => {
    const { userManagement } = workos;
    const email = `sealed-${major}@example.com`;
    const user = await person(workos, email);
    const organization = await member(workos, `Sealed ${major}`, user);
    const { sealedSession } = await userManagement.authenticateWithPassword({ email, password, session: { sealSession: true, cookiePassword } });
    const session = userManagement.loadSealedSession({ sessionData: sealedSession, cookiePassword });
    const seen = await session.authenticate();
    same([seen.authenticated, seen.user?.email, seen.organizationId, seen.role, seen.permissions], [true, email, organization.id, "member", []]);
    const refreshed = await session.refresh();
    holds(refreshed.authenticated && refreshed.sealedSession !== sealedSession, JSON.stringify(refreshed));
    const out = await session.getLogoutUrl({ returnTo: "http://localhost:3999/bye" });
    const answer = await fetch(out, { redirect: "manual" });
    same([answer.status, answer.headers.get("location")], [302, "http://localhost:3999/bye"]);
    const after = await userManagement.loadSealedSession({ sessionData: refreshed.sealedSession, cookiePassword }).refresh();
    same([after.authenticated, after.retryable ?? false], [false, false]);
    same((await userManagement.listSessions(user.id)).data[0].status, "revoked");
  }),

  "a session revoked by id, and a logout that leads nowhere else": both(async (workos, house, major) => {
    const { userManagement } = workos;
    const email = `revoked-${major}@example.com`;
    await person(workos, email);
    const answer = await userManagement.authenticateWithPassword({ email, password });
    const { sid } = claims(answer.accessToken);
    await userManagement.revokeSession({ sessionId: sid });
    await refused(() => userManagement.authenticateWithRefreshToken({ refreshToken: answer.refreshToken }), 400, "invalid_grant");
    await refused(() => userManagement.revokeSession({ sessionId: "session_01HXNOTHINGNOTHINGNOTHIN00" }), 400, "entity_not_found");
    const out = await fetch(userManagement.getLogoutUrl({ sessionId: sid, returnTo: "https://evil.example/" }), { redirect: "manual" });
    holds(!String(out.headers.get("location")).includes("evil"), out.headers.get("location"));
  }),

  "the device flow as a device asks": async (house) => {
    const { authkitUrl, clientId } = house.lentil.info;
    const form = async (path, values) => {
      const answer = await fetch(authkitUrl + path, { method: "POST", body: new URLSearchParams({ client_id: clientId, ...values }) });
      return { status: answer.status, ...(await answer.json()) };
    };
    const device = await form("/user_management/authorize/device");
    same([device.status, /^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$/.test(device.user_code), device.expires_in, device.interval], [200, true, 300, 5]);
    const poll = () => form("/user_management/authenticate", { grant_type: "urn:ietf:params:oauth:grant-type:device_code", device_code: device.device_code });
    same([(await poll()).error, (await poll()).error], ["authorization_pending", "slow_down"]);
    const page = await fetch(device.verification_uri_complete);
    holds((await page.text()).includes(device.user_code), "the page does not show the code");
  },

  "the same Idempotency-Key is the same request": async (house) => {
    const email = "once@example.com";
    const create = (key, more) => house.ask("POST", "/user_management/users", { email, ...more }, { "Idempotency-Key": key });
    const [one, two] = await Promise.all([create("k"), create("k")]);
    same([one.status, one.id], [201, two.id]);
    await house.lentil.crashAndRestart();
    same((await create("k")).id, one.id, "after a crash");
    same([(await create("k", { first_name: "A" })).status, (await create("other")).status], [422, 400]);
    holds((await create("k")).headers.get("idempotent-replayed") === "true", "not marked as a repetition");
  },

  "one session in ten server processes, over two crashes": async (house) => {
    const { authkitUrl, apiKey, clientId } = house.lentil.info;
    const email = "ten@example.com";
    await person(house.clients[10], email);
    let { sealedSession: cookie } = await house.clients[10].userManagement.authenticateWithPassword({ email, password, session: { sealSession: true, cookiePassword } });
    const { hostname, port } = new URL(authkitUrl);
    const servers = Array.from({ length: 10 }, () => {
      const child = spawn(process.execPath, [join(root, "conformance", "apps", "grants", "server.mjs")], {
        stdio: ["pipe", "pipe", "inherit"],
        env: {
          ...process.env, SDK: import.meta.resolve("@workos-inc/node"), WORKOS_API_KEY: apiKey, WORKOS_CLIENT_ID: clientId, HOST: hostname, PORT: port,
          COOKIE_PASSWORD: cookiePassword,
        },
      });
      const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
      return { child, refresh: async (c) => (child.stdin.write(`${JSON.stringify({ cookie: c })}\n`), JSON.parse((await lines.next()).value)) };
    });
    try {
      let good = 0;
      for (let round = 0; round < 12; round++) {
        const crash = round === 3 || round === 8 ? sleep(5).then(() => house.lentil.crashAndRestart()) : undefined;
        const answers = await Promise.all(servers.map(({ refresh }) => refresh(cookie)));
        await crash;
        for (const answer of answers) {
          // Unreachable for a while is no reason to lose anybody; refused would be.
          const passing = answer.authenticated || answer.retryable || (answer.thrown && !(answer.status >= 400 && answer.status < 500));
          holds(passing, `round ${round}: ${JSON.stringify(answer)}`);
        }
        // A browser keeps whichever cookie came last.
        const fresh = answers.filter((a) => a.authenticated);
        good += fresh.length;
        if (fresh.length > 0) {
          cookie = fresh[Math.floor(Math.random() * fresh.length)].cookie;
        }
      }
      holds(good >= 100, `only ${good} of 120 refreshes went well`);
    } finally {
      servers.forEach(({ child }) => child.kill());
    }
  },
};
