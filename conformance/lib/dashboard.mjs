// The dashboard in Chromium: signing in, what every page must keep to, and how pages are compared with how they looked.
import { execFileSync } from "node:child_process";
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openBrowser } from "./browser.mjs";
import { holds, same } from "./check.mjs";
import { House } from "./house.mjs";
import { binary, patience, root } from "./lentil.mjs";

export const baselines = join(root, "conformance", "baselines", "dashboard.json");

/** A house with the bakery on it, and a browser. */
export async function openDashboard() {
  const house = await House.open();
  await house.push("bakery");
  await house.run("breads:fill", { n: 60 });
  house.browser = await openBrowser();
  house.dash = house.lentil.info.controlUrl;
  house.here = `${house.dash}/d/${house.lentil.info.deployment}`;
  return house;
}

export async function closeDashboard(house) {
  await house.browser.close();
  await house.close();
}

/** A link as `lentil dashboard` prints it. */
export const link = (house) => JSON.parse(execFileSync(binary, ["dashboard", house.dir, "--json"], { encoding: "utf8" })).url;

/** The owner in a browser of their own. */
export async function owner(house, options = {}) {
  const context = await house.browser.newContext({ viewport: { width: 1280, height: 860 }, acceptDownloads: true, ...options });
  context.setDefaultTimeout(patience);
  context.problems = [];
  context.on("console", (message) => message.type() === "error" && !/status of 4\d\d/.test(message.text()) && context.problems.push(message.text()));
  context.on("weberror", (error) => context.problems.push(String(error.error())));
  const page = await context.newPage();
  await page.goto(link(house));
  await page.waitForURL(`${house.dash}/`);
  return page;
}

/** Goes to a page of the deployment and waits until its script has settled. */
export async function visit(house, page, path) {
  await page.goto(house.here + path);
  await page.locator("body[data-ready]").waitFor();
}

/** What every page must keep to; each breach is a line. */
export const breaches = (page) =>
  page.evaluate(() => {
    const wrong = [];
    const all = (s) => [...document.querySelectorAll(s)];
    const shown = (el) => el.checkVisibility({ visibilityProperty: true, opacityProperty: true }) && el.getClientRects().length > 0;
    const name = (el) =>
      el.getAttribute("aria-label") || (el.getAttribute("aria-labelledby") && document.getElementById(el.getAttribute("aria-labelledby"))?.textContent) ||
      [...(el.labels ?? [])].map((l) => l.textContent).join("") || el.textContent.trim() || el.title || el.querySelector("img")?.alt || "";
    const tell = (el) => el.outerHTML.slice(0, 110);
    if (document.documentElement.lang !== "en") wrong.push("no language");
    if (all("h1").filter(shown).length !== 1) wrong.push(`${all("h1").filter(shown).length} main headings`);
    if (all("main").length !== 1) wrong.push("not one main");
    const ids = all("[id]").map((el) => el.id);
    for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) wrong.push(`id ${id} twice`);
    for (const el of all("a[href], button, summary, input:not([type=hidden]), select, textarea")) if (shown(el) && !name(el)) wrong.push(`no name: ${tell(el)}`);
    for (const el of all("img:not([alt])")) wrong.push(`no alt: ${tell(el)}`);
    for (const el of all("[aria-controls], [aria-describedby], [aria-labelledby]"))
      for (const attr of ["aria-controls", "aria-describedby", "aria-labelledby"])
        for (const id of (el.getAttribute(attr) ?? "").split(/\s+/).filter(Boolean)) if (!document.getElementById(id)) wrong.push(`${attr} leads nowhere: ${tell(el)}`);
    for (const el of all("th:not([scope])")) wrong.push(`a head without scope: ${tell(el)}`);
    if (document.scrollingElement.scrollWidth > innerWidth) wrong.push(`wider than the window by ${document.scrollingElement.scrollWidth - innerWidth}`);
    // Contrast of every text against what is painted behind it (WCAG 2.2, 1.4.3).
    const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });
    const known = new Map();
    const rgba = (text) => {
      if (!known.has(text)) {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = text;
        canvas.fillRect(0, 0, 1, 1);
        const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
        known.set(text, [r, g, b, a / 255]);
      }
      return known.get(text);
    };
    const over = ([r, g, b, a], [R, G, B]) => [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a)];
    const behind = (el) => {
      const layers = [];
      for (let e = el; e; e = e.parentElement) {
        const c = rgba(getComputedStyle(e).backgroundColor);
        if (c[3] > 0) layers.push(c);
        if (c[3] === 1) break;
      }
      return layers.reverse().reduce((under, c) => over(c, under), [255, 255, 255]);
    };
    const light = (c) => c.map((v) => ((v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const seen = new Set();
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) {
      const el = walk.currentNode.parentElement;
      if (!walk.currentNode.textContent.trim() || seen.has(el) || el.closest("[disabled], option, svg, .unseen, noscript") || !shown(el)) continue;
      seen.add(el);
      const style = getComputedStyle(el);
      const ground = behind(el);
      const [a, b] = [light(over(rgba(style.color), ground)), light(ground)].sort((x, y) => y - x);
      const ratio = (a + 0.05) / (b + 0.05);
      const size = parseFloat(style.fontSize);
      const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
      if (ratio < (large ? 3 : 4.5)) wrong.push(`contrast ${ratio.toFixed(2)} of "${el.textContent.trim().slice(0, 30)}" (${style.color} on ${ground.map(Math.round)})`);
    }
    return wrong;
  });

