import { describe, expect, test } from "vitest";
import type { RowResult } from "../../bench/harness/machine.ts";
import { rows } from "../../bench/harness/rows.ts";
import { scalingRows } from "../../bench/harness/scaling.ts";
import { figuresOf, median, verdictsOf } from "../../bench/harness/statistics.ts";

const [first] = rows;

/** A result of the first row with these figures, by peer. */
function resultOf(figures: Readonly<Record<string, readonly number[]>>): RowResult {
  const samples = Object.entries(figures).map(([id, taken]) => ({
    peer: first!.peers.find((peer) => peer.id === id)!,
    taken: taken.map((figure) => ({ figure, remark: "" })),
  }));
  return { row: first!, samples, missing: [] };
}

test("the median is the middle value, whatever the order", () => {
  expect(median([9, 1, 5])).toBe(5);
  expect(median([10, 9, 1, 5])).toBe(7);
});

test("a figure has its range", () => {
  const [figure] = figuresOf(resultOf({ openline: [3, 1, 2] }));
  expect(figure).toMatchObject({ value: 2, lowest: 1, highest: 3 });
});

test("the least of the rounds counts where a row says so", () => {
  const result = resultOf({ openline: [3, 1, 2] });
  const [figure] = figuresOf({ ...result, row: { ...result.row, leastCounts: true } });
  expect(figure).toMatchObject({ value: 1, lowest: 1, highest: 3 });
});

describe("verdicts", () => {
  test("compare with the best of the peers that a target names", () => {
    const verdicts = verdictsOf(resultOf({ openline: [6.8], ws: [10], "floor-data": [8], "floor-onread": [6.5] }));
    expect(verdicts.map(({ target, value, met }) => [target.level, Number(value.toFixed(3)), met])).toEqual([
      ["must", 0.68, true],
      ["aim", 1.046, true],
    ]);
  });

  test("are not met by more, and not made up where a figure is missing", () => {
    expect(verdictsOf(resultOf({ openline: [7], ws: [10] })).map(({ met }) => met)).toEqual([false]);
    expect(verdictsOf(resultOf({ ws: [10] }))).toEqual([]);
  });
});

test("every row has its own id, targets among its peers, and openline in it [G106]", () => {
  const all = [...rows, ...scalingRows];
  expect(new Set(all.map(({ id }) => id)).size).toBe(all.length);
  for (const { id, kind, peers, targets } of all) {
    const ids = peers.map((peer) => peer.id);
    expect(ids, id).toContainEqual(expect.stringMatching(kind === "client" ? /^connect$/ : /openline/));
    expect(ids, id).toEqual([...new Set(ids)]);
    for (const { subject = "openline", of = [] } of targets)
      expect(ids, id).toEqual(expect.arrayContaining([subject, ...of]));
  }
});
