/**
 * Numbers that programs give as options, each held against the rule of its kind: one table for all that are alike.
 *
 * NaN is none of them, what is counted is whole, and 0 and Infinity are taken only where they work.
 */

import { describe } from "./check-options.ts";

/** What a number may be; inclusive, and `Infinity` beyond `most` where it is endless. */
export interface NumberRule {
  readonly least: number;
  readonly most?: number;
  readonly whole?: boolean;
  readonly endless?: boolean;
}

/** What a timer can wait, about 25 days; beyond it, it would not wait at all. */
export const longestTimer: number = 2 ** 31 - 1;

/** The kinds of numbers that several options share. */
export type NumberKind =
  | "count"
  | "size"
  | "mark"
  | "nodeSize"
  | "time"
  | "nodeTime"
  | "finiteTime"
  | "wheelTime"
  | "delaySeconds"
  | "port";

/** The rules by kind; times in milliseconds. */
export const numberKinds: Readonly<Record<NumberKind, NumberRule>> = {
  /** How many there may be: 0 for none, Infinity for no limit. */
  count: { least: 0, whole: true, endless: true },
  /** Bytes: 0 for nothing but what is empty, Infinity for no limit. */
  size: { least: 0, endless: true },
  /** Bytes or things from which on something stops: from 0 on it would stop for ever. */
  mark: { least: 1, endless: true },
  /** A size that Node is told, which wants an integer and takes 0 for a default of its own. */
  nodeSize: { least: 1, whole: true, most: Number.MAX_SAFE_INTEGER },
  /** A time for which 0 means at once, and Infinity as long as a timer waits. */
  time: { least: 0, endless: true },
  /** The same where Node takes 0 for no limit at all. */
  nodeTime: { least: 1, whole: true, endless: true },
  /** A time that must come to an end. */
  finiteTime: { least: 0, most: longestTimer },
  /** A time that is looked after once a second. */
  wheelTime: { least: 1000, endless: true },
  /** Seconds in a header field. */
  delaySeconds: { least: 0, whole: true, most: longestTimer },
  /** The number of a TCP port, 0 for any. */
  port: { least: 0, whole: true, most: 65_535 },
};

/**
 * The value, when it is a number that the rule allows; throws a RangeError otherwise.
 *
 * `action` begins the message.
 */
export function checkNumber(action: string, name: string, value: unknown, kind: NumberKind | NumberRule): number {
  const rule: NumberRule = typeof kind === "string" ? numberKinds[kind] : kind;
  if (typeof value === "number" && isAllowed(value, rule)) return value;
  throw new RangeError(`Cannot ${action}: ${name} must be ${inWords(rule)}, not ${describe(value)}`);
}

/** A time as a timer can wait it. */
export function timerLength(milliseconds: number): number {
  return Math.min(milliseconds, longestTimer);
}

function isAllowed(
  value: number,
  { least, most = Number.MAX_VALUE, whole = false, endless = false }: NumberRule,
): boolean {
  if (value === Number.POSITIVE_INFINITY) return endless;
  return value >= least && value <= most && (!whole || Number.isInteger(value));
}

function inWords({ least, most, whole, endless }: NumberRule): string {
  const range =
    most === undefined || most === Number.MAX_SAFE_INTEGER ? `from ${least} on` : `from ${least} to ${most}`;
  return `a ${whole ? "whole " : ""}number ${range}${endless && most !== undefined ? ", or Infinity" : ""}`;
}
