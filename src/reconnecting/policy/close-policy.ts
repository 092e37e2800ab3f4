/**
 * Whether to come back after an end, and when: one table over close codes and HTTP statuses.
 *
 * It is never only where the server judged this client; everything else may pass, 1000 too, since proxies send it.
 */

import type { End } from "./attempt.ts";
import { backoffCeiling, type ReconnectSettings } from "./backoff.ts";

/** What an end leads to, besides the hint of a server and a wake of this machine. */
export type Rule = "backoff" | "restart" | "later" | "renew" | "never" | "neverAtFirst";

/** A range of close codes or statuses, both ends included, and its rule. */
export type Row = readonly [first: number, last: number, rule: Rule];

/** The rule of a close code is that of the first row which holds it, else `backoff`. */
export const closeCodeRules: readonly Row[] = [
  [1008, 1008, "never"],
  [1010, 1010, "never"],
  [1012, 1012, "restart"],
  [1013, 1013, "later"],
  [3000, 3000, "renew"],
  [3003, 3003, "never"],
  [4401, 4401, "renew"],
  [4408, 4408, "backoff"],
  [4425, 4425, "backoff"],
  [4429, 4429, "backoff"],
  [4400, 4499, "never"],
];

/** The rule of an HTTP status, by which Node learns of a refusal, is that of the first row, else `backoff`. */
export const statusRules: readonly Row[] = [
  [401, 401, "renew"],
  [403, 403, "never"],
  [407, 407, "never"],
  [408, 408, "backoff"],
  [410, 410, "never"],
  [425, 425, "backoff"],
  [429, 429, "backoff"],
  [400, 499, "neverAtFirst"],
];

/** What counts besides the end; times in milliseconds of one monotonic clock. */
export interface Circumstances {
  /** Failures in a row, this one included unless the connection was stable. */
  readonly failures: number;
  readonly now: number;
  /** A number from 0 to below 1. */
  readonly random: number;
  /** When this machine last woke: from sleep, from being hidden or frozen, or to a network. */
  readonly wokeAt: number | undefined;
  /** Whether a provider can give another token, and has not done so in vain. */
  readonly renewable: boolean;
  /** Whether there was ever a connection. */
  readonly everOpened: boolean;
  readonly settings: ReconnectSettings;
}

/** How long to wait in milliseconds, and how long even if this machine wakes meanwhile. */
export interface Wait {
  readonly delay: number;
  readonly atLeast: number;
}

/** How long after a wake a loss is taken for its consequence. */
const wakeLasts = 2000;

/** The rule of this end. */
export function ruleOf({ code, status, opened }: Pick<End, "code" | "status" | "opened">): Rule {
  const [value, rows] = opened || status === undefined ? [code, closeCodeRules] : [status, statusRules];
  return rows.find(([first, last]) => first <= value && value <= last)?.[2] ?? "backoff";
}

/** The wait before the next attempt; undefined for never. */
export function waitAfter(end: End, circumstances: Circumstances): Wait | undefined {
  const { failures, now, random, wokeAt, renewable, everOpened, settings } = circumstances;
  if (failures >= settings.maxAttempts) return undefined;
  if (end.opened && end.code === 1006 && wokeAt !== undefined && now - wokeAt <= wakeLasts) {
    return { delay: random * 1000, atLeast: 0 };
  }
  if (end.retryAfter !== undefined) {
    const hint = end.retryAfter * 1000;
    return { delay: hint + random * Math.max(settings.firstDelay, hint), atLeast: hint };
  }
  const rule = ruleOf(end);
  if (rule === "restart") return { delay: random * 10_000, atLeast: 0 };
  if (rule === "later") return { delay: 30_000 + random * 30_000, atLeast: 30_000 };
  if (rule === "never" || (rule === "renew" && !renewable) || (rule === "neverAtFirst" && !everOpened)) {
    return undefined;
  }
  return backoffAfter(failures, circumstances);
}

/** The wait that grows with the failures, for what no other row holds. */
export function backoffAfter(failures: number, { random, settings }: Pick<Circumstances, "random" | "settings">): Wait {
  return { delay: random * backoffCeiling(failures, settings), atLeast: 0 };
}
