import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Results } from "../../bench/harness/machine.ts";
import { digits, updateFigures } from "../../bench/harness/markdown.ts";
import { rows } from "../../bench/harness/rows.ts";

const figures: Readonly<Record<string, number>> = { openline: 0.5, ws: 6.25, "floor-data": 0.4, "floor-onread": 0.3 };
const row = rows.find(({ id }) => id === "E2")!;
const samples = row.peers
  .filter(({ id }) => id in figures)
  .map((peer) => ({ peer, taken: [{ figure: figures[peer.id]!, remark: "" }] }));
const results = { rows: [{ row, samples, missing: [] }] } as unknown as Results;

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "bench-"));
});

afterEach(() => rmSync(folder, { recursive: true }));

function updated(text: string, name = "results"): [count: number, text: string] {
  const path = join(folder, "page.md");
  writeFileSync(path, text);
  return [updateFigures(path, name, results), readFileSync(path, "utf8")];
}

test("a figure, a ratio and the best floor are written into a page's sentences", () => {
  const text = (a: string, b: string, c: string): string =>
    `It takes <!-- results E2 openline -->${a}<!-- --> µs, <!-- results E2 openline/ws -->${b}<!-- --> times ws, ` +
    `and the floor <!-- results E2 floor -->${c}<!-- -->.`;
  expect(updated(text("–", "9", "–"))).toEqual([3, text("0.500", "0.080", "0.300")]);
});

test("what belongs to other results, or was not measured, stays as it is", () => {
  const text =
    "<!-- results E2 bun -->1<!-- --> <!-- results E1 openline -->2<!-- --> <!-- results E2 openline/bun -->3<!-- -->";
  expect(updated(text)).toEqual([0, text]);
  const mine = "<!-- results E2 openline -->4<!-- -->";
  expect(updated(mine, "results-node-26")).toEqual([0, mine]);
});

test("figures have three digits that count", () => {
  expect([1234.5, 99.44, 1.005, 0.0444, 0].map(digits)).toEqual(["1,235", "99.4", "1.00", "0.044", "0"]);
});

test("every figure on the page on performance is one that the bench takes", () => {
  const page = readFileSync(new URL("../../docs/explanation/performance.md", import.meta.url), "utf8");
  const asked = [...page.matchAll(/<!-- ([^>]+) -->[^<]*<!-- -->/g)].map(([, words]) => words!);
  expect(asked.length).toBeGreaterThan(40);
  for (const words of asked) {
    const [, name, id, peers] = /^(results|results-node-26) (\w+) ([\w/-]+)$/.exec(words) ?? [];
    const row = rows.find((candidate) => candidate.id === id);
    const known = row?.peers.flatMap((peer) => [peer.id, peer.column === "floor" ? "floor" : peer.id]) ?? [];
    expect(known, `${name} ${words}`).toEqual(expect.arrayContaining(peers!.split("/")));
  }
});
