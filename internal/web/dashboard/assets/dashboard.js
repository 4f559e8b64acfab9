// The dashboard's one script. Pages work without it; it keeps them up to date, sends
// forms without leaving the page, and gives the keyboard its due.

const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
const mac = /Mac|iPhone|iPad/.test(navigator.platform);

// -- Changing the page in place ---------------------------------------------------

// keyOf is what tells that an old and a new element are the same thing. The property
// id of a form would be its field of that name.
const keyOf = (node) => (node.nodeType === 1 ? node.getAttribute("id") || node.dataset.key || "" : "");

// morph makes `from` like `to` and keeps every node that can stay, so that focus,
// selection, scroll positions and open menus are not lost.
function morph(from, to) {
  if (from.nodeType !== to.nodeType || from.nodeName !== to.nodeName || keyOf(from) !== keyOf(to)) {
    from.replaceWith(to);
    return;
  }
  if (from.nodeType !== 1) {
    if (from.nodeValue !== to.nodeValue) from.nodeValue = to.nodeValue;
    return;
  }
  if (from.isEqualNode(to)) return;
  // A form in which somebody is typing stays as a whole: with what it knows of the
  // value that it was made from, so that its sending finds out who was first.
  if (from.nodeName === "FORM" && $("[data-dirty]", from)) return;
  if (from.nodeName === "TIME" && from.dateTime === to.dateTime) return; // told in words of the script's
  attributes(from, to);
  if (from.nodeName === "TEXTAREA") {
    if (!from.dataset.dirty && from.defaultValue !== to.defaultValue) from.value = from.defaultValue = to.defaultValue;
    return;
  }
  children(from, to);
}

// attributes copies them, except for what the person has changed since.
function attributes(from, to) {
  // What the person opened stays open, and what they typed stays typed.
  const mine = new Set(["open"]);
  if (from === document.activeElement || from.dataset.dirty) mine.add("value").add("checked");
  for (const { name } of [...from.attributes]) {
    if (!to.hasAttribute(name) && !mine.has(name) && !name.startsWith("data-dirty")) from.removeAttribute(name);
  }
  for (const { name, value } of [...to.attributes]) {
    if (from.getAttribute(name) === value || (mine.has(name) && name !== "open")) continue;
    from.setAttribute(name, value);
    if (name === "value") from.value = value;
    if (name === "checked") from.checked = true;
  }
  if (from.type === "checkbox" && !mine.has("checked")) from.checked = to.hasAttribute("checked");
}

function children(from, to) {
  const keyed = new Map();
  for (const c of from.childNodes) if (keyOf(c)) keyed.set(keyOf(c), c);
  let at = from.firstChild;
  for (const next of [...to.childNodes]) {
    const key = keyOf(next);
    const same = key && keyed.get(key);
    if (same) {
      if (same === at) at = at.nextSibling;
      else from.insertBefore(same, at);
      morph(same, next);
      continue;
    }
    // A node without a key is taken over from the place where it stood; one with a
    // key that is not here yet is new.
    if (at && !key && !keyOf(at) && at.nodeType === next.nodeType && at.nodeName === next.nodeName) {
      const old = at;
      at = at.nextSibling;
      morph(old, next);
      continue;
    }
    if (key && live && next.dataset.fresh !== undefined) next.classList.add("fresh");
    from.insertBefore(next, at);
  }
  while (at) {
    const gone = at;
    at = at.nextSibling;
    gone.remove();
  }
}

// parse makes a document of a page's text.
const parse = (html) => new DOMParser().parseFromString(html, "text/html");

// -- Live ---------------------------------------------------------------------------

let stream, again, digest;
let live = false; // the page is changing by itself: what is new in it is pointed out

function say(text) {
  const el = $("[data-state]");
  if (el && el.textContent !== text) el.textContent = text;
}

// warn says what went wrong at the head of the page, and offers a link.
function warn(text, link, href) {
  const note = Object.assign(document.createElement("div"), { className: "note bad" });
  const p = document.createElement("p");
  note.setAttribute("role", "alert");
  p.append(text);
  if (link) p.append(" ", Object.assign(document.createElement("a"), { href, target: "_blank", rel: "noopener", textContent: link }));
  note.append(p);
  $("#notice")?.replaceChildren(note);
  note.scrollIntoView({ block: "nearest" });
}

const kept = "What you typed is still here.";
const signIn = () => warn(`You are not signed in any more. ${kept} Sign in beside this page, then send it again:`, "Sign in", "/sign-in");

