/** What a node keeps of its topics for clients that come back soon: bounded for each, and for all together. */
import { expect, test } from "vitest";
import { RecentBudget, RecentEntries } from "../../../src/cluster/node/recent-entries.ts";

const entry = (offset: number, size: number) => ({
  ...{ epoch: "e", prev: offset - 1, offset, id: `${offset}` },
  payload: new Uint8Array(size),
});
const at = (offset: number) => ({ epoch: "e", offset });
const offsets = (recent: RecentEntries, since: number) => recent.behind(at(since))?.map(({ offset }) => offset);

test("a topic keeps its newest entries up to its size, and what is behind a position without a gap", () => {
  const recent = new RecentEntries(3 * 228);
  for (const offset of [1, 2, 3, 4]) recent.add(entry(offset, 100));
  expect([recent.size, recent.count]).toEqual([3 * 228, 4]);
  expect([offsets(recent, 0), offsets(recent, 1), offsets(recent, 3), offsets(recent, 4)]).toEqual([
    ...[undefined, [2, 3, 4], [4], undefined],
  ]);
  recent.clear();
  expect([recent.size, recent.count, offsets(recent, 3)]).toEqual([0, 4, undefined]);
});

test("all together keep no more than the budget: those that were silent for longest let go first", () => {
  const budget = new RecentBudget(4 * 228);
  const [one, two, three] = [0, 1, 2].map(() => new RecentEntries(10_000, budget));
  one!.add(entry(1, 100));
  two!.add(entry(1, 100));
  two!.add(entry(2, 100));
  one!.add(entry(2, 100));
  expect(budget.size).toBe(4 * 228);
  three!.add(entry(1, 100));
  expect([one!.size, two!.size, three!.size, budget.size]).toEqual([2 * 228, 0, 228, 3 * 228]);
  expect(offsets(one!, 1)).toEqual([2]);
  three!.add(entry(2, 10_000 - 128));
  expect([one!.size, budget.size]).toEqual([0, 0]);
  expect(budget.size).toBe([one!, two!, three!].reduce((sum, { size }) => sum + size, 0));
});
