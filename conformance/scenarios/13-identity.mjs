// An app with issuers of its own: a second OIDC issuer that is discovered, and custom JWTs with keys in the configuration.
import { anyApi as api } from "convex/server";
import { contains, fails, holds, same } from "../lib/check.mjs";
import { House } from "../lib/house.mjs";
import { dataURI, newKey, openIssuer, token } from "../lib/issuer.mjs";
import { until } from "../lib/lentil.mjs";

export async function setUp() {
  const house = await House.open();
  house.rsa = newKey("RS256", "one");
  house.ec = newKey("ES256", "internal");
  house.issuer = await openIssuer(house.rsa);
  await house.push("members", { env: { OIDC_ISSUER: house.issuer.url, INTERNAL_JWKS: dataURI(house.ec) } });
  return house;
}

export async function tearDown(house) {
  await house?.issuer.close();
  await house?.close();
}

const ann = { sub: "ann", aud: "members", name: "Ann", email: "ann@example.test", email_verified: true, roles: ["admin"], "https://example.test/team": { id: 7 } };
const robot = { iss: "https://internal.example.test", aud: "members-api", sub: "robot-1", name: "Robot" };

export const scenarios = {
  "tokens of both issuers name their bearer, with custom claims": async (house) => {
    const client = house.http(house.issuer.token(ann));
    const identity = await client.query(api.members.whoami, {});
    same([identity.tokenIdentifier, identity.issuer, identity.subject, identity.name, identity.emailVerified, identity.roles], [`${house.issuer.url}|ann`, house.issuer.url, "ann", "Ann", true, ["admin"]]);
    const machine = house.http(token(house.ec, robot));
    same((await machine.query(api.members.whoami, {})).tokenIdentifier, "https://internal.example.test|robot-1");
    await client.mutation(api.members.enter, {});
    await machine.mutation(api.members.enter, {});
    same(await client.query(api.members.everybody, {}), ["Ann", "Robot"]);
    same((await fails(() => machine.query(api.members.everybody, {}), "a robot")).data, { code: "FORBIDDEN" });
    same(await client.action(api.members.viaAction, {}), ["ann", "ann"]);
    same(await house.http().query(api.members.whoami, {}), null);
  },

  "what anybody sees depends on who asks, live and over HTTP actions": async (house) => {
    const [client, machine] = [house.live(house.issuer.token(ann)), house.live(token(house.ec, robot))];
    const seen = { ann: house.watch(client, api.members.notes, {}), robot: house.watch(machine, api.members.notes, {}), nobody: house.watch(house.live(), api.members.notes, {}) };
    await machine.mutation(api.members.write, { text: "for all", private: false });
    await machine.mutation(api.members.write, { text: "of the robot", private: true });
    await client.mutation(api.members.write, { text: "of Ann", private: true });
    await until("three views", () => seen.ann.last()?.length === 3 && seen.robot.last()?.length === 2 && seen.nobody.last()?.length === 1);
    same(seen.robot.last(), ["for all", "of the robot"]);
    const me = async (authorization) => {
      const answer = await fetch(`${house.siteUrl}/me`, { headers: authorization ? { Authorization: authorization } : {} });
      return [answer.status, await answer.json()];
    };
    same(await me(`Bearer ${token(house.ec, robot)}`), [200, { subject: "robot-1", notes: ["for all", "of the robot"] }]);
    same(await me(), [200, { subject: null, notes: ["for all"] }]);
    same((await me(`Bearer ${token(house.ec, robot, { ttl: -60 })}`))[0], 401);
    await until("the log of what was scheduled", async () => {
      const { entries } = await house.admin("/api/stream_function_logs?cursor=0");
      return entries.filter((e) => e.logLines.some((line) => line.messages?.join(" ").includes("as nobody"))).length === 3;
    });
  },

  "a client renews its token before it ends, and signs out": async (house) => {
    const client = house.live(undefined, { authRefreshTokenLeewaySeconds: 2 });
    const asked = [];
    const states = [];
    client.setAuth(
      async ({ forceRefreshToken }) => {
        asked.push(forceRefreshToken);
        return house.issuer.token({ ...ann, sub: `ann ${asked.length}` }, { ttl: 4 });
      },
      (signedIn) => states.push(signedIn),
    );
    const seen = house.watch(client, api.members.whoami, {});
    await until("a first name", () => seen.last()?.subject);
    await until("a renewed one", () => Number(seen.last().subject.split(" ")[1]) >= 3);
    same(states[0], true);
    holds(states.every(Boolean), `signed in throughout: ${states}`);
    client.client.clearAuth();
    await until("nobody", () => seen.last() === null);
  },

  "tokens that are not good are refused, and why is said": async (house) => {
    const good = house.issuer.token(ann);
    const [header, payload, signature] = good.split(".");
    const stranger = newKey("RS256", "one");
    const cases = {
      "of the wrong audience": house.issuer.token({ ...ann, aud: "other" }),
      "of an unknown issuer": token(house.rsa, { ...ann, iss: "https://elsewhere.example.test" }),
      "that has ended": house.issuer.token(ann, { ttl: -10 }),
      "signed with another key": token(stranger, { ...ann, iss: house.issuer.url }),
      "that was changed": `${header}.${Buffer.from(JSON.stringify({ ...JSON.parse(Buffer.from(payload, "base64url")), sub: "eve" })).toString("base64url")}.${signature}`,
      "without signature": `${Buffer.from('{"alg":"none"}').toString("base64url")}.${payload}.`,
      "of another algorithm": token(house.rsa, robot, { header: { alg: "RS256" } }),
      "without a subject": house.issuer.token({ ...ann, sub: undefined }),
      "that is none": "nonsense",
    };
    for (const [what, bad] of Object.entries(cases)) {
      const error = await fails(() => house.http(bad).query(api.members.whoami, {}), `a token ${what}`);
      holds(/"code":/.test(error.message) && error.message.length < 1000, `${what}: ${error.message}`);
    }
    contains((await fails(() => house.http(cases["of the wrong audience"]).query(api.members.whoami, {}), "audience")).message, "NoAuthProvider");
    const client = house.live();
    const states = [];
    client.setAuth(async () => cases["signed with another key"], (signedIn) => states.push(signedIn));
    const seen = house.watch(client, api.members.whoami, {});
    await until("the client to be told", () => states.includes(false) && seen.values.length > 0);
    same(seen.last(), null);
  },

  "an issuer that replaces its key is followed": async (house) => {
    const fresh = newKey("RS256", "two");
    const old = house.issuer.token(ann);
    house.issuer.keys = [fresh, house.rsa];
    // A key that is not known is asked for at most every ten seconds.
    await until("the new key", async () => (await house.http(house.issuer.token(ann)).query(api.members.whoami, {})).subject === "ann");
    same((await house.http(old).query(api.members.whoami, {})).subject, "ann");
    const asked = house.issuer.requests.length;
    await Promise.all([...Array(20)].map(() => house.http(house.issuer.token(ann)).query(api.members.whoami, {})));
    same(house.issuer.requests.length, asked, "the keys are kept");
  },

  "a push that takes a provider away ends its sessions' names": async (house) => {
    const seen = house.watch(house.live(token(house.ec, robot)), api.members.whoami, {});
    await until("the robot", () => seen.last()?.subject === "robot-1");
    await house.admin("/api/update_environment_variables", { changes: [{ name: "INTERNAL_JWKS", value: dataURI(newKey("ES256", "internal")) }] });
    const error = await fails(() => house.http(token(house.ec, robot)).query(api.members.whoami, {}), "a key that was replaced");
    contains(error.message, "code");
    const wrong = await house.admin("/api/update_environment_variables", { changes: [{ name: "INTERNAL_JWKS", value: "not an address" }] }).catch((e) => e);
    contains(wrong.message, "400");
  },
};