// listen holds one event stream for a page that is looked at; hidden pages hold none,
// since browsers allow few to a host.
function listen() {
  hush();
  if (document.hidden || !document.body.dataset.live) return;
  const url = new URL(location.href);
  url.hash = "";
  url.searchParams.set("live", digest ?? document.body.dataset.live);
  stream = new EventSource(url);
  stream.onopen = () => say("");
  stream.addEventListener("swap", (e) => {
    const { title, regions } = JSON.parse(e.data);
    digest = ""; // the browser's picture is no longer that of the address
    live = true;
    for (const [id, html] of Object.entries(regions)) region(id, html);
    live = false;
    if (title) document.title = document.title.replace(/^[^·]*(?= ·)/, title);
    settle();
  });
  stream.addEventListener("gone", (e) => {
    hush();
    const { code, message } = JSON.parse(e.data);
    if ($("[data-dirty]")) return code === "SignInFirst" ? signIn() : warn(`${message} ${kept}`);
    say(message);
    again = setTimeout(() => location.reload(), 1500);
  });
  stream.onerror = () => {
    say("Not connected");
    if (stream.readyState === EventSource.CLOSED) {
      hush();
      again = setTimeout(listen, 5000);
    }
  };
}

function hush() {
  clearTimeout(again);
  stream?.close();
  stream = undefined;
}

function region(id, html) {
  const from = document.getElementById(id);
  if (!from) return;
  const pinned = $$("[data-tail]", from).map((el) => [el, el.scrollHeight - el.scrollTop - el.clientHeight < 40]);
  const to = from.cloneNode(false);
  to.innerHTML = html;
  morph(from, to);
  for (const [el, down] of pinned) if (down) el.scrollTop = el.scrollHeight;
}

// -- Going somewhere without leaving the page -----------------------------------------

// show puts another page's content in place of this one's.
function show(html, url, push) {
  const next = parse(html);
  if (!$("#main", next)) return location.assign(url);
  document.title = next.title;
  attributes(document.body, next.body);
  digest = undefined;
  for (const el of $$("[data-dirty]")) delete el.dataset.dirty;
  if (push && url !== location.href) history.pushState({ swapped: true }, "", url);
  children(document.body, next.body);
  settle();
  listen();
}

let asked = 0; // how often a page was asked for

async function go(url, options = {}, push = true) {
  const turn = ++asked;
  say("…");
  try {
    const { form, ...request } = options;
    const res = await fetch(url, { ...request, headers: { ...request.headers, Accept: "text/html" }, credentials: "same-origin" });
    const refused = options.method === "POST" && res.headers.get("Lentil-Refused");
    if (refused === "SignInFirst") return signIn();
    if (refused === "StaleForm" && !options.again && (await renew(options.body))) return go(url, { ...options, again: true }, push);
    if (!(res.headers.get("Content-Type") ?? "").startsWith("text/html")) return location.assign(res.url);
    const html = await res.text();
    if (turn !== asked && options.method !== "POST") return; // somebody has gone on meanwhile
    // A form that makes something is empty again once it is made, for the next one.
    const anew = res.ok && form?.hasAttribute("data-anew");
    const field = anew && form.contains(document.activeElement) && document.activeElement;
    if (field) field.blur(); // where somebody types nothing is changed
    if (anew) form.reset();
    show(html, res.url, push);
    say("");
    if (field && field.isConnected) return field.focus();
    focusFirst();
  } catch {
    say("Not connected");
    if (options.method === "POST") warn(`This house does not answer, so nothing was sent. ${kept}`);
  }
}

// renew takes the session's secret from a fresh copy of the page: whoever signed in
// again goes on with the form that they have before them.
async function renew(body) {
  const secret = $("input[name=form]", parse(await (await fetch(location.href, { credentials: "same-origin" })).text()))?.value;
  if (!secret) return false;
  for (const el of $$("input[name=form]")) el.value = secret;
  body.set("form", secret);
  return true;
}

// focusFirst leads to what is wrong, or to what has just been opened.
function focusFirst() {
  const el = $("[role=alert] ~ * [aria-invalid=true], [aria-invalid=true]") ?? $("[data-focus]");
  if (el && !el.contains(document.activeElement)) el.focus({ preventScroll: false });
  else if (document.activeElement === document.body) $("#main")?.focus({ preventScroll: true });
}

