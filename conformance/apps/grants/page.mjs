// A page that keeps its person by cookie: authkit-js outside of devMode. What happens is written down in window.seen.
import { createClient } from "@workos-inc/authkit-js";

const { clientId, apiHostname, port } = JSON.parse(document.getElementById("options").textContent);
window.seen = { failures: 0, refreshed: 0 };
const client = await createClient(clientId, {
  apiHostname, port, https: false, devMode: false, redirectUri: `${location.origin}/`,
  onRefresh: () => void window.seen.refreshed++,
  onRefreshFailure: () => void window.seen.failures++,
});
window.client = client;

/** A fresh token: "ok", or the name of what went wrong. */
window.refresh = async () => {
  try {
    return (await client.getAccessToken({ forceRefresh: true })) ? "ok" : "no token";
  } catch (error) {
    return error.name === "Error" ? error.message : error.name;
  }
};

const show = (id, text) => Object.assign(document.body.appendChild(document.createElement("p")), { id, textContent: text });
const user = client.getUser();
show("user", user ? user.email : "nobody");
const button = document.body.appendChild(document.createElement("button"));
button.textContent = user ? "Sign out" : "Sign in";
button.onclick = () => (user ? client.signOut({ returnTo: `${location.origin}/` }) : client.signIn());
