// docs/GUIDE.md: every command of its console blocks is typed, in order, and what the page says that one sees has to be seen.
// Of all pages: commands and options of lentil exist, and links lead somewhere.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { holds, same } from "../lib/check.mjs";
import { Guide, stepsOf } from "../lib/guide.mjs";
import { binary, root } from "../lib/lentil.mjs";

/** README.md and all pages of docs/, by their place in the repository. */
const pages = Object.fromEntries(
  ["README.md", ...readdirSync(join(root, "docs"), { recursive: true }).filter((f) => f.endsWith(".md")).sort().map((f) => join("docs", f))]
    .map((name) => [name, readFileSync(join(root, name), "utf8")]),
);

export const scenarios = {
  "the guide has the headings of the user's document, and every command does what the page says": async () => {
    same(pages["docs/GUIDE.md"].match(/^##+ .*$/gm).map((row) => row.replace(/^#+ /, "")), [
      "Required configuration", "1. auth.config.ts", "2. Environment variables", "Client setup", "React (Vite)", "Next.js App Router",
      "Next.js middleware", "Next.js auth routes", "CORS configuration", "UI components", "Auto-provisioning",
      "Dev vs prod configuration", "WorkOS-specific troubleshooting", "Do", "Don't",
    ]);
    const guide = await Guide.open();
    try {
      for (const step of stepsOf(pages["docs/GUIDE.md"])) {
        await guide.run(step);
      }
    } finally {
      await guide.close();
    }
  },

  "every `lentil …` of README and docs is a command with the options that it names": () => {
    const wrong = [];
    let seen = 0;
    for (const [name, text] of Object.entries(pages)) {
      for (const line of commandsOf(text)) {
        seen++;
        wrong.push(...misspelt(line).map((what) => `${name}: lentil ${line}: ${what}`));
      }
    }
    same(wrong, []);
    holds(seen > 100, `only ${seen} commands were found`);
    // The check itself can see what is wrong.
    same(misspelt("exce -- x").length + misspelt("doctor --onyl a").length + misspelt("backup lits --from x").length, 3);
  },

  "every link of README and docs leads to a file, and to a heading in it": () => {
    const wrong = [];
    let seen = 0;
    for (const [name, text] of Object.entries(pages)) {
      for (const [, target] of prose(text).replaceAll(/`[^`]*`/g, "").matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^(https?|mailto):/.test(target)) {
          continue;
        }
        seen++;
        const [path, anchor] = target.split("#");
        const file = path === "" ? join(root, name) : resolve(root, dirname(name), path);
        if (!existsSync(file)) {
          wrong.push(`${name}: ${target} is not there`);
        } else if (anchor && file.endsWith(".md") && !anchorsOf(readFileSync(file, "utf8")).includes(anchor)) {
          wrong.push(`${name}: ${relative(root, file)} has no heading #${anchor}`);
        }
      }
    }
    same(wrong, []);
    holds(seen > 60, `only ${seen} links were found`);
  },
};

/** A page without its blocks of code. */
function prose(text) {
  return text.replaceAll(/^ *```[^]*?^ *```/gm, "");
}

/** What stands behind "lentil" in a page's code: in blocks at the beginning of lines, in sentences between backticks. */
function commandsOf(text) {
  const lines = [];
  for (const [, language, block] of text.matchAll(/^ *```(\w*)\n([^]*?)^ *```/gm)) {
    if (["console", "sh", "bash", ""].includes(language)) {
      lines.push(...block.replaceAll(/\\\n/g, " ").split("\n").filter((row) => language !== "console" || /^\s*\$ /.test(row)).map((row) => row.replace(/^\s*\$ /, "").replace(/\s# .*$/, "")));
    }
  }
  const rest = prose(text);
  lines.push(...(rest.match(/^ {3,}\$ lentil .*$/gm) ?? []).map((row) => row.replace(/^ *\$ /, "")));
  lines.push(...[...rest.matchAll(/`([^`]+)`/g)].map(([, code]) => code.replaceAll(/\s+/g, " ")));
  return lines.flatMap((line) => {
    const found = /(?:^|&& |\$\()lentil ([a-z][^|;&)]*)/.exec(line.replaceAll(/'[^']*'/g, "X").replaceAll(/(?<!\$\([^)]*)"[^"$]*"/g, "X"));
    return found ? [found[1].trim()] : [];
  });
}

const helps = new Map();

/** The help of a command: what it offers, and its options. */
function help(words) {
  const key = words.join(" ");
  if (!helps.has(key)) {
    const { stdout, stderr } = spawnSync(binary, [...words, "--help"], { encoding: "utf8" });
    const text = stdout + stderr;
    const list = /Available Commands:\n([^]*?)\n\n/.exec(text)?.[1] ?? "";
    helps.set(key, {
      commands: list.split("\n").map((row) => row.trim().split(" ")[0]).filter(Boolean),
      hidden: words.length === 1 && text.includes(`  lentil ${words[0]} [`),
      options: text.match(/(?<=^ .*)--?[a-z][\w-]*/gm) ?? [],
    });
  }
  return helps.get(key);
}

/** What is wrong with a command line. */
function misspelt(line) {
  const all = line.replace(/ --( .*)?$/, "").split(/\s+/).map((word) => word.replace(/^\[|\]$|[,.:]$/g, ""));
  const words = [];
  while (all.length > 0 && help(words).commands.includes(all[0])) {
    words.push(all.shift());
  }
  const { commands, options } = help(words);
  const wrong = [];
  const next = all[0];
  if (words.length === 0 && /^[a-z-]+$/.test(next) && help([next]).hidden) {
    return [];
  }
  if (words.length === 0 || (commands.length > 0 && next && /^[a-z]+$/.test(next))) {
    return [`there is no command ${next}; there are ${commands.join(", ")}`];
  }
  for (const word of all.filter((w) => /^--?[a-z]/.test(w))) {
    const option = word.replace(/=.*$/, "");
    if (!options.includes(option)) {
      wrong.push(`there is no option ${option}`);
    }
  }
  return wrong;
}

/** The anchors that headings of a page have where it is shown. */
function anchorsOf(text) {
  const seen = new Map();
  return (prose(text).match(/^#+ .*$/gm) ?? []).map((row) => {
    const slug = row.replace(/^#+ /, "").replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1").toLowerCase().replaceAll(/[^\p{L}\p{N}\s_-]/gu, "").trim().replaceAll(" ", "-");
    const times = seen.get(slug) ?? 0;
    seen.set(slug, times + 1);
    return times === 0 ? slug : `${slug}-${times}`;
  });
}