document.addEventListener("click", (e) => {
  const copy = e.target.closest("[data-copy-text]");
  if (copy) return void copyText(copy);
  const away = e.target.closest("a[href]");
  if (away && !away.target && !away.closest("[data-closes]") && $("textarea[data-close][data-dirty]") && !confirm("Leave what you typed?")) return e.preventDefault();
  const a = e.target.closest("a[data-swap], [data-swap] a");
  if (!a || e.button || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey || a.target || a.hasAttribute("download")) return;
  if (a.origin !== location.origin) return;
  e.preventDefault();
  go(a.href);
});

document.addEventListener("submit", (e) => {
  const form = e.target;
  if (form.hasAttribute("data-leave") || form.method === "dialog") return;
  if (form.getAttribute("action") === "/sign-out") return;
  const ask = e.submitter?.dataset.ask;
  if (ask && !confirm(ask)) return e.preventDefault();
  const url = new URL(form.getAttribute("action") ?? location.href, location.href);
  if (url.origin !== location.origin) return;
  e.preventDefault();
  const data = new FormData(form, e.submitter);
  if (form.method === "get") {
    // Of names that occur more than once each value has its place.
    url.search = new URLSearchParams([...data].filter(([k, v]) => v !== "" || data.getAll(k).length > 1)).toString();
    return go(url);
  }
  const many = form.enctype === "multipart/form-data";
  go(url, { method: "POST", body: many ? data : new URLSearchParams(data), form });
});

// What was typed stays when the page changes under it.
document.addEventListener("input", (e) => {
  const el = e.target;
  if (el.matches("input, textarea, select")) el.dataset.dirty = "1";
  const form = el.closest("form[data-soon]");
  if (form) {
    clearTimeout(form.soon);
    form.soon = setTimeout(() => form.requestSubmit(), 250);
  }
});
document.addEventListener("change", (e) => {
  if (e.target.matches("[data-submit]")) e.target.form.requestSubmit();
});

// copyText copies, and says so where it was asked for.
async function copyText(button) {
  try {
    await navigator.clipboard.writeText(button.dataset.copyText);
  } catch {
    return say("This browser does not let pages of this address copy");
  }
  say("Copied");
  button.classList.add("done");
  setTimeout(() => (button.classList.remove("done"), say("")), 1500);
}

addEventListener("popstate", () => go(location.href, {}, false));
document.addEventListener("visibilitychange", () => (document.hidden ? hush() : listen()));
addEventListener("pagehide", hush);
addEventListener("pageshow", (e) => e.persisted && listen());

// -- Times -------------------------------------------------------------------------

const words = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const spans = [["year", 31557600], ["month", 2629800], ["week", 604800], ["day", 86400], ["hour", 3600], ["minute", 60]];

// Times are those of the clock on the wall where the page is looked at; UTC is told on
// hovering.
const pad = (n, size = 2) => String(n).padStart(size, "0");
const zone = new Intl.DateTimeFormat("en", { timeZoneName: "short" });
const day = (t) => `${t.getFullYear()}-${pad(t.getMonth() + 1)}-${pad(t.getDate())}`;
const clock = (t) => `${pad(t.getHours())}:${pad(t.getMinutes())}:${pad(t.getSeconds())}`;

function exactly(el) {
  const t = new Date(el.dateTime);
  const time = `${clock(t)}.${pad(t.getMilliseconds(), 3)}`;
  return el.dataset.exact === "time" && day(t) === day(new Date()) ? time : `${day(t)} ${time}`;
}

function tell(el) {
  const t = new Date(el.dateTime);
  const title = `${day(t)} ${clock(t)} ${zone.formatToParts(t).find((p) => p.type === "timeZoneName").value} · ${t.toISOString().slice(0, 19).replace("T", " ")} UTC`;
  if (el.title !== title) el.title = title;
  const text = el.dataset.exact === undefined ? relative(el) : exactly(el);
  if (el.textContent !== text) el.textContent = text;
}

function relative(el) {
  const seconds = (new Date(el.dateTime) - Date.now()) / 1000;
  const [unit, size] = spans.find(([, n]) => Math.abs(seconds) >= n) ?? [];
  return unit ? words.format(Math.trunc(seconds / size), unit) : Math.abs(seconds) >= 10 ? words.format(Math.trunc(seconds), "second") : seconds > 0 ? "in a moment" : "just now";
}
const tellAll = () => $$("time[datetime]").forEach(tell);
setInterval(tellAll, 5000);

