import { describe, expect, test } from "vitest";
import { checkNumber, type NumberKind, type NumberRule, numberKinds } from "../../src/protocol/check-number.ts";
import { longestTimer } from "../../src/protocol/timer-length.ts";

const endless = Number.POSITIVE_INFINITY;
const never = [Number.NaN, -endless, -1, "5", null, undefined, 5n, {}, [5], true];

describe("checkNumber", () => {
  test.each<[NumberKind, taken: number[], refused: number[]]>([
    ["count", [0, 1, 2 ** 40, endless], [0.5]],
    ["size", [0, 0.5, endless], []],
    ["mark", [1, 1.5, endless], [0, 0.5]],
    ["nodeSize", [1, 65_536], [0, 1.5, endless]],
    ["time", [0, 0.5, 2 ** 40, endless], []],
    ["nodeTime", [1, 2 ** 40, endless], [0, 1.5]],
    ["finiteTime", [0, 0.5, longestTimer], [longestTimer + 1, endless]],
    ["wheelTime", [1000, 1000.5, endless], [0, 999]],
    ["delaySeconds", [0, 5], [1.5, 2 ** 31, endless]],
    ["port", [0, 65_535], [65_536, 1.5, endless]],
  ])("%s takes %j, and not %j", (kind, taken, refused) => {
    for (const value of taken) expect(checkNumber("try", "it", value, kind)).toBe(value);
    for (const value of [...refused, ...never]) {
      expect(() => checkNumber("try", "it", value, kind), String(value)).toThrow(RangeError);
    }
  });

  test("every kind is in the table above, and none takes what is no number", () => {
    expect(Object.keys(numberKinds)).toHaveLength(10);
  });

  test.each<[NumberKind | NumberRule, unknown, string]>([
    ["count", Number.NaN, "Cannot try: it must be a whole number from 0 on, not NaN"],
    ["mark", 0, "Cannot try: it must be a number from 1 on, not 0"],
    ["nodeSize", endless, "Cannot try: it must be a whole number from 1 on, not Infinity"],
    ["port", "80", 'Cannot try: it must be a whole number from 0 to 65535, not "80"'],
    [{ least: 1, most: 9, endless: true }, 10, "Cannot try: it must be a number from 1 to 9, or Infinity, not 10"],
  ])("%j and %j: %s", (kind, value, message) => {
    expect(() => checkNumber("try", "it", value, kind)).toThrow(new RangeError(message));
  });
});
