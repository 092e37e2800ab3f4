import { expect, test } from "vitest";
import { type Chart, drawChart } from "../../bench/harness/plot.ts";

const chart: Chart = {
  title: "Echo",
  xTitle: "connections",
  yTitle: "µs",
  lines: [
    { title: "ours", column: "openline", points: [1, 10, 100].map((x) => ({ x, y: x })) },
    { title: "theirs", column: "ws", points: [1, 10, 100].map((x) => ({ x, y: x * x })) },
  ],
};

/** The places of a line's points. */
function pointsOf(svg: string, column: string): number[][] {
  const points = new RegExp(`class="${column}"><polyline points="([^"]+)"`).exec(svg)![1]!;
  return points.split(" ").map((point) => point.split(",").map(Number));
}

test("cost that grows with the work is a straight line, and one that grows faster a steeper one", () => {
  const svg = drawChart(chart);
  const [first, middle, last] = pointsOf(svg, "openline");
  expect(middle![0]).toBeCloseTo((first![0]! + last![0]!) / 2, 0);
  expect(middle![1]).toBeCloseTo((first![1]! + last![1]!) / 2, 0);
  const [, , steep] = pointsOf(svg, "ws");
  expect(first![1]! - steep![1]!).toBeCloseTo(2 * (first![1]! - last![1]!), 0);
});

test("every colour that is drawn with has a light and a dark value", () => {
  const svg = drawChart(chart);
  const [light, dark] = svg.split("@media(prefers-color-scheme:dark)");
  for (const [, ink] of svg.matchAll(/class="(\w+)"/g)) {
    expect(light).toContain(`.${ink}{color:#`);
    expect(dark).toContain(`.${ink}{color:#`);
  }
  expect(svg).not.toMatch(/(fill|stroke)="(?!none|currentColor)/);
});