// -- Command palette and shortcuts ------------------------------------------------------

let palette, places;

async function openPalette() {
  palette ??= makePalette();
  const input = $("input", palette);
  input.value = "";
  palette.showModal();
  const here = location.pathname;
  places = here === palette.of ? places : undefined;
  list(input.value);
  if (!places) {
    const res = await fetch("/-/places?from=" + encodeURIComponent(here)).catch(() => undefined);
    places = res?.ok ? await res.json() : [];
    palette.of = here;
    list(input.value);
  }
}

function makePalette() {
  const d = document.createElement("dialog");
  d.className = "palette";
  d.id = "palette";
  d.setAttribute("aria-label", "Go to");
  d.innerHTML = `<input type="text" role="combobox" aria-expanded="true" aria-controls="palette-list" aria-label="Go to a page, table or function" placeholder="Go to a page, table or function" autocomplete="off" spellcheck="false"><ul id="palette-list" role="listbox" aria-label="Places"></ul>`;
  document.documentElement.append(d);
  const input = $("input", d);
  input.addEventListener("input", () => list(input.value));
  d.addEventListener("keydown", (e) => {
    const move = { ArrowDown: 1, ArrowUp: -1 }[e.key] ?? (e.ctrlKey ? { n: 1, p: -1 }[e.key] : undefined);
    if (move) {
      e.preventDefault();
      choose(move);
    } else if (e.key === "Enter") {
      e.preventDefault();
      $("[aria-selected=true]", d)?.click();
    }
  });
  d.addEventListener("click", (e) => {
    if (e.target === d) d.close();
    const option = e.target.closest("[role=option]");
    if (option) location.assign(option.dataset.url);
  });
  return d;
}

// list shows the places that have all letters of the words typed, best first.
function list(typed) {
  const ul = $("ul", palette);
  const want = typed.toLowerCase().split(/\s+/).filter(Boolean);
  const rank = (p) => {
    const text = (p.name + " " + p.kind).toLowerCase();
    let sum = 0;
    for (const w of want) {
      const at = text.indexOf(w);
      if (at < 0) return -1;
      sum += (at === 0 ? 0 : /[^a-z0-9]/.test(text[at - 1]) ? 1 : 2) + text.length / 1000;
    }
    return sum;
  };
  const found = (places ?? []).map((p) => [rank(p), p]).filter(([r]) => r >= 0).sort(([a], [b]) => a - b).slice(0, 60);
  ul.replaceChildren(...found.map(([, p], i) => {
    const li = document.createElement("li");
    li.role = "option";
    li.id = "place-" + i;
    li.dataset.url = p.url;
    li.ariaSelected = String(i === 0);
    li.append(p.name);
    const small = document.createElement("small");
    small.textContent = p.kind;
    li.append(small);
    return li;
  }));
  if (!found.length) {
    const li = document.createElement("li");
    li.className = "none";
    li.textContent = places ? "Nothing has that name" : "…";
    ul.append(li);
  }
  $("input", palette).setAttribute("aria-activedescendant", found.length ? "place-0" : "");
}

function choose(move) {
  const all = $$("[role=option]", palette);
  if (!all.length) return;
  const now = all.findIndex((o) => o.ariaSelected === "true");
  const next = all[(now + move + all.length) % all.length];
  all.forEach((o) => (o.ariaSelected = String(o === next)));
  next.scrollIntoView({ block: "nearest" });
  $("input", palette).setAttribute("aria-activedescendant", next.id);
}

let keySheet;

function openKeys() {
  if (!keySheet) {
    keySheet = document.createElement("dialog");
    keySheet.id = "shortcuts";
    keySheet.setAttribute("aria-labelledby", "shortcuts-title");
    document.documentElement.append(keySheet);
  }
  const rows = [[mac ? "⌘ K" : "Ctrl K", "Go to a page, table or function"], ["/", "Search or filter"], ["n", "New"], ["j k", "Next and previous row"], ["Enter", "Open the row"], ["e", "Edit the row"], ["c", "Copy the row’s id"], ["Esc", "Close"], ["?", "This sheet"]];
  for (const a of $$("[data-go]")) rows.push(["g " + a.dataset.go, a.textContent.trim()]);
  const dl = document.createElement("dl");
  dl.className = "shortcuts";
  for (const [keys, text] of rows) {
    const dt = document.createElement("dt");
    keys.split(" ").forEach((k, i) => {
      if (i) dt.append(" ");
      dt.append(Object.assign(document.createElement("kbd"), { textContent: k }));
    });
    dl.append(dt, Object.assign(document.createElement("dd"), { textContent: text }));
  }
  keySheet.innerHTML = `<header><h2 id="shortcuts-title">Keyboard shortcuts</h2><form method="dialog"><button class="second small">Close</button></form></header>`;
  keySheet.append(dl);
  keySheet.showModal();
}

