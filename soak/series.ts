/**
 * The series of a soak: one row a sample, as CSV, and the straight line that fits a column best.
 */

/** One sample; sizes in bytes, counts since the begin. */
export interface Sample {
  /** Seconds since the begin. */
  readonly time: number;
  /** The server's memory. */
  readonly rss: number;
  readonly heap: number;
  readonly external: number;
  /** Whether garbage was collected just before. */
  readonly collected: boolean;
  /** The server's open file descriptors. */
  readonly descriptors: number;
  readonly connections: number;
  /** Messages of clients that the server has received, and what it has answered or published to one of them. */
  readonly received: number;
  readonly answered: number;
  readonly delivered: number;
  readonly opened: number;
  readonly errors: number;
  /** How late the server's event loop was, in milliseconds: the 99th percentile, and the worst. */
  readonly lag: number;
  readonly worstLag: number;
  /** The memory of the load processes together. */
  readonly loadRss: number;
}

const columns: readonly (readonly [title: string, value: (sample: Sample) => number])[] = [
  ["time_s", ({ time }) => Math.round(time * 10) / 10],
  ["rss_bytes", ({ rss }) => rss],
  ["heap_bytes", ({ heap }) => heap],
  ["external_bytes", ({ external }) => external],
  ["collected", ({ collected }) => Number(collected)],
  ["descriptors", ({ descriptors }) => descriptors],
  ["connections", ({ connections }) => connections],
  ["messages_received", ({ received }) => received],
  ["messages_answered", ({ answered }) => answered],
  ["news_delivered", ({ delivered }) => delivered],
  ["connections_opened", ({ opened }) => opened],
  ["errors", ({ errors }) => errors],
  ["lag_p99_ms", ({ lag }) => Math.round(lag * 10) / 10],
  ["lag_worst_ms", ({ worstLag }) => Math.round(worstLag * 10) / 10],
  ["load_rss_bytes", ({ loadRss }) => loadRss],
];

/** The samples as CSV, with a line of titles. */
export function toCsv(samples: readonly Sample[]): string {
  const rows = samples.map((sample) => columns.map(([, value]) => value(sample)).join(","));
  return `${[columns.map(([title]) => title).join(","), ...rows].join("\n")}\n`;
}

/** The straight line through points that leaves the smallest squares; flat for fewer than two. */
export function fitLine(points: readonly (readonly [x: number, y: number])[]): {
  slope: number;
  at(x: number): number;
} {
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / (values.length || 1);
  const [middleX, middleY] = [mean(points.map(([x]) => x)), mean(points.map(([, y]) => y))];
  const spread = points.reduce((sum, [x]) => sum + (x - middleX) ** 2, 0);
  const common = points.reduce((sum, [x, y]) => sum + (x - middleX) * (y - middleY), 0);
  const slope = spread === 0 ? 0 : common / spread;
  return { slope, at: (x) => middleY + slope * (x - middleX) };
}
