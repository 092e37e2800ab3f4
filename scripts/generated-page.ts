/** Pages that scripts write: either written, or compared with what is committed. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname } from "node:path";

/** Writes the page, or with `check` says in a sentence that it is stale; line ends do not count. */
export function writeOrCompare(path: string, text: string, check: boolean): string[] {
  if (check) {
    const committed = existsSync(path) ? readFileSync(path, "utf8").replaceAll("\r\n", "\n") : undefined;
    return committed === text ? [] : [`${basename(path)} is stale: run the script that writes it`];
  }
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  return [];
}

/** Writes the page or, with `--check`, only compares it; complains of every problem and, with `--check`, fails on any. */
export function settlePage(path: string, text: string, problems: readonly string[] = []): void {
  const check = process.argv.includes("--check");
  const all = [...problems, ...writeOrCompare(path, text, check)];
  for (const problem of all) console.error(problem);
  if (check && all.length > 0) process.exitCode = 1;
}