const [across, down] = [32, 20];

/** A page as a grid of colours: what is left of a screenshot when letters are forgotten. */
async function grid(house, page) {
  // The list of pages grows by itself; a page is not another one for that.
  const png = await page.screenshot({ animations: "disabled", caret: "hide", mask: [page.locator(".side")], maskColor: "#808080" });
  house.easel ??= await (await house.browser.newContext()).newPage();
  const cells = await house.easel.evaluate(
    async ([data, w, h]) => {
      const image = await createImageBitmap(await (await fetch(`data:image/png;base64,${data}`)).blob());
      const canvas = new OffscreenCanvas(w, h).getContext("2d");
      canvas.imageSmoothingQuality = "high";
      canvas.drawImage(image, 0, 0, w, h);
      return [...canvas.getImageData(0, 0, w, h).data].filter((_, i) => i % 4 !== 3);
    },
    [png.toString("base64"), across, down],
  );
  return { png, cells };
}

/** Where the parts of a page stand, in steps of 8 pixels. */
const parts = (page) =>
  page.evaluate(() => {
    const found = {};
    for (const [name, selector] of Object.entries({ head: ".top", side: ".side", main: "main", heading: "main h1", list: ".list", table: "main .table, main .entries, main .gauges, main .cards", form: "main form.card, main .narrow form" })) {
      const box = document.querySelector(selector)?.getBoundingClientRect();
      if (box?.width) found[name] = [box.x, box.y, box.width].map((v) => Math.round(v / 8));
    }
    return found;
  });

const write = process.env.LENTIL_BASELINES === "write";
let known;
try {
  known = JSON.parse(readFileSync(baselines, "utf8"));
} catch {
  known = {};
}

/** How far a page may be from how it was, of 255: colours on the whole, and in one cell. Fonts of another version move letters. */
const tolerance = { mean: 5, cell: 90, box: 3 };

/** How far pictures that differ are waited for: what is live may still be on its way. If several differ, all of them do. */
let second = 3;

/** Compares a page with how it looked when its baseline was made; LENTIL_BASELINES=write makes it anew. */
export async function looksAsBefore(house, page, name) {
  // How long ago something was depends on how fast the machine is: times keep their place and lose their words.
  await page.evaluate(async () => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync("time { display: inline-block !important; width: 6.5rem !important; height: 1em !important; overflow: hidden !important; color: transparent !important }");
    document.adoptedStyleSheets = [sheet];
    await document.fonts.ready;
  });
  let seen = await look(house, page, name);
  if (write) {
    known[name] = { boxes: seen.boxes, cells: Buffer.from(seen.cells).toString("base64") };
    return [];
  }
  if (!known[name]) {
    return [`${name}: no baseline; LENTIL_BASELINES=write makes it`];
  }
  for (const end = performance.now() + patience / 2; seen.wrong.length > 0 && second > 0 && performance.now() < end; ) {
    seen = await look(house, page, name);
  }
  second -= seen.wrong.length > 0 ? 1 : 0;
  return seen.wrong;
}

/** Takes a picture and says how it differs from its baseline. */
async function look(house, page, name) {
  const { png, cells } = await grid(house, page);
  const boxes = await parts(page);
  const wrong = [];
  let told = "no baseline";
  if (known[name] && !write) {
    const was = [...Buffer.from(known[name].cells, "base64")];
    const off = cells.map((v, i) => Math.abs(v - was[i]));
    const mean = off.reduce((sum, v) => sum + v, 0) / off.length;
    const most = Math.max(...off);
    const at = Math.floor(off.indexOf(most) / 3);
    told = `off by ${mean.toFixed(1)} on the whole, by ${most} in column ${at % across}, row ${Math.floor(at / across)} of ${across}×${down}`;
    if (mean > tolerance.mean || most > tolerance.cell) {
      wrong.push(`${name}: looks otherwise: ${told}`);
    }
    for (const part of new Set([...Object.keys(known[name].boxes), ...Object.keys(boxes)])) {
      const [a, b] = [known[name].boxes[part], boxes[part]];
      if (!a || !b || a.some((v, i) => Math.abs(v - b[i]) > tolerance.box)) {
        wrong.push(`${name}: its ${part} is at ${b}, was at ${a} (steps of 8 pixels: x, y, width)`);
      }
    }
  }
  if (process.env.LENTIL_SHOTS) {
    mkdirSync(process.env.LENTIL_SHOTS, { recursive: true });
    writeFileSync(join(process.env.LENTIL_SHOTS, `${name.replaceAll(/\W+/g, "-")}.png`), png);
    appendFileSync(join(process.env.LENTIL_SHOTS, "distances.txt"), `${name}: ${told}\n`); // how near to the tolerance
  }
  return { cells, boxes, wrong };
}

/** Writes the baselines, if they are being made. */
export function keepBaselines() {
  if (write) {
    mkdirSync(join(baselines, ".."), { recursive: true });
    writeFileSync(baselines, JSON.stringify(Object.fromEntries(Object.entries(known).sort()), null, 1) + "\n");
  }
}

/** Fails if scripts of the pages of a person complained. */
export function calm(page) {
  same(page.context().problems, [], "complaints of the browser");
  holds(true);
}
