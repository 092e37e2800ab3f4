/** The script that holds the parts of gorilla/websocket beside pages and tests, on lists and pages made for it and on ours. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { findParityGaps, findParityTests, readParity, renderParity } from "../../scripts/check-parity.ts";
import { brokenLinks, headingsOf } from "../../scripts/page-links.ts";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "parity-"));
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

function put(path: string, text: string): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), text);
}

const list = [
  "# a comment",
  "",
  "G1 | `Dial` | `connect` | ../guides/connect.md#dial, ../../README.md#dial",
  "G35 | `BufferPool` | none | instead: there is one",
].join("\n");

describe("the list of parts", () => {
  test("is read line by line", () => {
    expect(readParity(list)).toEqual([
      { id: "G1", theirs: "`Dial`", ours: "`connect`", pages: ["../guides/connect.md#dial", "../../README.md#dial"] },
      { id: "G35", theirs: "`BufferPool`", ours: "none", pages: [], instead: "there is one" },
    ]);
  });

  test.each([
    "G1 | `Dial` | `connect`",
    "G1 | `Dial` |  | a.md#b",
    "G01 | `Dial` | `connect` | a.md#b",
    "G1 and G2 | `Dial` | `connect` | a.md#b",
    "G1 | `Dial` | `connect` | a.md",
    "G1 | `Dial` | `connect` | instead: ",
    "G1 | `Dial` | `connect` | a.md#b | instead: why",
    "G1 | `Dial` | `connect` | a.md#b\nG1 | `Dial` | `connect` | a.md#b",
  ])("refuses %j", (bad) => {
    expect(() => readParity(bad)).toThrow("Cannot read the list of parts");
  });

  test("says what lacks a test, and what is unknown", () => {
    put("test/a/one.test.ts", 'test("dials [G1 G2]"); // G3');
    put("test/two.test.ts", "test(`dials again [G1]`);");
    put("test/scripts/three.test.ts", 'test("G4");');
    const tests = findParityTests(folder);
    expect([...tests]).toEqual([
      ["G1", ["test/a/one.test.ts", "test/two.test.ts"]],
      ["G2", ["test/a/one.test.ts"]],
    ]);
    const rows = readParity(`${list}\nG36 | \`Conn\` | \`Connection\` | ../guides/connect.md#dial`);
    expect(findParityGaps(rows, tests)).toEqual([
      "G36: no test names it (`Conn`)",
      "G2: is not in the list, but in test/a/one.test.ts",
    ]);
    const page = renderParity(rows, tests, (link) => (link.startsWith("../guides") ? "Dialing" : undefined));
    const ours = "[a/one](../../test/a/one.test.ts), [two](../../test/two.test.ts)";
    const links = "[Dialing](../guides/connect.md#dial), [../../README.md#dial](../../README.md#dial)";
    expect(page).toContain(`| G1 | \`Dial\` | \`connect\` | ${links} | ${ours} |`);
    expect(page).toContain("| G35 | `BufferPool` | none | there is one |  |");
    expect(page).toContain("| **none** |");
  });

  test("of ours has every row from G1 to G106 once, and few of them without a counterpart", () => {
    const rows = readParity(readFileSync(new URL("../../docs/reference/gorilla-parity.txt", import.meta.url), "utf8"));
    expect(rows.map(({ id }) => id)).toEqual(Array.from({ length: 106 }, (_, index) => `G${index + 1}`));
    expect(rows.filter(({ instead }) => instead !== undefined).length).toBeLessThanOrEqual(13);
  });
});

describe("the links of a page", () => {
  test("lead to headings by the anchors that GitHub makes of them", () => {
    const headings = headingsOf("# A `b-c`, d!\n## [E](f.md) G\n### Ü\n## Ü\n```md\n# none\n```\n####### none\n#none");
    expect([...headings]).toEqual([
      ["a-b-c-d", "A b-c, d!"],
      ["e-g", "E G"],
      ["ü", "Ü"],
      ["ü-1", "Ü"],
    ]);
  });

  test("are told where they lead to no file or no heading", () => {
    put("docs/other.md", '# There\n<a id="row"></a>\n');
    put("docs/picture.svg", "");
    const page = [
      "# Here",
      "[a](other.md) [b](other.md#there) [c](#here) [d](picture.svg#x) [e](https://example.com/no.md#no) ![f](picture.svg)",
      "[g](none.md) `[h](none.md)` [i](other.md#here) [l](other.md#row)",
      "```",
      "[j](none.md)",
      "```",
      "[k](#there)",
    ].join("\n");
    expect(brokenLinks(folder, "docs/page.md", page)).toEqual([
      "docs/page.md:3: there is no file for the link to none.md",
      "docs/page.md:3: there is no heading for the link to other.md#here",
      "docs/page.md:7: there is no heading for the link to #there",
    ]);
  });
});
