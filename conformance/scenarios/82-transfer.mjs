// Users move in from other services with hashes made by the algorithms' JavaScript implementations, sign in through the
// official clients, and move on to a second house, where they are the same people.
import { WorkOS as WorkOS10 } from "@workos-inc/node";
import { argon2id, bcrypt } from "hash-wasm";
import { execFile } from "node:child_process";
import { createCipheriv, createHmac, randomBytes, scryptSync } from "node:crypto";
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WorkOS as WorkOS11 } from "workos-node-11";
import { contains, fails, holds, same } from "../lib/check.mjs";
import { binary, Lentil, portFlags, removeFolder, root, write } from "../lib/lentil.mjs";

const password = "correct horse battery staple";
const bare = (bytes) => Buffer.from(bytes).toString("base64").replace(/=+$/, "");
const firebase = { signer_key: randomBytes(64).toString("base64"), salt_separator: "Bw==", rounds: 8, mem_cost: 14 };

/** Firebase's hash: the scrypt key of password and salt encrypts the project's signer key. */
function firebaseHash(text, salt) {
  const key = scryptSync(text, Buffer.concat([salt, Buffer.from(firebase.salt_separator, "base64")]), 32, { N: 2 ** firebase.mem_cost, r: firebase.rounds, p: 1, maxmem: 128 << 20 });
  return createCipheriv("aes-256-ctr", key, Buffer.alloc(16)).update(Buffer.from(firebase.signer_key, "base64")).toString("base64");
}

