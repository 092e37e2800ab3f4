/**
 * The tables of docs/runtimes.md: how many tests ran on each runtime, and what each cannot do.
 *
 * They are made from `lacks` and from the counts that `tsx scripts/on-runtime.ts bun --tags-filter=!slow --save` kept.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { GeneratedPage } from "./generated-page.ts";
import { lacks, type Runtime, runtimeNames } from "./runtimes.ts";

/** The tests of one run that passed, and that were skipped for lacks. */
export interface Counts {
  readonly passed: number;
  readonly skipped: number;
}

const root = fileURLToPath(new URL("..", import.meta.url));
const pagePath = "docs/runtimes.md";
const countsPath = join(root, "integrations/runtimes/counts.json");
const begin = "<!-- From here to the next comment made by scripts/runtimes-page.ts: npm run fix. -->";
const end = "<!-- From here on written by hand. -->";

/** Keeps the counts of a run, in place of those of the same runtime, or of the same major version of Node. */
export function saveCounts(runtime: Runtime, version: string, counts: Counts): void {
  const name = `${runtimeNames[runtime]} ${version}`;
  const same = runtime === "node" ? `Node ${version.split(".")[0]}.` : `${runtimeNames[runtime]} `;
  const others = Object.entries(readCounts()).filter(([other]) => !other.startsWith(same));
  const sorted = [...others, [name, counts] as const].sort(([a], [b]) => a.localeCompare(b, "en", { numeric: true }));
  writeFileSync(countsPath, `${JSON.stringify(Object.fromEntries(sorted), null, 2)}\n`);
}

function readCounts(): Record<string, Counts> {
  return JSON.parse(readFileSync(countsPath, "utf8")) as Record<string, Counts>;
}

/** The page, with its tables made anew. */
export function runtimesPage(): GeneratedPage {
  const committed = readFileSync(join(root, pagePath), "utf8").replaceAll("\r\n", "\n");
  const before = committed.slice(0, committed.indexOf(begin) + begin.length);
  const after = committed.slice(committed.indexOf(end));
  const problems = committed.includes(begin) && committed.includes(end) ? [] : [`${pagePath} has not its two comments`];
  return { path: pagePath, text: `${before}\n\n${tables()}\n\n${after}`, problems };
}

function tables(): string {
  const counts = Object.entries(readCounts()).map(
    ([name, { passed, skipped }]) => `| ${name} | ${passed} | ${skipped} |`,
  );
  const rows = lacks.map(({ runtimes, what }) => {
    const cells = (["bun", "deno"] as const).map((runtime) => (runtimes.includes(runtime) ? "not" : ""));
    return `| ${what} | ${cells.join(" | ")} |`;
  });
  return [
    "| runtime | passed | skipped |",
    "| --- | --- | --- |",
    ...counts,
    "",
    "| what is not there, or otherwise | Bun | Deno |",
    "| --- | --- | --- |",
    ...rows,
  ].join("\n");
}
