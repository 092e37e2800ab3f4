/**
 * What a soak must hold, as a list of findings, each with its figure and its bound.
 */
import type { LoadCounts, ServerCounts } from "./orders.ts";
import { fitLine, type Sample } from "./series.ts";

/** All that a soak came to. */
export interface Outcome {
  readonly minutes: number;
  readonly samples: readonly Sample[];
  /** The sum of all load processes. */
  readonly load: LoadCounts;
  /** The server before the load began, and after all had left. */
  readonly before: ServerState;
  readonly after: ServerState;
  /** How the server process ended, and what it wrote to stderr. */
  readonly exitCode: number | null;
  readonly stderr: string;
}

/** The server at one time. */
export interface ServerState {
  readonly counts: ServerCounts;
  readonly descriptors: number;
}

/** One thing that must hold. */
export interface Finding {
  readonly ok: boolean;
  readonly title: string;
  readonly detail: string;
}

const MiB = 1024 * 1024;

/**
 * The first part of a run, a third, in seconds: memory grows to what the load needs, and malloc to what its pieces need to
 * find their places, of which each is held by some connection for minutes.
 */
export function warmUp(minutes: number): number {
  return minutes * 20;
}

/**
 * How much the server's memory may grow in ten minutes, in MiB, where it is fitted over so many minutes.
 *
 * 1 MiB after an hour. The memory of a steady process still moves by some MiB, with the large messages that are on their
 * way and with what V8 and malloc keep, and that tilts the line the more the shorter it is: by up to 52 MiB in ten minutes
 * in runs of three minutes on a busy machine. So these may have 120, which is 210 bytes for each of a thousand messages a
 * second. Less than two minutes can tell nothing.
 */
export function slopeBound(minutes: number): number {
  if (minutes < 2) return Number.POSITIVE_INFINITY;
  const fitted = minutes - warmUp(minutes) / 60;
  return Math.max(1, (40 / fitted) ** 1.6);
}

/** The slopes of the server's memory after the warm-up and each time after garbage was collected, in MiB in ten minutes. */
export function slopes({ samples, minutes }: Pick<Outcome, "samples" | "minutes">): { rss: number; heap: number } {
  const steady = samples.filter(({ time, collected }) => collected && time >= warmUp(minutes) && time <= minutes * 60);
  const slope = (value: (sample: Sample) => number) =>
    (fitLine(steady.map((sample) => [sample.time, value(sample)])).slope * 600) / MiB;
  return { rss: slope(({ rss }) => rss), heap: slope(({ heap, external }) => heap + external) };
}

/** Judges an outcome. */
export function judge(outcome: Outcome): Finding[] {
  const { load, before, after, minutes } = outcome;
  const unanswered = load.sent - load.answered - load.cut;
  const errors = load.errors + after.counts.errors;
  const { rss, heap } = slopes(outcome);
  const bound = slopeBound(minutes);
  const more = moreHandles(before.counts.handles, after.counts.handles);
  const most = Number.isFinite(bound) ? `less than ${bound.toFixed(1)} asked for` : "too short to tell";
  const slope = (value: number) => `${value.toFixed(2)} MiB in ten minutes, ${most}`;
  return [
    finding("nothing lost, reordered or damaged", errors === 0, `${errors} errors`),
    finding("every message answered", unanswered === 0, `${unanswered} of ${load.sent} missing`),
    finding("resident memory steady", rss < bound, slope(rss)),
    finding("heap steady", heap < bound, slope(heap)),
    finding(
      "descriptors back",
      after.descriptors <= before.descriptors,
      `${before.descriptors} before, ${after.descriptors} after`,
    ),
    finding("handles back", more === "", more === "" ? "none more than before" : more),
    finding(
      "the server ended by itself, in silence",
      outcome.exitCode === 0 && outcome.stderr === "",
      `exit code ${outcome.exitCode}${outcome.stderr && `: ${outcome.stderr.slice(0, 1000)}`}`,
    ),
  ];
}

function finding(title: string, ok: boolean, detail: string): Finding {
  return { ok, title, detail };
}

/** The kinds of handles of which there are more than before. */
export function moreHandles(before: ServerCounts["handles"], after: ServerCounts["handles"]): string {
  const kinds = Object.entries(after).filter(([kind, count]) => count > (before[kind] ?? 0));
  return kinds.map(([kind, count]) => `${kind}: ${before[kind] ?? 0} before, ${count} after`).join("; ");
}
