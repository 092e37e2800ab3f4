/**
 * The comparison's arithmetic and its tables as text; pure, so that it can be checked by itself.
 */
import type { Mode, Tally } from "../../server/messages.ts";
import { MODES } from "../../server/messages.ts";

/** What is known of one mode; `cpu` in milliseconds of the server's process, absent when modes ran at once. */
export interface Result {
  readonly tally: Tally;
  readonly events: number;
  readonly latencies: readonly number[];
  readonly cpu: number | undefined;
}

/** Results by mode, as far as there are any. */
export type Results = Readonly<Partial<Record<Mode, Result>>>;

/** The names of the modes as readers know them. */
export const MODE_NAMES: Readonly<Record<Mode, string>> = {
  short: "Short polling",
  long: "Long polling",
  socket: "WebSocket",
};

/** The value below which `share` (0 to 1) of `values` lie, by the nearest-rank rule; undefined for none. */
export function percentile(values: readonly number[], share: number): number | undefined {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
}

/** Column heads of the result table. */
export const COLUMNS: readonly string[] = [
  "Mode",
  "Events",
  "Requests",
  "Bytes up",
  "Bytes down",
  "Bytes per event",
  "Latency median (ms)",
  "Latency p99 (ms)",
  "Server CPU (ms)",
];

/** The rows of the result table, one a mode that has run. */
export function rows(results: Results): string[][] {
  return MODES.flatMap((mode) => {
    const result = results[mode];
    if (result === undefined) return [];
    const { tally, events, latencies, cpu } = result;
    const total = tally.bytesIn + tally.bytesOut;
    return [
      [
        MODE_NAMES[mode],
        String(events),
        String(tally.requests),
        String(tally.bytesIn),
        String(tally.bytesOut),
        events === 0 ? "–" : (total / events).toFixed(1),
        percentile(latencies, 0.5)?.toFixed(1) ?? "–",
        percentile(latencies, 0.99)?.toFixed(1) ?? "–",
        cpu?.toFixed(1) ?? "not separable",
      ],
    ];
  });
}

/** The table as Markdown. */
export function markdown(results: Results): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [
    line(COLUMNS),
    line(COLUMNS.map((_, index) => (index === 0 ? "---" : "---:"))),
    ...rows(results).map(line),
  ].join("\n");
}

/** The table as tab-separated values. */
export function tabSeparated(results: Results): string {
  return [COLUMNS, ...rows(results)].map((cells) => cells.join("\t")).join("\n");
}
