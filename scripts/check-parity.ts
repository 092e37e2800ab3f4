/**
 * Shows where each part of gorilla/websocket is found here: docs/reference/gorilla-parity.txt beside the titles of tests.
 *
 * A row says where our counterpart is documented, and tests name its id; or it says why there is none. Writes
 * docs/reference/gorilla-parity.md. With `--check` it writes nothing and fails on a row that lacks its page or its test and
 * does not say why, on a link to a file or heading that is not there, on an unknown id in a title, and on a stale page.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type GeneratedPage, settleAsAsked } from "./generated-page.ts";
import { readListed, saidBehind } from "./listed-rows.ts";
import { brokenLinks, headingsOf } from "./page-links.ts";
import { filesByIds, idsIn, linkTo, testFiles } from "./test-titles.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const pagePath = "docs/reference/gorilla-parity.md";

/** One part of gorilla/websocket. */
export interface ParityRow {
  readonly id: string;
  readonly theirs: string;
  readonly ours: string;
  /** Where ours is documented: paths from the page, with the anchor of a heading. */
  readonly pages: readonly string[];
  /** Why there is no counterpart, in the place of pages and tests. */
  readonly instead?: string;
}

const idPattern = /\bG[1-9]\d{0,2}\b/g;

/** Reads the list; throws on a line that is not `id | theirs | ours | pages` or `id | theirs | ours | instead: why`. */
export function readParity(list: string): ParityRow[] {
  return readListed(list, "parts", ([id = "", theirs = "", ours = "", last = "", ...rest]) => {
    const complete = id.match(idPattern)?.[0] === id && theirs !== "" && ours !== "" && rest.length === 0;
    if (!complete) return undefined;
    const instead = saidBehind("instead", last);
    if (instead !== undefined) return { id, theirs, ours, pages: [], instead };
    const pages = last.split(", ");
    return pages.every((page) => /^[^\s#]+\.md#\S+$/.test(page)) ? { id, theirs, ours, pages } : undefined;
  });
}

/** For each id that tests name, their files, sorted. */
export function findParityTests(folder: string): Map<string, string[]> {
  return filesByIds(testFiles(folder), (code) => idsIn(code, idPattern));
}

/** What is wrong, a sentence each: rows without a test, and ids that the list does not have. */
export function findParityGaps(rows: readonly ParityRow[], tests: ReadonlyMap<string, readonly string[]>): string[] {
  const ids = new Set(rows.map(({ id }) => id));
  return [
    ...rows
      .filter(({ id, instead }) => instead === undefined && !tests.has(id))
      .map(({ id, theirs }) => `${id}: no test names it (${theirs})`),
    ...[...tests]
      .filter(([id]) => !ids.has(id))
      .map(([id, files]) => `${id}: is not in the list, but in ${files.join(", ")}`),
  ];
}

/** The page; `headingOf` gives the words of a heading by a link to it, undefined where there is none. */
export function renderParity(
  rows: readonly ParityRow[],
  tests: ReadonlyMap<string, readonly string[]>,
  headingOf: (link: string) => string | undefined,
): string {
  const lines = rows.map(({ id, theirs, ours, pages, instead }) => {
    const documented = pages.map((link) => `[${headingOf(link) ?? link}](${link})`).join(", ");
    const shown = tests.get(id)?.map(linkTo).join(", ") ?? (instead === undefined ? "**none**" : "");
    return `| ${id} | ${theirs} | ${ours} | ${documented || instead} | ${shown} |`;
  });
  return [
    "# gorilla/websocket, part by part",
    "",
    "Whoever knows gorilla/websocket 1.5.3 finds here what each of its names, and each thing that its programs rely on, is in",
    "openline, where that is told, and the tests that show it, which have the id in a title. Where there is no counterpart, the",
    "reason stands in its place. [Moving from gorilla/websocket](../guides/moving-from-gorilla.md) goes through whole",
    "programs. This page is made from `gorilla-parity.txt` and the titles of the tests by `npx tsx scripts/check-parity.ts`.",
    "",
    "| id | gorilla/websocket | openline | documented | tests |",
    "| --- | --- | --- | --- | --- |",
    ...lines,
    "",
  ].join("\n");
}

function headingAt(link: string): string | undefined {
  const [file = "", anchor = ""] = link.split("#");
  const path = join(root, "docs/reference", file);
  return existsSync(path) ? headingsOf(readFileSync(path, "utf8")).get(anchor) : undefined;
}

/** The page of what is committed. */
export function parityPage(): GeneratedPage {
  const rows = readParity(readFileSync(join(root, "docs/reference/gorilla-parity.txt"), "utf8"));
  const tests = findParityTests(root);
  const text = renderParity(rows, tests, headingAt);
  return { path: pagePath, text, problems: [...findParityGaps(rows, tests), ...brokenLinks(root, pagePath, text)] };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) settleAsAsked(root, parityPage());
