/**
 * A line chart with two logarithmic axes as SVG text: on such axes, cost that grows with the work is a straight line.
 */
import { digits } from "./markdown.ts";
import type { Peer } from "./peers.ts";
import { round, svg, text } from "./svg.ts";

/** What is drawn. */
export interface Chart {
  readonly title: string;
  readonly xTitle: string;
  readonly yTitle: string;
  readonly lines: readonly Line[];
}

/** One peer's line. */
export interface Line {
  readonly title: string;
  readonly column: Peer["column"];
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

const [width, height] = [820, 420];
const area = { left: 64, right: 560, top: 52, bottom: 364 };
const labelHeight = 18;

/** The chart as a whole SVG document, in the colours of the reader's light or dark scheme. */
export function drawChart(chart: Chart): string {
  const points = chart.lines.flatMap((line) => line.points);
  const x = scale(
    points.map((point) => point.x),
    [area.left, area.right],
  );
  const y = scale(
    points.map((point) => point.y),
    [area.bottom, area.top],
  );
  return svg(width, height, chart.title, [
    text(area.left, 24, chart.title, { ink: "text", size: 16, weight: 600 }),
    text(area.left, area.top - 10, `${chart.yTitle}, logarithmic, less is better`, { ink: "quiet" }),
    text(area.right, height - 12, chart.xTitle, { ink: "quiet", anchor: "end" }),
    ...decades(y.range).map((value) => gridLine(y.at(value), axisLabel(value))),
    ...distinct(points.map((point) => point.x)).map((value) =>
      text(x.at(value), area.bottom + 20, axisLabel(value), { ink: "quiet", anchor: "middle" }),
    ),
    ...chart.lines.map((line) => polyline(line, { x, y })),
    ...labels(chart.lines, y),
  ]);
}

interface Scale {
  readonly range: readonly [low: number, high: number];
  at(value: number): number;
}

function scale(values: readonly number[], [from, to]: readonly [number, number]): Scale {
  const low = Math.min(...values);
  const high = Math.max(...values);
  const length = Math.log(high / low) || 1;
  return { range: [low, high], at: (value) => from + ((to - from) * Math.log(value / low)) / length };
}

/** The 1, 2 and 5 of each power of ten in the range; the powers alone where that is enough. */
function decades([low, high]: readonly [number, number]): number[] {
  const steps = high / low > 1000 ? [1] : [1, 2, 5];
  const powers = Array.from({ length: 16 }, (_, index) => 10 ** (index - 6));
  return powers.flatMap((power) => steps.map((step) => step * power)).filter((value) => value >= low && value <= high);
}

function polyline({ points, column }: Line, { x, y }: { x: Scale; y: Scale }): string {
  const places = points.map((point) => [round(x.at(point.x)), round(y.at(point.y))] as const);
  const dashes = column === "floor" || column === "bare" ? ' stroke-dasharray="5 4"' : "";
  const line = `points="${places.join(" ")}" fill="none" stroke="currentColor" stroke-width="${column === "openline" ? 3 : 2}"`;
  const dots = places.map(([cx, cy]) => `<circle cx="${cx}" cy="${cy}" r="3.5" fill="currentColor"/>`);
  return `<g class="${column}"><polyline ${line}${dashes}/>${dots.join("")}</g>`;
}

/** The names at the lines' ends, moved apart where they would lie over each other. */
function labels(lines: readonly Line[], y: Scale): string[] {
  const wanted = lines.map((line) => ({ line, at: y.at(line.points.at(-1)!.y) })).sort((a, b) => a.at - b.at);
  let free = area.top;
  const placed = wanted.map(({ line, at }) => {
    const place = Math.max(at, free);
    free = place + labelHeight;
    return { line, place };
  });
  const below = Math.max(0, free - labelHeight - area.bottom);
  return placed.map(({ line, place }) => {
    const title = `${line.title} ${digits(line.points.at(-1)!.y)}`;
    const weight = line.column === "openline" ? 600 : 400;
    return text(area.right + 12, place - below + 4, title, { ink: line.column, weight });
  });
}

function gridLine(at: number, label: string): string {
  const ends = `x1="${area.left}" x2="${area.right}" y1="${round(at)}" y2="${round(at)}"`;
  const line = `<line ${ends} stroke="currentColor" class="grid"/>`;
  return line + text(area.left - 8, at + 4, label, { ink: "quiet", anchor: "end" });
}

function axisLabel(value: number): string {
  if (value >= 2 ** 20 && value % 2 ** 20 === 0) return `${value / 2 ** 20} Mi`;
  if (value >= 1024 && value % 1024 === 0) return `${value / 1024} Ki`;
  return value >= 1 ? value.toLocaleString("en") : String(Number(value.toPrecision(1)));
}

function distinct(values: readonly number[]): number[] {
  return [...new Set(values)];
}
