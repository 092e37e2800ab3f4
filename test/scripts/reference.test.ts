/**
 * The gate reference: what it finds in entries that lack comments, and in pages that are stale.
 *
 * @module-tag slow
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, expect, test } from "vitest";
import { differences, emptyComments, makeReference } from "../../scripts/reference.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const folder = join(root, ".cache/reference-test");
const out = join(folder, "out");

beforeAll(() => {
  execFileSync(process.execPath, [join(root, "scripts/setup.mjs"), "install", "integrations/typedoc"], { cwd: root });
}, 120_000);

/** What typedoc says of an entry with this text. */
function complaintsAbout(text: string): string[] {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "entry.ts"), text);
  writeFileSync(join(folder, "tsconfig.json"), '{ "compilerOptions": { "types": [] }, "files": ["entry.ts"] }');
  const options = {
    extends: [join(root, "integrations/typedoc/typedoc.json")],
    tsconfig: join(folder, "tsconfig.json"),
    entryPoints: [join(folder, "entry.ts")],
  };
  writeFileSync(join(folder, "typedoc.json"), JSON.stringify(options));
  return makeReference(out, join(folder, "typedoc.json"));
}

test("an exported name without a comment is found, and one with a comment is not", () => {
  expect(complaintsAbout("/** Adds. */\nexport function add(): void {}\n")).toEqual([]);
  const [found, ...others] = complaintsAbout("export function add(): void {}\nfunction own(): void {}\nown();\n");
  expect(found).toMatch(/add .*does not have any documentation/);
  expect(others).toEqual([]);
}, 120_000);

test("a comment that only leads elsewhere is found", () => {
  complaintsAbout("/** See the head of this file. */\nexport function add(): void {}\n");
  expect(emptyComments(out)).toEqual([expect.stringContaining('a comment says only "See the head of this file."')]);
}, 120_000);

test("pages that differ, are missing or are left over are stale", () => {
  const committed = join(folder, "committed");
  rmSync(folder, { recursive: true, force: true });
  for (const [place, pages] of [
    [out, { "a.md": "a", "b.md": "b\n", "deep/c.md": "c" }],
    [committed, { "a.md": "A", "b.md": "b\r\n", "d.md": "d" }],
  ] as const) {
    for (const [name, text] of Object.entries(pages)) {
      mkdirSync(join(place, "deep"), { recursive: true });
      writeFileSync(join(place, name), text);
    }
  }
  const stale = ["a.md", join("deep", "c.md"), "d.md"];
  expect(differences(out, committed)).toEqual(
    stale.map((page) => `docs/reference/api/${page} is stale: npm run reference writes it`),
  );
  expect(differences(out, out)).toEqual([]);
});