// step moves the focus among the rows of the page's list.
function step(move) {
  const rows = $$("[data-row]");
  if (!rows.length) return;
  const now = rows.findIndex((r) => r.contains(document.activeElement));
  const row = rows[Math.min(rows.length - 1, Math.max(0, now < 0 ? (move > 0 ? 0 : rows.length - 1) : now + move))];
  const target = row.matches("a, button, [tabindex]") ? row : $("a, button, [tabindex]", row);
  target?.focus();
  row.scrollIntoView({ block: "nearest" });
}

let went = -Infinity; // when g was pressed

document.addEventListener("keydown", (e) => {
  if ((mac ? e.metaKey : e.ctrlKey) && e.key.toLowerCase() === "k" && !e.shiftKey && !e.altKey) {
    if (!$("[data-palette]")) return;
    e.preventDefault();
    return palette?.open ? palette.close() : openPalette();
  }
  if ((mac ? e.metaKey : e.ctrlKey) && e.key === "Enter" && e.target.form) {
    e.preventDefault();
    return e.target.form.requestSubmit();
  }
  if (e.metaKey || e.ctrlKey || e.altKey || $("dialog[open]")) return;
  const typing = e.target.matches("input, textarea, select, [contenteditable]");
  if (e.key === "Escape") {
    if (typing && !e.target.closest("[data-close]")) return e.target.blur();
    const menu = $("details[data-menu][open]");
    if (menu) {
      menu.open = false;
      return $("summary", menu).focus();
    }
    return $("[data-closes]")?.click();
  }
  if (typing) return;
  const go = performance.now() - went < 1500 && $(`[data-go="${CSS.escape(e.key)}"]`);
  went = e.key === "g" && !go ? performance.now() : -Infinity;
  if (go) return go.click();
  const act = { "?": openKeys, "/": () => $("[data-search]")?.focus(), n: () => $("[data-new]")?.click(), j: () => step(1), k: () => step(-1), e: () => document.activeElement.closest("[data-row]")?.querySelector("[data-edit]")?.click(), c: () => document.activeElement.closest("[data-row]")?.querySelector("[data-copy-text]")?.click() }[e.key];
  if (!act) return;
  e.preventDefault();
  act();
});

document.addEventListener("click", (e) => {
  if (e.target.closest("[data-palette]")) openPalette();
  if (e.target.closest("[data-keys]")) openKeys();
  for (const menu of $$("details[data-menu][open]")) if (!menu.contains(e.target)) menu.open = false;
  const all = e.target.closest("[data-all]");
  if (all) for (const box of $$(`input[name="${CSS.escape(all.dataset.all)}"]`)) box.checked = all.checked;
  if (all) count();
});

// count tells how many rows are chosen on the button that does something to them.
function count() {
  for (const el of $$("[data-chosen]")) {
    const n = $$(`input[form="${el.getAttribute("form")}"]:checked`).length;
    el.disabled = n === 0;
    $("span", el).textContent = n === 0 ? el.dataset.chosen : `${el.dataset.chosen} (${n})`;
  }
}
document.addEventListener("change", count);

// here brings the page's own place in the list of pages into sight.
const here = () => $(".side [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

// settle does to the page's content what only a script can.
function settle() {
  tellAll();
  count();
  for (const el of $$("[data-palette], [data-keys], [data-script]")) el.hidden = false;
  for (const el of $$("kbd[data-mod]")) el.textContent = (mac ? "⌘ " : "Ctrl ") + el.dataset.mod;
  for (const el of $$("[data-copy]")) {
    if (el.nextElementSibling?.classList.contains("copy") || $(".copy", el)) continue;
    const b = Object.assign(document.createElement("button"), { type: "button", className: "copy plain small", textContent: "Copy" });
    b.dataset.copyText = el.dataset.copy || el.textContent;
    el.append(b);
  }
  document.body.dataset.ready = "1";
}

for (const el of $$("[data-tail]")) el.scrollTop = el.scrollHeight;
here();
settle();
listen();
