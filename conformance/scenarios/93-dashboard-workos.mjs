// The dashboard's WorkOS side in a real browser: every page, and the guide's steps for CORS, redirects and tokens.
import { WorkOS } from "@workos-inc/node";
import { createServer } from "node:http";
import { enterCode, enterPassword } from "../lib/browser.mjs";
import { contains, holds, same } from "../lib/check.mjs";
import { breaches, calm, closeDashboard, keepBaselines, looksAsBefore, openDashboard, owner, visit } from "../lib/dashboard.mjs";
import { until } from "../lib/lentil.mjs";

export async function setUp() {
  const house = await openDashboard();
  const { apiKey, clientId, authkitUrl } = house.lentil.info;
  const { hostname, port } = new URL(authkitUrl);
  house.workos = new WorkOS(apiKey, { clientId, apiHostname: hostname, port: Number(port), https: false });
  const ada = await house.workos.userManagement.createUser({ email: "ada@example.com", firstName: "Ada", lastName: "Lovelace", password: "correct horse battery", emailVerified: true });
  const acme = await house.workos.organizations.createOrganization({ name: "Acme", domainData: [{ domain: "acme.example", state: "verified" }] });
  await house.workos.userManagement.createOrganizationMembership({ userId: ada.id, organizationId: acme.id });
  Object.assign(house, { ada, acme });
  return house;
}

export const tearDown = closeDashboard;

const notice = (page, words) => page.locator("#notice").getByText(words).waitFor();
const alert = (page) => page.getByTestId("alert").first().innerText();
const signIn = (house) => house.workos.userManagement.authenticateWithPassword({ clientId: house.lentil.info.clientId, email: "ada@example.com", password: "correct horse battery" });
const claims = (jwt) => JSON.parse(Buffer.from(jwt.split(".")[1], "base64url"));

/** Goes to a page as a person does: by its name among the deployment's pages. */
async function open(house, page, name) {
  await page.goto(`${house.here}/health`);
  await page.getByRole("navigation", { name: "Pages of the deployment" }).getByRole("link", { name, exact: true }).click();
  await page.locator("body[data-ready]").waitFor();
}

