// The official Node clients in both majors, on one house.
import { WorkOS as WorkOS10 } from "@workos-inc/node";
import { WorkOS as WorkOS11 } from "workos-node-11";
import { fails, holds, same } from "./check.mjs";
import { House } from "./house.mjs";

/** Starts a house with a client of each major (`clients`), `ask` for raw calls of its API and `operate` for those that must succeed. */
export async function openWithClients() {
  const house = await House.open();
  const { authkitUrl, apiKey, clientId } = house.lentil.info;
  const { hostname, port } = new URL(authkitUrl);
  const options = { apiHostname: hostname, port: Number(port), https: false, clientId };
  house.clients = { 10: new WorkOS10(apiKey, options), 11: new WorkOS11(apiKey, options) };
  house.ask = async (method, path, body) => {
    const answer = await fetch(authkitUrl + path, { method, headers: { Authorization: `Bearer ${apiKey}`, "Content-Type": "application/json" }, body: body && JSON.stringify(body) });
    const text = await answer.text();
    return { status: answer.status, ...(text && JSON.parse(text)) };
  };
  house.operate = async (method, path, body) => {
    const answer = await fetch(authkitUrl + path, { method, headers: { Authorization: `Bearer ${apiKey}`, "Content-Type": "application/json" }, body: body && JSON.stringify(body) });
    holds(answer.ok, `${method} ${path}: ${answer.status} ${answer.ok ? "" : await answer.text()}`);
    return answer.status === 204 ? undefined : await answer.json();
  };
  return house;
}

/** Ends it. */
export async function tearDown(house) {
  await house?.close();
}

/** One scenario for each major version. */
export const both = (work) => async (house) => {
  for (const [major, client] of Object.entries(house.clients)) {
    await work(client, house, major);
  }
};

/** The call is refused with this status and code. */
export const refused = async (work, status, code) => {
  const error = await fails(work, code);
  same([error.status, error.rawData?.code ?? error.code], [status, code]);
};
