// Runs the console blocks of a page as a person would: each command in a terminal of its own, in the folder and with the
// variables that the commands before left; questions are answered as the page answers them, and what it prints has to come.
import { chmodSync, existsSync, mkdtempSync, readFileSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { holds, same } from "./check.mjs";
import { ownPorts } from "./exec.mjs";
import { freePort, removeFolder, root, until, write } from "./lentil.mjs";
import { templateCache } from "./template.mjs";
import { keys, Terminal } from "./terminal.mjs";

/** The console blocks of a page as steps: { line, command, sees } or { line, interrupt }. */
export function stepsOf(text) {
  const steps = [];
  let fence = null;
  text.split("\n").forEach((row, at) => {
    if (row.startsWith("```")) {
      fence = fence === null ? row.slice(3).trim() : null;
    } else if (fence === "console") {
      if (row.startsWith("$ ")) {
        steps.push({ line: at + 1, command: row.slice(2).replace(/\s{2,}# .*$/, ""), sees: [] });
      } else if (row === "^C") {
        steps.push({ line: at + 1, interrupt: true });
      } else {
        const step = steps.at(-1);
        holds(step?.command, `line ${at + 1} has an output without a command: ${row}`);
        row.trim() && step.sees.push(row.trim());
      }
    }
  });
  return steps;
}

/** Commands that go on until they are interrupted, and what tells that they are ready beside what the page says. */
const goesOn = [
  { command: /^lentil exec -- npm run dev$/ },
  { command: /^lentil exec --browser /, ready: "DevTools listening on" },
];

/** Answers that are chosen rather than typed. */
const chosen = { "create a new project": keys.enter, "owner@lentil.localhost": keys.enter, Yes: `y${keys.enter}`, No: `n${keys.enter}` };

export class Guide {
  #running = [];
  #commands = 0;

  static async open() {
    const g = new Guide();
    g.dir = mkdtempSync(join(tmpdir(), "lentil-guide-"));
    g.cwd = root; // "in a clone of this repository"
    g.home = join(g.dir, "home");
    const own = await ownPorts();
    g.ports = {
      3210: own.LENTIL_PORT, 3211: own.LENTIL_SITE_PORT, 4100: own.LENTIL_AUTHKIT_PORT, 6789: own.LENTIL_CONTROL_PORT,
      5173: String(await freePort()), 3000: String(await freePort()),
    };
    g.#tools();
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(CONVEX_|WORKOS_|VITE_|NEXT_PUBLIC_|LENTIL|CI$|NODE_OPTIONS$)/.test(name)));
    g.env = {
      ...env, ...own, HOME: g.home, NO_COLOR: "1", FORCE_COLOR: "0", BROWSER: "none", CHROMIUM: join(g.dir, "bin", "browser"),
      GUIDE_CHROMIUM: process.env.CHROMIUM ?? "/usr/bin/chromium", PATH: `${join(g.dir, "bin")}:${process.env.PATH}`, npm_config_update_notifier: "false", NEXT_TELEMETRY_DISABLED: "1",
    };
    return g;
  }

  /** Ports of the page are those of this run. */
  text(words) {
    return words.replaceAll(/(?<=[: ])(3210|3211|4100|6789|5173|3000)\b/g, (port) => this.ports[port]);
  }

  async run(step) {
    try {
      await (step.interrupt ? this.#interrupt() : this.#command(step));
    } catch (error) {
      throw new Error(`line ${step.line}, ${step.interrupt ? "^C" : `$ ${step.command}`}: ${error.message}`);
    }
  }

  async #command({ command, sees }) {
    if (this.#running.length === 0 && command.includes("lentil exec")) {
      await this.#vacant();
    }
    // Its own files: a shell goes on reading its script until it ends, and what was started before may end at any time.
    const state = join(this.dir, `state-${++this.#commands}`);
    const script = join(this.dir, `script-${this.#commands}`);
    // The folder and the variables that a command leaves are those of the next.
    write(script, `trap 'code=$?; { pwd; env -0; } >${state}; exit $code' EXIT\n${this.text(command)}\n`);
    const t = new Terminal(["bash", script], { cwd: this.cwd, env: this.env });
    const kind = goesOn.find((k) => k.command.test(command));
    this.#running.push(t);
    for (const row of sees) {
      const question = /^\? (.*?[?:]) (.*)$/.exec(row);
      if (question) {
        await t.answer(question[1], chosen[question[2]] ?? `${question[2]}${keys.enter}`);
        continue;
      }
      for (const part of this.text(row).split("…").map((p) => p.trim()).filter(Boolean)) {
        await t.says(new RegExp(part.split(/\s+/).map(escape).join("\\s+")));
      }
    }
    if (kind) {
      if (kind.ready) {
        await t.says(kind.ready);
      }
      same(t.child.exitCode, null, `it ended:\n${t.out}`);
      return;
    }
    const code = await t.ends();
    this.#running.splice(this.#running.indexOf(t), 1);
    same(code, 0, `exit code; the terminal shows:\n${t.out}`);
    const [cwd, ...rest] = readFileSync(state, "utf8").split("\n");
    this.cwd = cwd;
    this.env = Object.fromEntries(rest.join("\n").split("\0").filter(Boolean).map((v) => [v.slice(0, v.indexOf("=")), v.slice(v.indexOf("=") + 1)]));
  }

  /** ^C in the terminal of what was started last and still runs. */
  async #interrupt() {
    const t = this.#running.pop();
    holds(t, "nothing runs that could be interrupted");
    t.type("\x03");
    holds((await t.ends()) !== null, `it does not end:\n${t.out}`);
  }

  /** Waits until the houses of other folders have ended, which takes them some seconds and a person longer. */
  async #vacant() {
    const apps = join(this.home, "apps");
    for (const name of existsSync(apps) ? readdirSync(apps) : []) {
      const lock = join(apps, name, ".lentil", "lock");
      if (join(apps, name) !== this.cwd) {
        await until(`the house of ${name} to end`, () => !existsSync(lock) || readFileSync(lock, "utf8") === "");
      }
    }
  }

  async close() {
    while (this.#running.length > 0) {
      await this.#interrupt().catch(() => {});
    }
    this.cwd = this.home;
    await this.#vacant();
    removeFolder(this.dir);
  }

  /** What stands between a person and the network: npm, and a browser without a window. */
  #tools() {
    const cache = join(this.dir, "cache");
    const example = (name) => join(root, "examples", name, "node_modules");
    const create = join(root, "conformance", "node_modules", "create-convex", "index.js");
    this.#tool("npm", `
case "$1" in
install)
  from=${example("react-vite-authkit")}
  if grep -q '"next"' package.json; then from=${example("nextjs-authkit")}; fi
  [ -d "$from" ] || { echo "the example's packages are missing: make npm" >&2; exit 1; }
  [ -d node_modules ] || cp -al "$from" node_modules 2>/dev/null || { rm -rf node_modules; cp -a "$from" node_modules; }
  shift
  for name; do [ -f "node_modules/$name/package.json" ] || { echo "no package $name" >&2; exit 1; }; done
  for file in convex.json package.json; do
    sed -i -e 's/localhost:5173/localhost:${this.ports[5173]}/g; s/localhost:3000/localhost:${this.ports[3000]}/g; s/--port 3000/--port ${this.ports[3000]}/' \\
      -e "s/--start vite\\"/--start 'vite --port ${this.ports[5173]} --strictPort --clearScreen false'\\"/" $file
  done ;;
