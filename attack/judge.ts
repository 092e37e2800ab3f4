/**
 * The statements that rows are judged by, and the verdict that follows from them.
 *
 * A row is held when every judged statement is true, failed when one is false, and not applicable when the attack could
 * not be made. A statement that the facts cannot decide does not count.
 */
import type { Facts, Row, Seen, Statement } from "./row.ts";

/** Bytes in a MiB. */
export const MIB: number = 1024 * 1024;

/** What a runtime with a garbage collector may grow by under any load, above what a row allows; 48 MiB. */
export const HEAP_NOISE: number = 48 * MIB;

/** What came of a row. */
export interface Verdict {
  readonly verdict: "held" | "failed" | "n/a";
  /** Why not held, or why it could not be asked. */
  readonly reasons: readonly string[];
  /** Statements that are not true and are not judged. */
  readonly notes: readonly string[];
}

/** The verdict on a row. */
export function judge(row: Row, facts: Facts): Verdict {
  const broken = [...EVERY_ROW, carriedOut, ...row.statements].filter(({ holds }) => holds(facts) === false);
  const sentence = ({ says, figure }: Statement): string => `${says}: ${figure(facts)}`;
  const reasons = broken.filter(({ judged }) => judged).map(sentence);
  const notes = broken.filter(({ judged }) => !judged).map(sentence);
  return { verdict: reasons.length > 0 ? "failed" : "held", reasons, notes };
}

/** The verdict on a row that could not be put to this server. */
export function notApplicable(reason: string): Verdict {
  return { verdict: "n/a", reasons: [reason], notes: [] };
}

/** What must be true whatever the attack was. */
export const EVERY_ROW: readonly Statement[] = [
  {
    says: "a fresh client is echoed afterwards",
    judged: true,
    holds: ({ alive, death }) => alive && death === undefined,
    figure: ({ death }) => death ?? "no echo within 5 s",
  },
  {
    says: "the others lose no echo and no connection",
    judged: true,
    // A server that died took them along; once is enough said.
    holds: ({ bystanders, death }) => death !== undefined || (bystanders.missing === 0 && bystanders.lost === 0),
    figure: ({ bystanders }) => `${bystanders.missing} echoes missing, ${bystanders.lost} connections lost`,
  },
];

/** Not a fact about the server: the attack itself could not be carried out. */
const carriedOut: Statement = {
  says: "the attack can be carried out",
  judged: true,
  holds: ({ seen, death }) => seen.broke === undefined || death !== undefined,
  figure: ({ seen }) => String(seen.broke),
};

/** The process grows by less than `limit` bytes; `noise` is added for the heap's own coming and going. */
export function growsLess(limit: number, noise: number = HEAP_NOISE): Statement {
  const text = `${mib(limit)}${noise > 0 ? ` and ${mib(noise)} of heap` : ""}`;
  return {
    says: `memory grows by less than ${text}`,
    judged: true,
    holds: ({ process }) => process && process.rssPeak - process.rssBefore < limit + noise,
    figure: ({ process }) => (process === undefined ? "not measured" : mib(process.rssPeak - process.rssBefore)),
  };
}

/** As {@link growsLess}, but a note and not a failure. */
export function noteGrowth(limit: number): Statement {
  return { ...growsLess(limit), judged: false };
}

/** Open files come back to what they were. */
export const filesReturn: Statement = {
  says: "open files come back to what they were",
  judged: true,
  holds: ({ process }) => process && process.filesAfter <= process.filesBefore + 2,
  figure: ({ process }) => `${process?.filesBefore} before, ${process?.filesAfter} after`,
};

/** The others' 99th percentile is below `ms`; a note, since a busy machine is not the server's fault. */
export function noteP99(ms: number): Statement {
  return {
    says: `the others' p99 is below ${ms} ms`,
    judged: false,
    holds: ({ bystanders }) => bystanders.p99 < ms,
    figure: ({ bystanders }) => `${bystanders.p99.toFixed(0)} ms`,
  };
}

/** What the attack saw under `name` passes `test`. */
export function sees(name: string, test: (value: Seen[string]) => boolean, says: string): Statement {
  return {
    says,
    judged: true,
    holds: ({ seen }) => (seen[name] === undefined ? undefined : test(seen[name])),
    figure: ({ seen }) => String(seen[name]),
  };
}

/** As {@link sees}, but a note and not a failure. */
export function notes(name: string, test: (value: Seen[string]) => boolean, says: string): Statement {
  return { ...sees(name, test, says), judged: false };
}

/** Passes numbers up to `limit`. */
export const atMost =
  (limit: number) =>
  (value: Seen[string]): boolean =>
    Number(value) <= limit;

/** Passes exactly `wanted`. */
export const is =
  (wanted: Seen[string]) =>
  (value: Seen[string]): boolean =>
    value === wanted;

/** Bytes as MiB. */
export function mib(bytes: number): string {
  return `${Math.round(bytes / MIB)} MiB`;
}
