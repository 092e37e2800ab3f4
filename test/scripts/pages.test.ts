/** The pages that are committed, held against the code that they are made from. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { settlePages } from "../../scripts/generated-page.ts";
import { allPages } from "../../scripts/pages.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const pages = allPages();

test.each(pages)("$path is what the code says, and nothing of it lacks its test", (page) => {
  expect(settlePages(root, [page], true)).toEqual([]);
});

test("a page that is missing, and a gap in what it is made from, are told", () => {
  const folder = mkdtempSync(join(tmpdir(), "pages-"));
  const page = { ...pages[0]!, problems: ["a gap"] };
  expect(settlePages(folder, [page], true)).toEqual(["a gap", "normative.md is stale: npm run fix writes it"]);
  rmSync(folder, { recursive: true });
});
