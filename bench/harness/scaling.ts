/**
 * How cost grows: rows at many connections, sizes and subscribers, each series one picture.
 */
import type { Results } from "./machine.ts";
import { type Peer, servers } from "./peers.ts";
import { type Chart, drawChart } from "./plot.ts";
import { echoRow, idleRow, publishRow, type Row } from "./rows.ts";
import { figuresOf } from "./statistics.ts";

/** Rows that differ in one number; their ids are the series' id, `@` and that number. */
interface Series {
  readonly id: string;
  readonly title: string;
  readonly xTitle: string;
  readonly yTitle: string;
  readonly xs: readonly number[];
  readonly peers: readonly Peer[];
  row(id: string, x: number): Row;
}

/** The better floor of each: small messages and large ones differ in it. */
const { openline, attached, ws, bun, floorData, floorOnread } = servers;
const small: readonly Peer[] = [openline, ws, bun, floorOnread];
const large: readonly Peer[] = [openline, ws, bun, floorData];
const idle: readonly Peer[] = [openline, attached, ws, bun, floorData];

const upTo10000 = [1, 10, 100, 1000, 10_000];
const KiB = 1024;

const series: readonly Series[] = [
  {
    id: "E1",
    title: "Echo of 64 B, 1 in flight on each connection",
    xTitle: "connections",
    yTitle: "CPU µs per message",
    xs: upTo10000,
    peers: small,
    row: (id, x) => echoRow(id, `echo of 64 B, ${x} connections, 1 in flight`, { connections: x, size: 64 }),
  },
  {
    id: "E2",
    title: "Echo of 64 B, 16 in flight on each connection",
    xTitle: "connections",
    yTitle: "CPU µs per message",
    xs: upTo10000,
    peers: small,
    row: (id, x) =>
      echoRow(id, `echo of 64 B, ${x} connections, 16 in flight`, { connections: x, inflight: 16, size: 64 }),
  },
  {
    id: "ES",
    title: "Echo of messages of growing size, 8 connections",
    xTitle: "bytes of a message",
    yTitle: "CPU µs per message",
    xs: [16, 256, 4 * KiB, 64 * KiB, KiB * KiB, 16 * KiB * KiB],
    peers: large,
    row: (id, x) => echoRow(id, `echo of ${x} B, 8 connections, 1 in flight`, { connections: 8, size: x }),
  },
  {
    id: "B1",
    title: "One publish of 64 B a turn",
    xTitle: "subscribers",
    yTitle: "CPU µs per delivery",
    xs: upTo10000,
    peers: large,
    row: (id, x) => publishRow(id, `64 B to ${x} subscribers, one publish a turn`, { connections: x, publications: 1 }),
  },
  {
    id: "B2",
    title: "100 publishes of 64 B a turn",
    xTitle: "subscribers",
    yTitle: "CPU µs per delivery",
    xs: [1, 10, 100, 1000],
    peers: large,
    row: (id, x) =>
      publishRow(id, `64 B to ${x} subscribers, 100 publishes a turn`, { connections: x, publications: 100 }),
  },
  {
    id: "M1",
    title: "Memory of idle connections",
    xTitle: "connections",
    yTitle: "KiB per connection",
    xs: [1000, 3000, 10_000],
    peers: idle,
    row: (id, x) => idleRow(id, `${x} idle connections`, { connections: x }),
  },
];

/** All rows of all series. */
export const scalingRows: readonly Row[] = series.flatMap(({ id, xs, peers, row }) =>
  xs.map((x) => ({ ...row(`${id}@${x}`, x), peers, rounds: 3 })),
);

/** The pictures that the results hold, by file name. */
export function pictures(results: Results): Map<string, string> {
  const files = new Map<string, string>();
  for (const one of series) {
    const chart = chartOf(one, results);
    if (chart.lines.length === 0) continue;
    files.set(`scaling-${one.id.toLowerCase()}.svg`, drawChart(chart));
  }
  return files;
}

function chartOf({ id, title, xTitle, yTitle }: Series, { rows }: Results): Chart {
  const lines = new Map<Peer, { x: number; y: number }[]>();
  for (const result of rows) {
    const [series, x] = result.row.id.split("@");
    if (series !== id) continue;
    for (const { peer, value } of figuresOf(result)) {
      const points = lines.get(peer) ?? [];
      points.push({ x: Number(x), y: value });
      lines.set(peer, points);
    }
  }
  return {
    title,
    xTitle,
    yTitle,
    lines: [...lines].map(([peer, points]) => ({ title: peer.title, column: peer.column, points })),
  };
}
