/** The script that holds the list of faults beside the titles of tests, on lists and titles made for it and on ours. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { findFaultGaps, findFaultTests, readFaults, renderFaults } from "../../scripts/check-faults.ts";

const list = [
  "# a comment",
  "",
  "A01 | A length | Looked at first",
  "D17 | A broker | Nothing | no test: there is none",
].join("\n");

describe("the list of faults", () => {
  test("is read line by line", () => {
    expect(readFaults(list)).toEqual([
      { id: "A01", name: "A length", defence: "Looked at first" },
      { id: "D17", name: "A broker", defence: "Nothing", untested: "there is none" },
    ]);
  });

  test.each([
    "A01 | A length",
    "A1 | A length | Looked at first",
    "E01 | A length | Looked at first",
    "A41 | A length | Looked at first",
    "A01 and A02 | A length | Looked at first",
    "A01 | A length | Looked at first | because",
    "A01 | A length | Looked at first | no test: why | more",
    "A01 | A length | Looked at first\nA01 | Again | Looked at again",
  ])("refuses %j", (bad) => {
    expect(() => readFaults(bad)).toThrow("Cannot read the list of faults");
  });

  test("finds tests and controls in titles alone", () => {
    const code = [
      "/**",
      " * A02 is `in a comment, control",
      " */",
      "// A03 control",
      'test("A01: a length", () => {});',
      "test.each([1])(`A04 control: $old fails`, () => {});",
      'test("A05: held; control: not held");',
      'test("BA06, A066 and 0xA07 are none; uncontrolled A08");',
    ].join("\n");
    const found = findFaultTests([
      { path: "test/a.test.ts", code },
      { path: "test/b.test.ts", code: 'test("A01 again");' },
    ]);
    expect([...found]).toEqual([
      ["A01", { tests: ["test/a.test.ts", "test/b.test.ts"], controls: [] }],
      ["A04", { tests: ["test/a.test.ts"], controls: ["test/a.test.ts"] }],
      ["A05", { tests: ["test/a.test.ts"], controls: ["test/a.test.ts"] }],
      ["A08", { tests: ["test/a.test.ts"], controls: [] }],
    ]);
  });

  test("says what lacks a test, what lacks a control, and what is unknown", () => {
    const faults = readFaults(`${list}\nA02 | Messages | Capped\nA03 | Pings | Counted`);
    const found = findFaultTests([
      {
        path: "test/a.test.ts",
        code: 'test("A01: a length"); test("A03: pings"); test("A03 control"); test("B01 x");',
      },
    ]);
    expect(findFaultGaps(faults, found)).toEqual([
      "A02: no test names it (Messages)",
      'A01: no title with "control" names it (A length)',
      "B01: is not in the list, but in test/a.test.ts",
    ]);
    const page = renderFaults(faults, found);
    expect(page).toContain("| A01 | A length | Looked at first | [a](../../test/a.test.ts) |  |");
    expect(page).toContain("| A03 | Pings | Counted | [a](../../test/a.test.ts) | [a](../../test/a.test.ts) |");
    expect(page).toContain("| D17 | A broker | Nothing | none: there is none |  |");
    const both = findFaultTests(["test/faults/a.test.ts", "test/b.test.ts"].map((path) => ({ path, code: '"A01"' })));
    expect(renderFaults(faults, both)).toContain("Looked at first | [faults/a](../../test/faults/a.test.ts) |  |");
  });

  test("of ours has every row from A to D once, and excuses few", () => {
    const faults = readFaults(readFileSync(new URL("../../docs/reference/faults.txt", import.meta.url), "utf8"));
    const all = faults.map(({ id }) => id);
    const numbered = [..."ABCD"].flatMap((letter) => {
      const { length } = all.filter((id) => id.startsWith(letter));
      return Array.from({ length }, (_, index) => `${letter}${String(index + 1).padStart(2, "0")}`);
    });
    expect(all).toEqual(numbered);
    expect(all.length).toBeGreaterThan(50);
    expect(faults.filter(({ untested }) => untested).map(({ id }) => id)).toEqual(["C14", "C15", "D17", "D18"]);
  });
});