/** What an authenticator app shows. */
function totp(secret) {
  const bits = [...secret.replace(/=+$/, "")].map((c) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(c).toString(2).padStart(5, "0")).join("");
  const key = Buffer.from(bits.match(/.{8}/g).map((b) => parseInt(b, 2)));
  const step = Buffer.alloc(8);
  step.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000)));
  const mac = createHmac("sha1", key).update(step).digest();
  return String((mac.readUInt32BE(mac[19] & 15) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}

async function start() {
  const dir = mkdtempSync(join(tmpdir(), "lentil-transfer-"));
  write(join(dir, "package.json"), "{}");
  const lentil = await new Lentil(dir, await portFlags()).start();
  const url = new URL(lentil.info.authkitUrl);
  const client = (WorkOS) => new WorkOS(lentil.info.apiKey, { clientId: lentil.info.clientId, apiHostname: url.hostname, port: Number(url.port), https: false, maxRetries: 0 });
  const run = (...args) =>
    new Promise((done) =>
      execFile(binary, [...args, "--url", lentil.info.authkitUrl, "--api-key", lentil.info.apiKey], { cwd: dir, env: { ...process.env, NO_COLOR: "1" } }, (error, stdout, stderr) =>
        done({ code: error?.code ?? 0, stdout, stderr }),
      ),
    );
  const signIn = (WorkOS, email, text = password) => client(WorkOS).userManagement.authenticateWithPassword({ clientId: lentil.info.clientId, email, password: text });
  return { dir, lentil, clientId: lentil.info.clientId, client, run, signIn };
}

export async function setUp() {
  return { from: await start(), to: await start() };
}

export async function tearDown(houses) {
  for (const house of [houses?.from, houses?.to]) {
    await house?.lentil.stop();
    house && removeFolder(house.dir);
  }
}

export const scenarios = {
  "a CSV with hashes of four kinds comes in, and its people sign in through both clients": async ({ from }) => {
    const salt = randomBytes(16);
    const hashes = {
      bcrypt: await bcrypt({ password, salt, costFactor: 8, outputType: "encoded" }),
      argon2: await argon2id({ password, salt, parallelism: 1, iterations: 2, memorySize: 4096, hashLength: 32, outputType: "encoded" }),
      scrypt: `$scrypt$ln=12,r=8,p=1$${bare(salt)}$${bare(scryptSync(password, salt, 32, { N: 4096, r: 8, p: 1 }))}`,
      "firebase-scrypt": `$firebase-scrypt$hash=${firebaseHash(password, salt)}$salt=${salt.toString("base64")}$sk=${firebase.signer_key}$ss=${firebase.salt_separator}$r=8$m=14`,
    };
    const rows = Object.entries(hashes).map(([kind, hash]) => `${kind}@example.com,Person,${kind},true,${kind},"${hash}",Acme,member`);
    write(join(from.dir, "users.csv"), ["email,first_name,last_name,email_verified,password_hash_type,password_hash,organization_name,role", ...rows, "nobody,,,,,,,"].join("\n"));
    const dry = await from.run("import", "users", "users.csv", "--dry-run", "--json");
    same([dry.code, JSON.parse(dry.stdout).created], [1, 4]);
    same((await from.client(WorkOS11).userManagement.listUsers()).data.length, 0);
    const done = await from.run("import", "users", "users.csv", "--json");
    const report = JSON.parse(done.stdout);
    same([report.created, report.failed, report.passwords, report.organizations, report.memberships], [4, 1, 4, 1, 4]);
    same([report.errors[0].line, report.errors[0].field], [6, "email"]);
    contains(done.stderr, "1 of 5 rows were not imported");
    for (const kind of Object.keys(hashes)) {
      const email = `${kind}@example.com`;
      await fails(() => from.signIn(WorkOS10, email, "wrong " + password), `a wrong password of ${kind}`);
      for (const WorkOS of [WorkOS10, WorkOS11]) {
        same((await from.signIn(WorkOS, email)).user.lastName, kind);
      }
    }
    const out = await from.run("export", "users", "out.jsonl", "--secrets");
    same([out.code, out.stderr], [0, ""]);
    for (const line of readFileSync(join(from.dir, "out.jsonl"), "utf8").trim().split("\n")) {
      const user = JSON.parse(line);
      same(user.password_hash_type, "argon2");
      contains(user.password_hash, "$argon2id$v=19$m=19456,t=2,p=1$"); // replaced by one of the house's own
    }
    const again = JSON.parse((await from.run("import", "users", "users.csv", "--json")).stdout);
    same([again.created, again.skipped], [0, 4]);
    await from.signIn(WorkOS11, "bcrypt@example.com");
  },

  "Firebase's own export comes in with its parameters, and says so without them": async ({ from }) => {
    const salt = randomBytes(12);
    const users = [{ localId: "fire1", email: "fire@example.com", emailVerified: true, displayName: "Fire Base", passwordHash: firebaseHash(password, salt), salt: salt.toString("base64") }];
    write(join(from.dir, "firebase.json"), JSON.stringify({ users }, null, 2));
    write(join(from.dir, "hash.json"), JSON.stringify(firebase));
    const without = await from.run("import", "users", "firebase.json");
    same(without.code, 1);
    contains(without.stderr, "signer key");
    const done = await from.run("import", "users", "firebase.json", "--firebase-hash", "hash.json");
    same(done.code, 0, done.stderr);
    contains(done.stderr, "Imported from firebase (json): 1 rows");
    same((await from.signIn(WorkOS11, "fire@example.com")).user.externalId, "fire1");
  },

  "the commands of docs/MIGRATION.md do what they say, for the files of each service": async ({ to }) => {
    const hash = await bcrypt({ password, salt: randomBytes(16), costFactor: 8, outputType: "encoded" });
    const files = {
      "users.csv": `email,password_hash\ngeneric@example.com,${hash}\n`,
      "workos.json": JSON.stringify({ object: "list", data: [{ object: "user", id: "user_01KEPT", email: "workos@example.com", email_verified: true }], list_metadata: {} }),
      "auth0.jsonl": JSON.stringify({ _id: { $oid: "60425da9" }, email: "auth0@example.com", email_verified: true, passwordHash: hash, tenant: "t", connection: "c" }) + "\n",
      "firebase.json": JSON.stringify({ users: [{ localId: "f1", email: "firebase@example.com", passwordHash: firebaseHash(password, Buffer.from("salt of fire")), salt: Buffer.from("salt of fire").toString("base64") }] }),
      "firebase-hash.txt": `hash_config {\n  algorithm: SCRYPT,\n  base64_signer_key: ${firebase.signer_key},\n  base64_salt_separator: Bw==,\n  rounds: 8,\n  mem_cost: 14,\n}\n`,
      "clerk.csv": `id,first_name,primary_email_address,verified_email_addresses,password_digest,password_hasher\nuser_2abc,C,clerk@example.com,clerk@example.com,${hash},bcrypt\n`,
      "supabase.json": JSON.stringify([{ id: "6d3c", email: "supabase@example.com", encrypted_password: hash, email_confirmed_at: "2023-01-01T00:00:00Z" }]),
      "cognito.json": JSON.stringify({ Users: [{ Username: "u1", Attributes: [{ Name: "sub", Value: "s1" }, { Name: "email", Value: "cognito@example.com" }, { Name: "email_verified", Value: "true" }] }] }),
    };
    for (const [name, text] of Object.entries(files)) {
      write(join(to.dir, name), text);
    }
    const text = readFileSync(join(root, "docs", "MIGRATION.md"), "utf8");
    const commands = [...text.matchAll(/^\$ lentil (import users .*)$/gm)].map((m) => m[1].split(" "));
    same(commands.length, 8);
    for (const command of commands) {
      const done = await to.run(...command);
      same(done.code, 0, done.stderr);
      contains(done.stderr, "1 created");
    }
    for (const source of ["generic", "auth0", "firebase", "clerk", "supabase"]) {
      same((await fails(() => to.signIn(WorkOS11, `${source}@example.com`, "wrong"), "a wrong password")).status < 500, true);
      const { user } = (await to.signIn(WorkOS11, `${source}@example.com`).catch((error) => ({ user: { email: error.rawData?.email ?? error.message, unverified: true } })));
      contains(user.email, `${source}@example.com`);
    }
    same((await to.client(WorkOS10).userManagement.getUser("user_01KEPT")).email, "workos@example.com");
    for (const [, line] of text.matchAll(/^\$ lentil (export .*)$/gm)) {
      const done = await to.run(...line.split(" "));
      same(done.code, 0, done.stderr);
    }
    const other = JSON.parse((await to.run("import", "users", "users.jsonl", "--json")).stdout);
    same([other.created, other.skipped], [0, 7]);
    const answer = await fetch(`${to.lentil.info.authkitUrl}/_lentil/v1/reset`, { method: "POST", headers: { Authorization: `Bearer ${to.lentil.info.apiKey}` } });
    holds(answer.ok, "the environment is empty again");
  },

  "an archive moves everything to a second house, where people sign in with password and code and are the same": async ({ from, to }) => {
    const workos = from.client(WorkOS11);
    const mover = await workos.userManagement.createUser({ email: "mover@example.com", password, emailVerified: true });
    const { authenticationFactor } = await workos.multiFactorAuth.createUserAuthFactor({ userId: mover.id, type: "totp" });
    const out = await from.run("export", "archive", "all.zip", "--secrets");
    same(out.code, 0, out.stderr);
    const done = await to.run("import", "archive", join(from.dir, "all.zip"), "--json");
    same(done.code, 0, done.stderr);
    const there = to.client(WorkOS11);
    for (const list of [(w) => w.userManagement.listUsers({ limit: 100 }), (w) => w.organizations.listOrganizations(), (w) => w.events.listEvents({ events: ["user.created"], limit: 100 })]) {
      const [a, b] = [(await list(workos)).data, (await list(there)).data];
      holds(a.length > 0, "something was compared");
      same(b, a);
    }
    for (const email of ["bcrypt@example.com", "fire@example.com"]) {
      same((await to.signIn(WorkOS10, email)).user.id, (await from.signIn(WorkOS10, email)).user.id);
    }
    const challenged = await fails(() => to.signIn(WorkOS11, "mover@example.com"), "a password alone");
    const { pending_authentication_token: pendingAuthenticationToken, authentication_factors: [factor] } = challenged.rawData;
    const challenge = await there.multiFactorAuth.challengeFactor({ authenticationFactorId: factor.id });
    const signedIn = await there.userManagement.authenticateWithTotp({ clientId: to.clientId, code: totp(authenticationFactor.totp.secret), pendingAuthenticationToken, authenticationChallengeId: challenge.id });
    same(signedIn.user.id, mover.id);
    same(JSON.parse(Buffer.from(signedIn.accessToken.split(".")[1], "base64url")).sub, mover.id);
    const again = await to.run("import", "archive", join(from.dir, "all.zip"));
    same(again.code, 1);
    contains(again.stderr, "The environment has users already");
  },
};
