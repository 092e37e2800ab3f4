import { expect, test } from "vitest";
import type { Results } from "../../bench/harness/machine.ts";
import { measuredAgain, type SavedResults, saidOf } from "../../bench/harness/measured-again.ts";
import { rows } from "../../bench/harness/rows.ts";

const machine = { cpu: "a", cores: 2, memory: 1, system: "Linux", node: "20.1.0", loadBefore: 0, loadAfter: 0 };
const about = { machine, generator: "load.c", warmup: 1, duration: 1 };
const [first, second] = rows as [(typeof rows)[0], (typeof rows)[0]];

function resultsOf(date: string, ids: readonly string[], figure: number): Results {
  const chosen = rows.filter(({ id }) => ids.includes(id));
  const samples = [{ peer: first.peers[0]!, taken: [{ figure, remark: "" }] }];
  return {
    ...about,
    date,
    command: `bench ${date}`,
    commit: date,
    rows: chosen.map((row) => ({ row, samples, missing: [] })),
  };
}

const saved = JSON.parse(JSON.stringify(resultsOf("2026-01-01", [first.id, second.id], 1))) as SavedResults;
const fresh = resultsOf("2026-02-02", [second.id], 2);

test("rows that were measured again stand in the place of the saved ones, and say so", () => {
  const all = measuredAgain(saved, fresh, rows)!;
  expect(all.date).toBe("2026-01-01");
  expect(all.rows.map(({ row, samples }) => [row, samples[0]!.peer, samples[0]!.taken[0]!.figure])).toEqual([
    [first, first.peers[0], 1],
    [second, first.peers[0], 2],
  ]);
  expect(saidOf(all.rows)).toBe(` Measured again with \`bench 2026-02-02\` on 2026-02-02 at 2026-02-02: ${second.id}.`);
  expect(saidOf(fresh.rows)).toBe("");
});

test("nothing is put together of two machines, or two versions of Node", () => {
  expect(measuredAgain({ ...saved, machine: { ...machine, cpu: "b" } }, fresh, rows)).toBeUndefined();
  expect(measuredAgain({ ...saved, machine: { ...machine, node: "26.0.0" } }, fresh, rows)).toBeUndefined();
});
