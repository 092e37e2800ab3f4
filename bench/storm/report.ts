/**
 * The storms as a page, and whether they were as they have to be.
 */
import type { Machine } from "../harness/machine.ts";
import { table } from "../harness/markdown.ts";
import type { Storm } from "./storm.ts";

/** What one command measured. */
export interface Storms {
  readonly date: string;
  readonly command: string;
  readonly commit: string | undefined;
  readonly machine: Machine;
  readonly storms: readonly Storm[];
}

/** A figure that has to be reached. */
export interface StormTarget {
  readonly title: string;
  readonly bound: number;
  readonly value: number;
  readonly met: boolean;
}

/** The targets of a storm; there are none for a control. */
export function targetsOf({ away, jitter, most, all, lost, delay }: Storm): StormTarget[] {
  if (!jitter) return [];
  const never = Number.POSITIVE_INFINITY;
  const rows: [title: string, value: number, bound: number][] = [
    ["99 % are back, ms", most ?? never, away === 0 ? 10_000 : 20_000],
    ["all are back, ms", all ?? never, 40_000],
    ["begun handshakes that failed", lost, 0],
    ["p99 of the server's event loop delay, ms", delay.p99, 100],
  ];
  return rows.map(([title, value, bound]) => ({ title, value, bound, met: value <= bound }));
}

/** The whole report. */
export function stormMarkdown({ storms, machine, command, commit, date }: Storms): string {
  const { clients } = storms[0]!;
  const at = commit === undefined ? "" : ` at ${commit}`;
  const load = `${machine.loadBefore.toFixed(1)} before and ${machine.loadAfter.toFixed(1)} after`;
  const titles = [
    "server away",
    "",
    "99 % back",
    "all back",
    "most due in 0.1 s",
    "most begun in 1 s",
    "attempts each",
    "begun and failed",
    "loop delay p50, p99, max",
    "waited",
  ];
  const parts = [
    "# A storm",
    `${clients.toLocaleString("en")} clients lose their server, which is killed, and another is started on its port. The ` +
      "clients are `ReconnectingWebSocket` with its defaults, in processes of Node that share one CPU; the server has the " +
      "other. `without jitter` are the same clients, each of whose waits is as long as it may be instead of random below it. " +
      "Times are from the moment on at which the new server listens.",
    table(titles, storms.map(lineOf)),
    "`most due` is what the clients want, `most begun` what one CPU for all of them lets them do: it spreads the attempts " +
      "of the control, too, which as many machines would make at once. `begun and failed` are TCP connections that the " +
      "server accepted and that are no open connection in the end. `loop delay` holds the 10 ms between two looks. " +
      "`waited` is the part of the time that the server was ready to run while other programs had its CPU.",
    "## Against the figures to reach",
    table(["server away", "", "at most", "is", "met"], storms.flatMap(verdictsOf)),
    `Measured with \`${command}\` on ${date.slice(0, 10)}${at}: Node ${machine.node}; ${machine.cpu}, ${machine.cores} CPUs, ` +
      `${machine.memory} GiB, ${machine.system}, load average ${load}.`,
  ];
  return `${parts.join("\n\n")}\n`;
}

function lineOf(storm: Storm): string[] {
  const { jitter, clients, gone, most, all, due, begun, lost, peak, failed, delay, waited } = storm;
  const attempts = Object.values(failed).reduce((sum, count) => sum + count, clients) / clients;
  return [
    seconds(gone),
    jitter ? "**openline**" : "without jitter",
    seconds(most),
    seconds(all),
    Math.max(...due).toLocaleString("en"),
    peak.toLocaleString("en"),
    attempts.toFixed(1),
    `${lost} of ${begun.toLocaleString("en")}`,
    [delay.p50, delay.p99, delay.max]
      .map((value) => Math.round(value))
      .join(", ")
      .concat(" ms"),
    `${Math.round(waited * 100)} %`,
  ];
}

function verdictsOf(storm: Storm): string[][] {
  return targetsOf(storm).map(({ title, bound, value, met }) => [
    seconds(storm.gone),
    title,
    bound.toLocaleString("en"),
    Number.isFinite(value) ? value.toLocaleString("en") : "never",
    met ? "yes" : "**no**",
  ]);
}

function seconds(milliseconds: number | undefined): string {
  return milliseconds === undefined ? "never" : `${(milliseconds / 1000).toFixed(1)} s`;
}
