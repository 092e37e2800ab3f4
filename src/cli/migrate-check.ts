/**
 * What moving from `ws` to `openline/ws` would change in a project: its sources and its package.json are read, and nothing
 * is written or run.
 */

import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { differences, packages } from "./ws-differences.ts";

const sourceName = /\.(?:[cm]?[jt]sx?|vue|svelte|astro)$/;
const importOfWs = /(?:\bfrom\s*|\bimport\s*\(?\s*|\brequire\s*\(\s*)["'`]ws(?:\/[^"'`]*)?["'`]/;
const passedOver = new Set(["node_modules", "dist", "build", "coverage", "out", "vendor"]);
const dependencyFields = ["dependencies", "devDependencies", "peerDependencies", "optionalDependencies"];

/** Returns the report on the project in a folder, a line each. Throws where the folder cannot be read. */
export function migrateCheck(folder: string): string[] {
  const uses: string[] = [];
  const changes: string[] = [];
  for (const path of sourcesIn(folder)) {
    const lines = readFileSync(path, "utf8").split("\n");
    if (!lines.some((line) => mentionsWs(line))) continue;
    for (const [index, line] of lines.entries()) {
      const place = `${relative(folder, path)}:${index + 1}`;
      if (importOfWs.test(line)) uses.push(`  ${place}  ${line.trim()}`);
      for (const { pattern, change } of differences) {
        const found = pattern.exec(line);
        if (found !== null) changes.push(`  ${place}  ${found[0].trim()} ${change}`);
      }
    }
  }
  changes.push(...changesOfPackage(folder));
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

function* sourcesIn(folder: string): Generator<string> {
  const entries = readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      if (!passedOver.has(entry.name) && !entry.name.startsWith(".")) yield* sourcesIn(path);
    } else if (entry.isFile() && sourceName.test(entry.name)) {
      yield path;
    }
  }
}

type Json = Readonly<Record<string, unknown>>;

/** The JSON of a file; undefined where there is none. Throws for one that is no JSON, by its name. */
function readJson(path: string): Json | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
  try {
    return JSON.parse(text) as Json;
  } catch (cause) {
    throw new Error(`Cannot check: ${path} is not JSON`, { cause });
  }
}

function changesOfPackage(folder: string): string[] {
  const file = readJson(join(folder, "package.json")) ?? {};
  return dependencyFields.flatMap((field) => {
    const entries = Object.entries((file[field] as Record<string, string> | undefined) ?? {});
    return entries.flatMap(([name, range]) => {
      const change = Object.hasOwn(packages, name) ? packages[name] : undefined;
      if (change === undefined) return [];
      const old = name === "ws" && /^\D*[0-7]\b/.test(range);
      const note = old ? "; text comes as a Buffer since ws 8, of which this is the surface" : "";
      return [`  package.json  ${name} ${range} ${change}${note}`];
    });
  });
}

/** The packages that depend on `ws`, as npm's lock file has them; how to ask where there is none. */
function bringersOf(folder: string): string[] {
  const lock = readJson(join(folder, "package-lock.json"));
  if (lock === undefined) return ["  ask `npm ls ws`, `pnpm why ws`, `yarn why ws` or `bun why ws`"];
  const installed = Object.entries((lock.packages as Record<string, Json> | undefined) ?? {});
  return installed.flatMap(([path, { version, dependencies, optionalDependencies }]) => {
    const needed = { ...(dependencies as Json), ...(optionalDependencies as Json) };
    const name = path.split("node_modules/").at(-1);
    return path === "" || needed.ws === undefined ? [] : [`  ${name} ${version} (ws ${needed.ws})`];
  });
}