export const scenarios = {
  "every page looks as it did, in the light, in the dark and on a phone, and keeps to the rules": async (house) => {
    const pages = {
      users: "/users", user: `/users/${house.ada.id}`, organizations: "/organizations", organization: `/organizations/${house.acme.id}`, invitations: "/invitations", roles: "/roles",
      methods: "/methods", sessions: "/sessions?manage=1", redirects: "/redirects", "jwt-template": "/jwt-template", branding: "/branding", "api-keys": "/api-keys",
      mail: "/mail?to=nobody@example.com", events: "/events?name=organization.created", webhooks: "/webhooks",
      workspace: "/t/my-team/-/workspace",
    };
    const wrong = [];
    for (const [mode, options] of Object.entries({ light: {}, dark: { colorScheme: "dark" }, phone: { viewport: { width: 390, height: 780 } } })) {
      const page = await owner(house, options);
      for (const [name, path] of Object.entries(pages)) {
        await page.goto(path.startsWith("/t/") ? house.dash + path : house.here + path);
        await page.locator("body[data-ready]").waitFor();
        wrong.push(...(await breaches(page)).map((w) => `${name} (${mode}): ${w}`));
        wrong.push(...(await looksAsBefore(house, page, `workos ${name} ${mode}`)));
      }
      calm(page);
      await page.context().close();
    }
    keepBaselines();
    same(wrong, []);
  },

  "Authentication > Sessions > Cross-Origin Resource Sharing (CORS) > Manage > add the domain": async (house) => {
    const origin = "http://app.example.com";
    // What authkit-react sends from a page of that domain, before its first request.
    const preflight = () =>
      fetch(`${house.lentil.info.authkitUrl}/user_management/authenticate`, { method: "OPTIONS", headers: { Origin: origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type" } });
    same((await preflight()).headers.get("access-control-allow-origin"), null, "before");
    const page = await owner(house);
    await open(house, page, "Sessions");
    // The house has seen the refusal and offers its cure.
    await page.getByRole("button", { name: `Add ${origin}` }).waitFor();
    await visit(house, page, "/sessions?manage=1");
    await page.getByLabel("Add a domain").fill("app.example.com/callback");
    await page.getByRole("button", { name: "Add", exact: true }).click();
    contains(await alert(page), "origin");
    await page.getByLabel("Add a domain").fill(origin);
    await page.getByRole("button", { name: "Add", exact: true }).click();
    await notice(page, `${origin} may use the sign-in now.`);
    same((await preflight()).headers.get("access-control-allow-origin"), origin, "after");
    same(await page.getByRole("button", { name: `Add ${origin}` }).count(), 0, "offers that are left");
    calm(page);
    await page.context().close();
  },

  "a redirect URI that was refused is added with one click": async (house) => {
    const uri = "http://app.example.com/callback";
    const authorize = `${house.lentil.info.authkitUrl}/user_management/authorize?client_id=${house.lentil.info.clientId}&response_type=code&provider=authkit&redirect_uri=${encodeURIComponent(uri)}`;
    const page = await owner(house);
    const status = async () => (await page.context().request.get(authorize)).status();
    same(await status(), 400, "before");
    await open(house, page, "Redirects");
    await page.getByRole("listitem").filter({ hasText: uri }).getByRole("button", { name: "Add it" }).click();
    await notice(page, `Sign-ins may come back to ${uri} now.`);
    same(await status(), 200, "after");
    await page.context().close();
  },

  "a JWT template changes what an official client's token says; a bad one is refused where it stands": async (house) => {
    const page = await owner(house);
    await open(house, page, "JWT template");
    await page.getByLabel("Template").fill('{ "sub": "me" }');
    await page.getByRole("button", { name: "Save" }).first().click();
    contains(await alert(page), "sub");
    same(await page.getByLabel("Template").inputValue(), '{ "sub": "me" }', "what was typed");
    await page.getByLabel("Template").fill('{ "email": "{{user.email}}" }');
    await page.getByRole("button", { name: "Save" }).first().click();
    await notice(page, "Saved.");
    same(claims((await signIn(house)).accessToken).email, "ada@example.com");
    await page.context().close();
  },

  "users appear as they sign up, and their sessions end with a click": async (house) => {
    const page = await owner(house);
    await open(house, page, "Users");
    const person = await (await house.browser.newContext()).newPage();
    await person.goto(`${house.lentil.info.authkitUrl}/user_management/authorize?client_id=${house.lentil.info.clientId}&response_type=code&provider=authkit&screen_hint=sign-up&redirect_uri=${encodeURIComponent("http://localhost:5173/callback")}`);
    await enterPassword(person, "grace@example.com", "correct horse battery staple");
    await person.getByLabel("Code").waitFor();
    // The code is in the dashboard's outbox, which is live, too.
    const outbox = await page.context().newPage();
    await visit(house, outbox, "/mail?to=grace@example.com");
    const code = (await outbox.locator("summary code").first().innerText()).match(/\d{6}/)[0];
    await enterCode(person, code);
    await page.getByRole("link", { name: "grace@example.com" }).waitFor(); // without a reload
    await page.getByRole("link", { name: "grace@example.com" }).waitFor(); // without a reload
    await outbox.close();
    const session = await signIn(house);
    await visit(house, page, `/users/${house.ada.id}`);
    page.once("dialog", (dialog) => dialog.accept());
    await page.getByRole("button", { name: "Sign out everywhere" }).click();
    await notice(page, "ended.");
    const refused = await house.workos.userManagement.authenticateWithRefreshToken({ clientId: house.lentil.info.clientId, refreshToken: session.refreshToken }).catch((error) => error);
    holds(refused instanceof Error, "a session that was ended is renewed");
    await person.context().close();
    await page.context().close();
  },

  "a form that makes something is empty again, and keeps what was typed only if it was refused": async (house) => {
    const page = await owner(house);
    await open(house, page, "Roles");
    const [name, slug] = ["New permission", "Slug"].map((label) => page.locator("form", { hasText: "New permission" }).getByLabel(label));
    const make = async (slugged) => {
      await name.fill("Order soups");
      await slug.fill(slugged);
      await slug.press("Enter"); // the field keeps the focus
    };
    await make("not a slug");
    await page.locator("form", { hasText: "New permission" }).getByTestId("alert").waitFor();
    same([await name.inputValue(), await slug.inputValue()], ["Order soups", "not a slug"], "after a refusal");
    await make("soups:order");
    await notice(page, "The permission is there.");
    same([await name.inputValue(), await slug.inputValue()], ["", ""], "after it was made");
    await page.context().close();
  },

  "an operator acts as a user from the dashboard": async (house) => {
    const app = createServer((_, response) => response.end("the app"));
    await new Promise((done) => app.listen(0, "127.0.0.1", done));
    const login = `http://localhost:${app.address().port}/login`;
    try {
      const page = await owner(house);
      await open(house, page, "Redirects");
      const endpoint = page.locator("form").filter({ has: page.locator("input[name=begin]") });
      await endpoint.getByLabel("Address").fill(login);
      await endpoint.getByRole("button", { name: "Save" }).click();
      await notice(page, "Saved.");
      await visit(house, page, `/users/${house.ada.id}`);
      await page.getByText("Act as this user").click();
      await page.getByLabel("Reason").fill("ticket 7: cannot see soups");
      await page.getByRole("button", { name: "Make a link" }).click();
      const address = await page.getByTestId("impersonate-link").getAttribute("href");
      const support = await (await house.browser.newContext()).newPage();
      await support.goto(address);
      contains(await support.getByTestId("impersonation").innerText(), "ticket 7: cannot see soups");
      await support.getByRole("button", { name: "Sign in as ada@example.com" }).click();
      await support.waitForURL(login);
      // The app's own authorize request is answered at once.
      const { clientId, authkitUrl } = house.lentil.info;
      const authorize = `${authkitUrl}/user_management/authorize?client_id=${clientId}&response_type=code&provider=authkit&redirect_uri=${encodeURIComponent("http://localhost:5173/callback")}`;
      const answer = await support.context().request.get(authorize, { maxRedirects: 0 });
      const code = new URL(answer.headers().location).searchParams.get("code");
      const { impersonator, user } = await house.workos.userManagement.authenticateWithCode({ clientId, code });
      same([user.email, impersonator.reason], ["ada@example.com", "ticket 7: cannot see soups"]);
      await visit(house, page, `/users/${house.ada.id}`);
      await page.getByText(`as them: ${impersonator.email}`).waitFor();
      await support.context().close();
      await page.context().close();
    } finally {
      app.close();
    }
  },

  "a webhook endpoint is added, hears, fails, and a delivery is replayed": async (house) => {
    let answer = 500;
    const heard = [];
    const server = createServer((request, response) => {
      let body = "";
      request.on("data", (chunk) => (body += chunk)).on("end", () => {
        heard.push(JSON.parse(body).event);
        response.writeHead(answer).end();
      });
    });
    await new Promise((done) => server.listen(0, "127.0.0.1", done));
    try {
      const page = await owner(house);
      await open(house, page, "Webhooks");
      await page.getByLabel("New endpoint").fill(`http://127.0.0.1:${server.address().port}/hook`);
      await page.getByLabel("Events").fill("user.created");
      await page.getByRole("button", { name: "Add", exact: true }).click();
      await notice(page, "hears of what happens from now on");
      await house.workos.userManagement.createUser({ email: "alan@example.com" });
      await until("the first attempt", () => heard.length > 0);
      const row = page.getByRole("row").filter({ hasText: "user.created" }).filter({ has: page.getByRole("button", { name: "Replay" }) });
      await row.getByText("500").waitFor();
      answer = 200;
      await row.getByRole("button", { name: "Replay" }).click();
      await row.getByText("delivered").waitFor();
      holds(heard.length >= 2 && heard.every((event) => event === "user.created"), `heard ${heard}`);
      await page.context().close();
    } finally {
      server.close();
    }
  },
};