create)
  [ "$2" = convex@latest ] || { echo "npm create $2?" >&2; exit 1; }
  shift 2
  args=; for word; do [ "$word" = -- ] || args="$args $word"; done
  XDG_CACHE_HOME=${cache} npm_config_user_agent=npm/11.0.0 exec node ${create} $args ;;
*)
  PATH="\${PATH#*${join(this.dir, "bin")}:}" exec npm "$@" ;;
esac
`);
    // The binary is the one that is under test: other files' scenarios run it at this moment.
    this.#tool("make", `PATH="\${PATH#*${join(this.dir, "bin")}:}" HOME="${process.env.HOME}" make -n "$@" >/dev/null && exec test -x bin/lentil\n`);
    this.#tool("browser", `exec "$GUIDE_CHROMIUM" --headless=new --disable-gpu --no-sandbox --disable-background-networking --remote-debugging-port=0 "$@"\n`);
    this.#tool("xdg-open", "exit 0\n");
    write(join(this.home, ".keep"), "");
    templateCache(cache);
  }

  #tool(name, text) {
    const path = join(this.dir, "bin", name);
    write(path, `#!/bin/sh\n${text}`);
    chmodSync(path, 0o755);
  }
}

const escape = (word) => word.replaceAll(/[.*+?^${}()|[\]\\/]/g, "\\$&");
