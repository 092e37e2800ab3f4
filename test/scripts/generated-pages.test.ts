/** The scripts that write reference pages, on tables and trees made for them and on what is committed. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { findGaps, findTests, namedIds, readRules, renderPage } from "../../scripts/check-normative.ts";
import { writeOrCompare } from "../../scripts/generated-page.ts";
import { protocolErrorsPage, statesPage } from "../../scripts/print-reference.ts";
import { machines } from "../../scripts/state-machines.ts";
import { handshakeRules } from "../../src/protocol/handshake/handshake-error.ts";
import { violations } from "../../src/protocol/protocol-error.ts";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "pages-"));
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

function put(path: string, text: string): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), text);
}

describe("writeOrCompare", () => {
  test("writes, then finds the page fresh, then stale, and stale when it is missing", () => {
    const path = join(folder, "deep/page.md");
    expect(writeOrCompare(path, "a\nb\n", true)).toEqual(["page.md is stale: npm run fix writes it"]);
    expect(writeOrCompare(path, "a\nb\n", false)).toEqual([]);
    expect(readFileSync(path, "utf8")).toBe("a\nb\n");
    expect(writeOrCompare(path, "a\nb\n", true)).toEqual([]);
    writeFileSync(path, "a\r\nb\r\n");
    expect(writeOrCompare(path, "a\nb\n", true)).toEqual([]);
    expect(writeOrCompare(path, "a\nc\n", true)).toHaveLength(1);
  });
});

describe("the reference pages", () => {
  test("name every rule of both tables, with its section and code or status", () => {
    const page = protocolErrorsPage();
    for (const [name, { section, closeCode, text }] of Object.entries(violations)) {
      expect(page).toContain(`| \`${name}\` | ${section} | ${closeCode} | ${text} |`);
    }
    for (const [name, { text }] of Object.entries(handshakeRules)) {
      expect(
        page.split("\n").filter((line) => line.startsWith(`| \`${name}\` `) && line.endsWith(`| ${text} |`)),
      ).toHaveLength(1);
    }
    expect(page).toContain("| 426 | `Upgrade: websocket`<br>`Sec-WebSocket-Version: 13` |");
    expect(page).toContain("| `invalid-key` | RFC 6455 section 4.2.1 |");
    expect(page).toContain("| `duplicate-origin` | RFC 6454 section 7.3 |");
  });

  test.each(machines)("draw exactly the transitions of the table: $title", ({ title, table }) => {
    const section = statesPage()
      .split("## ")
      .find((text) => text.startsWith(`${title}\n`))!;
    const arrows = section.split("\n").filter((line) => /^ {2}\w+ --> \w+:/.test(line));
    const wanted = Object.entries(table).flatMap(([from, ways]) =>
      Object.entries(ways).map(([kind, to]) => `  ${from} --> ${to}: ${kind}`),
    );
    expect(arrows.sort()).toEqual(wanted.sort());
  });
});

describe("the list of rules", () => {
  const list = [
    "# a comment",
    "",
    "R6455-5.1-1 | must | client | Mask",
    "R6455-4.2-1 | may | server | Offload | untestable: nothing to see",
  ].join("\n");

  test("is read line by line", () => {
    expect(readRules(list)).toEqual([
      { id: "R6455-5.1-1", level: "must", who: "client", text: "Mask" },
      { id: "R6455-4.2-1", level: "may", who: "server", text: "Offload", untestable: "nothing to see" },
    ]);
  });

  test.each([
    "R6455-5.1-1 | must | client",
    "R6455-5.1-1 | shall | client | Mask",
    "R6455-5.1-1 | must | nobody | Mask",
    "R6455-5.1-1 | must | client | Mask | because",
    "R6455-5.1-1 | must | client | Mask | untestable: why | more",
    "R6455-5.1-1 | must | client | Mask\nR6455-5.1-1 | must | client | Again",
  ])("refuses %j", (bad) => {
    expect(() => readRules(bad)).toThrow("Cannot read the list of rules");
  });

  test("finds the ids in titles only", () => {
    const code = [
      "// R6455-1-1 in a comment",
      'test("R6455-5.1-1 the peer\'s `R7692-X-1`", () => {});',
      "test.each([1])(`R7692-7.2.3.4-1",
      "R6455-2.1-1`, () => {});",
      "test('R6455-3-1, not R6455-3 or XR6455-3-2', () => {});",
    ].join("\n");
    expect([...namedIds(code)].sort()).toEqual([
      "R6455-2.1-1",
      "R6455-3-1",
      "R6455-5.1-1",
      "R7692-7.2.3.4-1",
      "R7692-X-1",
    ]);
  });

  test("knows the tests of a tree, and what they leave out", () => {
    put("test/a/one.test.ts", 'test("R6455-5.1-1 x");');
    put("test/two.test.ts", 'test("R6455-5.1-1 R6455-9-9 y");');
    put("conformance/case.ts", 'export const title = "R6455-5.1-1";');
    put("conformance/node_modules/other.ts", 'test("R6455-7-7");');
    put("test/scripts/three.test.ts", 'test("R6455-6-6");');
    put("test/notes.md", '"R6455-8-8"');
    const tests = findTests(folder);
    expect([...tests]).toEqual([
      ["R6455-5.1-1", ["conformance/case.ts", "test/a/one.test.ts", "test/two.test.ts"]],
      ["R6455-9-9", ["test/two.test.ts"]],
    ]);
    const rules = readRules(`${list}\nR6455-5.1-2 | must | server | Refuse`);
    expect(findGaps(rules, tests)).toEqual([
      "R6455-5.1-2: no test names it (Refuse)",
      "R6455-9-9: is not in the list, but in test/two.test.ts",
    ]);
    const page = renderPage(rules, tests);
    expect(page).toContain("| R6455-5.1-2 | must | server | Refuse | **none** |");
    expect(page).toContain("| R6455-4.2-1 | may | server | Offload | not testable: nothing to see |");
    expect(page).toContain("[a/one](../../test/a/one.test.ts)");
  });
});
