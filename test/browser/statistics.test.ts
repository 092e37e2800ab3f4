/**
 * The comparison's arithmetic: nearest-rank percentiles, and the same table as rows, Markdown and TSV.
 */
import { expect, test } from "vitest";
import { COLUMNS, markdown, percentile, rows, tabSeparated } from "../../demo/page/polling/statistics.ts";

const tally = { requests: 2, bytesIn: 700, bytesOut: 301 };

test.each([
  [[], 0.5, undefined],
  [[7], 0.5, 7],
  [[7], 0.99, 7],
  [[3, 1, 2], 0.5, 2],
  [[4, 1, 3, 2], 0.5, 2],
  [[10, 9, 1], 0.99, 10],
  [Array.from({ length: 200 }, (_, index) => index + 1), 0.99, 198],
] as const)("percentile of %j at %d is %s", (values, share, expected) => {
  expect(percentile(values, share)).toBe(expected);
});

test("a row has what was counted; a mode that has not run has none", () => {
  const results = { socket: { tally, events: 10, latencies: [1.26, 5], cpu: 12.34 } };
  expect(rows(results)).toEqual([["WebSocket", "10", "2", "700", "301", "100.1", "1.3", "5.0", "12.3"]]);
});

test("what is not known is said: no events, no latency, CPU that cannot be divided", () => {
  const results = { short: { tally, events: 0, latencies: [], cpu: undefined } };
  expect(rows(results)).toEqual([["Short polling", "0", "2", "700", "301", "–", "–", "–", "not separable"]]);
});

test("the texts to copy have the same cells as the table", () => {
  const results = {
    socket: { tally, events: 10, latencies: [1], cpu: 1 },
    short: { tally, events: 10, latencies: [2], cpu: 2 },
  };
  const table = [[...COLUMNS], ...rows(results)];
  expect(table.map(([name]) => name)).toEqual(["Mode", "Short polling", "WebSocket"]);
  expect(tabSeparated(results).split("\n")).toEqual(table.map((cells) => cells.join("\t")));
  const [head, rule, ...lines] = markdown(results).split("\n");
  expect([head, ...lines]).toEqual(table.map((cells) => `| ${cells.join(" | ")} |`));
  expect(rule).toBe(`| --- |${" ---: |".repeat(COLUMNS.length - 1)}`);
});
