/**
 * Shows which tests hold us to withstand which fault: docs/reference/faults.txt beside the titles of the tests.
 *
 * A fault needs a test that names it, and a control: a test whose title holds its id and the word "control", in which
 * something without the defence is seen to fail. Writes docs/reference/faults.md. With `--check` it writes nothing and
 * fails on a fault that lacks one of the two and does not say why, on an unknown id in a title, and on a page that is stale.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type GeneratedPage, settleAsAsked } from "./generated-page.ts";
import { readListed, saidBehind } from "./listed-rows.ts";
import { linkTo, literalsOf, type TestFile, testFiles } from "./test-titles.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

/** One line of the list. */
export interface Fault {
  readonly id: string;
  readonly name: string;
  readonly defence: string;
  /** Why no test shows it. */
  readonly untested?: string;
}

/** The files with tests of a fault, and those with a control of it. */
export interface FaultTests {
  readonly tests: readonly string[];
  readonly controls: readonly string[];
}

const idPattern = /\b[A-D](?:0[1-9]|[1-3]\d)\b/g;

/** Reads the list; throws on a line that is not `id | fault | defence [| no test: why]` and on an id named twice. */
export function readFaults(list: string): Fault[] {
  return readListed(list, "faults", ([id = "", name = "", defence = "", why, ...rest]) => {
    const untested = saidBehind("no test", why);
    const complete = id.match(idPattern)?.[0] === id && name !== "" && defence !== "" && rest.length === 0;
    if (!complete || (why !== undefined && untested === undefined)) return undefined;
    return { id, name, defence, ...(untested === undefined ? {} : { untested }) };
  });
}

/** The tests and controls of each id that a title names. */
export function findFaultTests(files: readonly TestFile[]): Map<string, FaultTests> {
  const found = new Map<string, { tests: Set<string>; controls: Set<string> }>();
  for (const { path, code } of files) {
    // Comments may hold quotes that do not match; titles stand on one line.
    const titles = literalsOf(code.replace(/^\s*(?:\/\/|\/?\*).*$/gm, "")).filter((title) => !title.includes("\n"));
    for (const title of titles) {
      for (const id of title.match(idPattern) ?? []) {
        const entry = found.get(id) ?? { tests: new Set(), controls: new Set() };
        entry.tests.add(path);
        if (/\bcontrol\b/.test(title)) entry.controls.add(path);
        found.set(id, entry);
      }
    }
  }
  return new Map([...found].map(([id, { tests, controls }]) => [id, { tests: [...tests], controls: [...controls] }]));
}

/** What is wrong, a sentence each. */
export function findFaultGaps(faults: readonly Fault[], found: ReadonlyMap<string, FaultTests>): string[] {
  const tested = faults.filter(({ untested }) => untested === undefined);
  const ids = new Set(faults.map(({ id }) => id));
  return [
    ...tested.filter(({ id }) => !found.has(id)).map(({ id, name }) => `${id}: no test names it (${name})`),
    ...tested
      .filter(({ id }) => found.get(id)?.controls.length === 0)
      .map(({ id, name }) => `${id}: no title with "control" names it (${name})`),
    ...[...found]
      .filter(([id]) => !ids.has(id))
      .map(([id, { tests }]) => `${id}: is not in the list, but in ${tests.join(", ")}`),
  ];
}

/** The page. */
export function renderFaults(faults: readonly Fault[], found: ReadonlyMap<string, FaultTests>): string {
  const rows = faults.map(({ id, name, defence, untested }) => {
    const { tests = [], controls = [] } = found.get(id) ?? {};
    const own = tests.filter((path) => path.startsWith("test/faults/"));
    const shown = (own.length > 0 ? own : tests).map(linkTo).join(", ");
    return `| ${id} | ${name} | ${defence} | ${shown || `none: ${untested}`} | ${controls.map(linkTo).join(", ")} |`;
  });
  return [
    "# What openline withstands, and the tests that show it",
    "",
    "Attacks and accidents, with what is done about each. A control is a test in which something without the defence is seen",
    "to fail: an old release of another package, openline with the limit off, or a few lines that do without. Many other",
    "tests name a fault too; here are those of `test/faults`, where there are some. The",
    "[threat model](../explanation/threat-model.md) says who does these things, the [limits](../guides/limits.md) what they are",
    "measured by. This page is made from `faults.txt` and the titles of the tests by `npx tsx scripts/check-faults.ts`.",
    "",
    "| id | what happens | what openline does | tests | controls |",
    "| --- | --- | --- | --- | --- |",
    ...rows,
    "",
  ].join("\n");
}

/** The page of what is committed. */
export function faultsPage(): GeneratedPage {
  const faults = readFaults(readFileSync(join(root, "docs/reference/faults.txt"), "utf8"));
  const found = findFaultTests(testFiles(root));
  return {
    path: "docs/reference/faults.md",
    text: renderFaults(faults, found),
    problems: findFaultGaps(faults, found),
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) settleAsAsked(root, faultsPage());
