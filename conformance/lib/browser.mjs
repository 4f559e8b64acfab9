// Debian's Chromium, driven by playwright-core.
import { existsSync } from "node:fs";
import { chromium } from "playwright-core";
import { judgePage } from "./judge.mjs";
import { patience } from "./lentil.mjs";

const candidates = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

export async function openBrowser() {
  const executablePath = candidates.find((path) => path && existsSync(path));
  if (executablePath === undefined) {
    throw new Error("Chromium is missing. hint: apt-get install chromium, or set CHROMIUM to its path");
  }
  return await chromium.launch({
    executablePath,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

/** A fresh person: own cookies, own storage. Console errors are kept for the report. */
export async function newPerson(browser) {
  const context = await browser.newContext();
  judgePage(context);
  return listen(context);
}

/** Keeps the console errors of a browser's pages, with the address that each is about. */
export function listen(context) {
  context.setDefaultTimeout(patience);
  context.problems = [];
  context.tokenless = 0;
  context.on("console", (message) => message.type() === "error" && context.problems.push(`${message.text()} ${message.location().url}`.trim()));
  context.on("response", (answer) => {
    const asked = answer.request().method() === "POST" && answer.url().endsWith(authenticate) ? answer.request().postDataJSON() : {};
    context.tokenless += asked?.grant_type === "refresh_token" && !asked.refresh_token && answer.status() === 400 ? 1 : 0;
  });
  return context;
}

const authenticate = "/user_management/authenticate";

/**
 * What the console of somebody complained of who signed out of the React app. authkit-js looks once a second whether its token
 * is to be renewed; between the click and the next page it has none, and asks with none. How long that is depends on the machine.
 */
export function complaints({ problems, tokenless }) {
  const refused = (text) => text.includes("status of 400") && text.endsWith(authenticate);
  return problems.filter((text) => !(refused(text) && tokenless-- > 0));
}

/** Fills Lentil's own pages: e-mail, password, Continue. */
export async function enterPassword(page, email, password) {
  await page.getByLabel("Email").fill(email);
  const field = page.getByLabel("Password");
  if ((await field.count()) === 0) {
    await page.getByRole("button", { name: "Continue" }).click();
  }
  await field.fill(password);
  await page.getByRole("button", { name: "Continue" }).click();
}

export async function enterCode(page, code) {
  await page.getByLabel("Code").fill(code);
  await page.getByRole("button", { name: "Continue" }).click();
}

/** Fills in the page of Lentil's test identity provider. */
export async function be(page, email, first) {
  await page.getByRole("heading", { name: "Test identity provider" }).waitFor();
  await page.getByLabel("Email", { exact: true }).fill(email);
  await page.getByLabel("First name").fill(first);
  await page.getByRole("button", { name: "Continue" }).click();
}
