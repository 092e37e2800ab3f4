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
