/**
 * What moving from `ws` to `openline/ws` would change in a project: its sources and its package.json are read, and nothing
 * is written or run.
 */

import { readdirSync, readFileSync } from "node:fs";
import { basename, join, relative } from "node:path";
import { differences, packages as known } from "./ws-differences.ts";

const sourceName = /\.(?:[cm]?[jt]sx?|vue|svelte|astro)$/;
const importOfWs =
  /(?:\bfrom\s*|\bimport\s*\(?\s*|(?:\brequire|\.(?:resolve|(?:do)?[mM]ock|unmock|requireActual|importActual))\s*\(\s*)["'`]ws(?:\/[^"'`]*)?["'`]/;
/** As much of a line as is shown: what a bundler wrote may have megabytes in one. */
const mostShown = 160;
const passedOver = new Set(["node_modules", "dist", "build", "coverage", "out", "vendor"]);
const dependencyFields = ["dependencies", "devDependencies", "peerDependencies", "optionalDependencies"];

/** Returns the report on the project in a folder, a line each. Throws where the folder cannot be read. */
export function migrateCheck(folder: string): string[] {
  const uses: string[] = [];
  const changes: string[] = [];
  const root = join(folder, "package.json");
  const packages = [root];
  for (const path of filesIn(folder)) {
    if (basename(path) === "package.json") {
      if (path !== root) packages.push(path);
      continue;
    }
    const lines = readFileSync(path, "utf8").split("\n");
    if (!lines.some((line) => mentionsWs(line))) continue;
    for (const [index, line] of lines.entries()) {
      const place = `${relative(folder, path)}:${index + 1}`;
      const use = importOfWs.exec(line);
      if (use !== null) uses.push(`  ${place}  ${line.length > mostShown ? use[0] : line.trim()}`);
      for (const { pattern, change } of differences) {
        const found = pattern.exec(line);
        if (found !== null) changes.push(`  ${place}  ${found[0].trim()} ${change}`);
      }
    }
  }
  for (const path of packages) changes.push(...changesOfPackage(path, relative(folder, path), path === root));
  return [
    ...section('Where "ws" becomes "openline/ws":', uses),
    ...section("What is different then:", changes),
    ...section("What brings ws besides, which an override gives openline/ws:", bringersOf(folder)),
    "Why, and how: docs/guides/moving-from-ws.md and docs/guides/in-place-of-ws.md of openline.",
  ];
}

function section(title: string, lines: readonly string[]): string[] {
  return [title, ...(lines.length > 0 ? lines : ["  nothing"]), ""];
}

/** A file that has nothing of a WebSocket has its `mask:` of something else. */
function mentionsWs(line: string): boolean {
  return importOfWs.test(line) || /\bWebSocket/.test(line);
}

function* filesIn(folder: string): Generator<string> {
  const entries = readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      if (!passedOver.has(entry.name) && !entry.name.startsWith(".")) yield* filesIn(path);
    } else if (entry.isFile() && (sourceName.test(entry.name) || entry.name === "package.json")) {
      yield path;
    }
  }
}

type Json = Readonly<Record<string, unknown>>;

/** The object of a JSON file; undefined where there is no such file. Throws for one that is none, by its name. */
function readJson(path: string): Json | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
  try {
    // npm reads files with a byte order mark.
    return objectOf(JSON.parse(text.replace(/^\uFEFF/, "")));
  } catch (cause) {
    throw new Error(`Cannot check: ${path} is not JSON`, { cause });
  }
}

/** What is no object has no entries. */
function objectOf(value: unknown): Json {
  return typeof value === "object" && value !== null ? (value as Json) : {};
}

/** `isRoot` where the file has to be JSON; another may be a fixture. */
function changesOfPackage(path: string, place: string, isRoot: boolean): string[] {
  let file: Json;
  try {
    file = readJson(path) ?? {};
  } catch (error) {
    if (isRoot) throw error;
    return [`  ${place}  is not JSON, and not looked at`];
  }
  return dependencyFields.flatMap((field) => {
    const entries = Object.entries(objectOf(file[field]));
    return entries.flatMap(([name, range]) => {
      const change = Object.hasOwn(known, name) ? known[name] : undefined;
      if (change === undefined) return [];
      const old = name === "ws" && /^[\^~>=v\s]*[0-7]\b/.test(String(range));
      const note = old ? "; text comes as a Buffer since ws 8, of which this is the surface" : "";
      return [`  ${place}  ${name} ${range} ${change}${note}`];
    });
  });
}

/** The packages that depend on `ws`, as npm's lock file has them; how to ask where there is none, or one of npm 6. */
function bringersOf(folder: string): string[] {
  const installed = readJson(join(folder, "package-lock.json"))?.packages;
  if (installed === undefined) return ["  ask `npm ls ws`, `pnpm why ws`, `yarn why ws` or `bun why ws`"];
  return Object.entries(objectOf(installed)).flatMap(([path, entry]) => {
    const { version, dependencies, optionalDependencies } = objectOf(entry);
    const needed = { ...objectOf(dependencies), ...objectOf(optionalDependencies) };
    // What lies outside of node_modules is a package of the project itself.
    const [, name] = /.*node_modules\/(.+)$/.exec(path) ?? [];
    return name === undefined || needed.ws === undefined ? [] : [`  ${name} ${version} (ws ${needed.ws})`];
  });
}
