/**
 * Shows which test holds us to which rule of the standards: docs/reference/normative.txt beside the titles of the tests.
 *
 * Writes docs/reference/normative.md. With `--check` it writes nothing and fails on a rule that no test names and that
 * does not say why it cannot be tested, on a title that names no rule of the list, and on a page that is stale.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type GeneratedPage, settleAsAsked } from "./generated-page.ts";
import { readListed, saidBehind } from "./listed-rows.ts";
import { filesByIds, idsIn, linkTo, testFiles } from "./test-titles.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

/** One line of the list. */
export interface NormativeRule {
  readonly id: string;
  readonly level: string;
  readonly who: string;
  readonly text: string;
  /** Why no test can show it. */
  readonly untestable?: string;
}

const levels = ["must", "must not", "should", "should not", "may", "definition"];
const roles = ["client", "server", "both"];

/** Reads the list; throws on a line that is not `id | level | who | rule [| untestable: why]` and on an id named twice. */
export function readRules(list: string): NormativeRule[] {
  return readListed(list, "rules", ([id = "", level = "", who = "", text = "", why, ...rest]) => {
    const untestable = saidBehind("untestable", why);
    const complete = levels.includes(level) && roles.includes(who) && text !== "" && rest.length === 0;
    if (!complete || (why !== undefined && untestable === undefined)) return undefined;
    return { id, level, who, text, ...(untestable === undefined ? {} : { untestable }) };
  });
}

/** The ids that stand in string literals of a test file, where the titles are. */
export function namedIds(code: string): Set<string> {
  return idsIn(code, /\bR(?:6455|7692)-[\dX.]+-\d+\b/g);
}

/** For each id that tests name, their files, sorted. */
export function findTests(folder: string): Map<string, string[]> {
  return filesByIds(testFiles(folder), namedIds);
}

/** What is wrong, a sentence each: rules without a test, and ids that the list does not have. */
export function findGaps(rules: readonly NormativeRule[], tests: ReadonlyMap<string, readonly string[]>): string[] {
  const ids = new Set(rules.map(({ id }) => id));
  const untested = rules.filter(({ id, untestable }) => untestable === undefined && !tests.has(id));
  const unknown = [...tests].filter(([id]) => !ids.has(id));
  return [
    ...untested.map(({ id, text }) => `${id}: no test names it (${text})`),
    ...unknown.map(([id, files]) => `${id}: is not in the list, but in ${files.join(", ")}`),
  ];
}

/** The page. */
export function renderPage(rules: readonly NormativeRule[], tests: ReadonlyMap<string, readonly string[]>): string {
  const rows = rules.map(({ id, level, who, text, untestable }) => {
    const files = tests.get(id)?.map(linkTo);
    const shown = files?.join(", ") ?? (untestable === undefined ? "**none**" : `not testable: ${untestable}`);
    return `| ${id} | ${level} | ${who} | ${text} | ${shown} |`;
  });
  return [
    "# What the standards ask, and the tests that hold us to it",
    "",
    "Each rule of RFC 6455 (R6455) and RFC 7692 (R7692) that binds a client or a server, in our own words: the id names the",
    "section. The tests that name an id in a title are beside it. This page is made from `normative.txt` and the tests by",
    "`npx tsx scripts/check-normative.ts`.",
    "",
    "| id | level | who | rule | tests |",
    "| --- | --- | --- | --- | --- |",
    ...rows,
    "",
  ].join("\n");
}

/** The page of what is committed. */
export function rulesPage(): GeneratedPage {
  const rules = readRules(readFileSync(join(root, "docs/reference/normative.txt"), "utf8"));
  const tests = findTests(root);
  return { path: "docs/reference/normative.md", text: renderPage(rules, tests), problems: findGaps(rules, tests) };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) settleAsAsked(root, rulesPage());
