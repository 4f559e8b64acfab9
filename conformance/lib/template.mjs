// What `npm create convex` would download: a template of the official one's shape, where it keeps its downloads.
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { holds } from "./check.mjs";
import { binary, write } from "./lentil.mjs";

/** Fills a cache folder (XDG_CACHE_HOME), so that create-convex finds react-vite-authkit without a network. */
export function templateCache(dir) {
  const hash = "0123456789abcdef0123456789abcdef01234567";
  const cache = join(dir, "degit", "github", "get-convex", "templates");
  mkdirSync(cache, { recursive: true });
  template(join(dir, `templates-${hash}`, "template-react-vite-authkit"));
  execFileSync("tar", ["-czf", join(cache, `${hash}.tar.gz`), `templates-${hash}`], { cwd: dir });
  write(join(cache, "map.json"), JSON.stringify({ main: hash }));
}

/** A template with the shape of the official one: ranges of versions, a provider of its own, no address of a sign-in service. */
function template(dir) {
  execFileSync(binary, ["init", "template"], { cwd: mkdirAbove(dir), stdio: "ignore" });
  const from = join(dir, "..", "template");
  cpSync(from, dir, { recursive: true });
  rmSync(from, { recursive: true });
  const pack = join(dir, "package.json");
  const { devDependencies, dependencies, ...rest } = JSON.parse(readFileSync(pack, "utf8"));
  delete dependencies["@convex-dev/workos"]; // the official template has its own provider instead
  const ranges = (list) => Object.fromEntries(Object.entries(list).map(([name, version]) => [name, `^${version}`]));
  writeFileSync(pack, JSON.stringify({ ...rest, dependencies: ranges(dependencies), devDependencies: ranges(devDependencies) }, null, 2).replace('"template"', '"react-vite-authkit"'));
  rmSync(join(dir, "package-lock.json"));
  write(join(dir, "src", "ConvexProviderWithAuthKit.tsx"), `
import { ConvexProviderWithAuth, type ConvexReactClient } from "convex/react";
import { useCallback, useMemo, type ReactNode } from "react";
import type { useAuth as useAuthKit } from "@workos-inc/authkit-react";

/** Hands AuthKit's token to the Convex client. */
export function ConvexProviderWithAuthKit({ children, client, useAuth }: { children: ReactNode; client: ConvexReactClient; useAuth: typeof useAuthKit }) {
  const useConvexToken = () => {
    const { isLoading, user, getAccessToken } = useAuth();
    const fetchAccessToken = useCallback(async () => {
      try {
        return await getAccessToken();
      } catch {
        return null;
      }
    }, [getAccessToken]);
    return useMemo(() => ({ isLoading, isAuthenticated: !!user, fetchAccessToken }), [isLoading, user, fetchAccessToken]);
  };
  return <ConvexProviderWithAuth client={client} useAuth={useConvexToken}>{children}</ConvexProviderWithAuth>;
}
`);
  const main = join(dir, "src", "main.tsx");
  write(main, readFileSync(main, "utf8")
    .replace('"@convex-dev/workos"', '"./ConvexProviderWithAuthKit"')
    .replace(/ *\/\/ Where the sign-in service is[\s\S]*?https=\{[^\n]*\n/, ""));
  holds(!readFileSync(main, "utf8").includes("apiHostname"), "the template names no address");
}

function mkdirAbove(dir) {
  const above = join(dir, "..");
  mkdirSync(above, { recursive: true });
  return above;
}
