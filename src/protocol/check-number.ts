/**
 * The check of numbers among options: each is held against the rule of its kind, in one table for all that are alike.
 *
 * NaN is never valid, a count is whole, and 0 and Infinity are valid only where they work.
 */

import { describe } from "./check-options.ts";
import { longestTimer } from "./timer-length.ts";

/** The rule that a number keeps. */
export interface NumberRule {
  /** The smallest valid number. */
  readonly least: number;
  /** The largest valid number. Default: no limit. */
  readonly most?: number;
  /** Whether the number must be an integer. Default false. */
  readonly whole?: boolean;
  /** Whether `Infinity` is valid, also beyond `most`. Default false. */
  readonly endless?: boolean;
}

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

/** The rules by kind. Times are in milliseconds. */
export const numberKinds: Readonly<Record<NumberKind, NumberRule>> = {
  /** A number of things: 0 for none, Infinity for no limit. */
  count: { least: 0, whole: true, endless: true },
  /** A number of bytes: with 0, only what is empty passes; Infinity is no limit. */
  size: { least: 0, endless: true },
  /** A number of bytes or things from which on something stops. With 0 it would stop for ever. */
  mark: { least: 1, endless: true },
  /** A size that is passed to Node, which wants an integer and takes 0 for a default of its own. */
  nodeSize: { least: 1, whole: true, most: Number.MAX_SAFE_INTEGER },
  /** A time: 0 means at once, and Infinity as long as a timer can wait. */
  time: { least: 0, endless: true },
  /** A time that is passed to Node, which takes 0 for no limit at all. */
  nodeTime: { least: 1, whole: true, endless: true },
  /** A time that must end. */
  finiteTime: { least: 0, most: longestTimer },
  /** A time that is checked once a second. */
  wheelTime: { least: 1000, endless: true },
  /** Seconds in a header field. */
  delaySeconds: { least: 0, whole: true, most: longestTimer },
  /** The number of a TCP port, 0 for any. */
  port: { least: 0, whole: true, most: 65_535 },
};

/**
 * Returns the value if it is a number that the rule allows.
 *
 * Throws a RangeError otherwise. Its message begins with "Cannot", the action, and the option's name.
 */
export function checkNumber(action: string, name: string, value: unknown, kind: NumberKind | NumberRule): number {
  const rule: NumberRule = typeof kind === "string" ? numberKinds[kind] : kind;
  if (typeof value === "number" && isAllowed(value, rule)) return value;
  throw new RangeError(`Cannot ${action}: ${name} must be ${inWords(rule)}, not ${describe(value)}`);
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
