/** Pages that scripts write: either written, or compared with what is committed. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";

/** A page that a script writes. */
export interface GeneratedPage {
  /** From the root, with slashes. */
  readonly path: string;
  readonly text: string;
  /** What is wrong with what it is made from, a sentence each. */
  readonly problems: readonly string[];
}

/** Writes the page, or with `check` says in a sentence that it is stale; line ends do not count. */
export function writeOrCompare(path: string, text: string, check: boolean): string[] {
  if (check) {
    const committed = existsSync(path) ? readFileSync(path, "utf8").replaceAll("\r\n", "\n") : undefined;
    return committed === text ? [] : [`${basename(path)} is stale: npm run fix writes it`];
  }
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  return [];
}

/** What is wrong with pages below `root`, a sentence each; they are written, or with `check` only compared. */
export function settlePages(root: string, pages: readonly GeneratedPage[], check: boolean): string[] {
  return pages.flatMap(({ path, text, problems }) => [...problems, ...writeOrCompare(join(root, path), text, check)]);
}

/**
 * The end of a script: writes its pages or, with `--check`, only compares them; complains of every problem and, with
 * `--check`, fails on any.
 */
export function settleAsAsked(root: string, ...pages: readonly GeneratedPage[]): void {
  const check = process.argv.includes("--check");
  const problems = settlePages(root, pages, check);
  for (const problem of problems) console.error(problem);
  if (check && problems.length > 0) process.exitCode = 1;
}
