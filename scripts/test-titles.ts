/** What the titles of tests say: the string literals of test files, in which rules and the like are named by their ids. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, relative, sep } from "node:path";

/** A test file, by its path from the root with slashes. */
export interface TestFile {
  readonly path: string;
  readonly code: string;
}

/** The files of tests and of the conformance suite, by path; those of the scripts hold us to no rule and no fault. */
export function testFiles(folder: string): TestFile[] {
  const files = ["test", "conformance"].flatMap((part) => filesUnder(join(folder, part)));
  return files
    .sort()
    .map((file) => ({ path: relative(folder, file).split(sep).join("/"), code: readFileSync(file, "utf8") }))
    .filter(({ path }) => !path.startsWith("test/scripts/"));
}

/** The string literals of a file, with their quotes. */
export function literalsOf(code: string): string[] {
  return code.match(/"[^"\n]*"|`[^`]*`|'[^'\n]*'/g) ?? [];
}

/** The ids that a pattern finds in the string literals of a file. */
export function idsIn(code: string, pattern: RegExp): Set<string> {
  return new Set(literalsOf(code).flatMap((literal) => literal.match(pattern) ?? []));
}

/** For each id that `ids` finds in a file, the paths of its files, sorted. */
export function filesByIds(files: readonly TestFile[], ids: (code: string) => Iterable<string>): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const { path, code } of files) {
    for (const id of ids(code)) found.set(id, [...(found.get(id) ?? []), path]);
  }
  return found;
}

/** A link to a test file from a page in `docs/reference`. */
export function linkTo(path: string): string {
  return `[${path.replace(/^test\/|\.test\.ts$/g, "")}](../../${path})`;
}

function filesUnder(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return entry.name === "node_modules" ? [] : filesUnder(path);
    return entry.name.endsWith(".ts") ? [path] : [];
  });
}
