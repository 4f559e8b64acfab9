// A window that nobody touches for longer than a token lives, as the document's provider for Next.js leaves it: the official
// client is handed the same token whenever it asks for another. It stays signed in for as long as the session lives, and no longer.
import { ConvexClient } from "convex/browser";
import { anyApi as api } from "convex/server";
import WebSocket from "ws";
import { fails, holds, same } from "../lib/check.mjs";
import { House } from "../lib/house.mjs";
import { until } from "../lib/lentil.mjs";
import { claims } from "../lib/signin.mjs";

const password = "correct horse battery staple";

export async function setUp() {
  const house = await House.open();
  const { authkitUrl, apiKey, clientId } = house.lentil.info;
  house.ask = async (method, path, body) => {
    const answer = await fetch(authkitUrl + path, {
      method, headers: { Authorization: `Bearer ${apiKey}`, ...(body && { "Content-Type": "application/json" }) }, body: body && JSON.stringify(body),
    });
    const text = await answer.text();
    holds(answer.ok, `${method} ${path}: ${answer.status} ${text}`);
    return text === "" ? undefined : JSON.parse(text);
  };
  await house.push("untouched");
  await house.ask("PATCH", "/_lentil/v1/settings", { access_token_lifetime: 3 });
  house.user = await house.ask("POST", "/user_management/users", { email: "ada@example.com", password, email_verified: true });
  house.signIn = () => house.ask("POST", "/user_management/authenticate", { grant_type: "password", client_id: clientId, client_secret: apiKey, email: "ada@example.com", password });
  return house;
}

export async function tearDown(house) {
  await house?.close();
}

/** A window as the document makes it, in which `states` is what useConvexAuth() would have said. */
async function open(house) {
  const { access_token } = await house.signIn();
  const { exp, sid } = claims(access_token);
  const sockets = [];
  class Socket extends WebSocket {
    constructor(...args) {
      super(...args);
      sockets.push(this);
    }
  }
  const client = new ConvexClient(house.url, { webSocketConstructor: Socket, unsavedChangesWarning: false, logger: false });
  const states = [];
  client.setAuth(async () => access_token, (signedIn) => states.push(signedIn));
  const view = house.watch(client, api.notes.view, {});
  await until("the window to be signed in", () => states.at(-1) === true && view.last()?.who === house.user.id);
  return {
    client, states, view, token: access_token, session: sid, sockets,
    /** Waits for the end of the token, or of the tolerance of those who verify it. */
    untouched: (tolerance = 0) => until("the token to end", () => Date.now() > (exp + tolerance) * 1000 + 500),
  };
}

export const scenarios = {
  "a window whose token ended sees what others do, and can write": async (house) => {
    const window = await open(house);
    await window.untouched(6);
    const before = window.view.last().notes;
    await house.http().mutation(api.notes.foreign, {});
    await until("another's change", () => window.view.last().notes === before + 1);
    await window.client.mutation(api.notes.write, { text: "after lunch" });
    await until("its own change", () => window.view.last().notes === before + 2);
    same(window.view.last().who, house.user.id);
    same(window.states, [true]);
    same(window.view.errors, []);
    await fails(() => house.http(window.token).query(api.notes.view, {}), "an ended token by itself");
    await window.client.close();
  },

  "it comes back after its line was cut; somebody else with its token does not": async (house) => {
    const window = await open(house);
    await window.untouched(6);
    window.sockets.at(-1).terminate();
    await until("a second socket", () => window.sockets.length === 2);
    await window.client.mutation(api.notes.write, { text: "after the tunnel" });
    same([window.states, window.view.last().who], [[true], house.user.id]);
    const thief = new ConvexClient(house.url, { webSocketConstructor: WebSocket, unsavedChangesWarning: false, logger: false });
    const states = [];
    thief.setAuth(async () => window.token, (signedIn) => states.push(signedIn));
    await until("the thief to be refused", () => states.at(-1) === false);
    same(states, [false]);
    await thief.close();
    await window.client.close();
  },

  "it comes back to a house that was killed and started again": async (house) => {
    const window = await open(house);
    await window.untouched();
    await house.lentil.crashAndRestart();
    await window.client.mutation(api.notes.write, { text: "after the crash" });
    same([window.states, window.view.last().who], [[true], house.user.id]);
    await window.client.close();
  },

  "it is over when the session is": async (house) => {
    const window = await open(house);
    await window.untouched();
    await window.client.mutation(api.notes.write, { text: "still here" });
    await house.ask("POST", "/user_management/sessions/revoke", { session_id: window.session });
    await until("the sign-out", async () => {
      await house.http().mutation(api.notes.foreign, {});
      return window.states.at(-1) === false;
    });
    same(window.states, [true, false]);
    await until("a stranger's view", () => window.view.last().who === null);
    await window.client.close();
  },

  "in an environment whose connections end with their tokens it is over with the token": async (house) => {
    await house.ask("PATCH", "/_lentil/v1/settings", { connections_end_with_token: true });
    try {
      const window = await open(house);
      await window.untouched();
      await house.http().mutation(api.notes.foreign, {});
      await until("the sign-out", () => window.states.at(-1) === false);
      await window.client.close();
    } finally {
      await house.ask("PATCH", "/_lentil/v1/settings", { connections_end_with_token: false });
    }
  },
};
