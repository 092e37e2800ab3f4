/**
 * Whether to come back after an end, and when: one table over close codes and HTTP statuses.
 *
 * It is never only where the server judged this client; everything else may pass, 1000 too, since proxies send it.
 */

import type { End } from "./attempt.ts";
import { backoffCeiling, type ReconnectSettings } from "./backoff.ts";

/** What an end leads to, besides the hint of a server and a wake of this machine. */
export type Rule = "backoff" | "restart" | "later" | "renew" | "never" | "neverAtFirst";

/** The numbers as their digits, and the rule for them. */
export type Row = readonly [numbers: RegExp, rule: Rule];

/** The rule of a close code is that of the first row which matches, else `backoff`. */
export const closeCodeRules: readonly Row[] = [
  [/^(3000|4401)$/, "renew"],
  [/^(1008|1010|3003|44(?!08|25|29)..)$/, "never"],
  [/^1012$/, "restart"],
  [/^1013$/, "later"],
];

/** The rule of an HTTP status, by which Node learns of a refusal, is that of the first row which matches. */
export const statusRules: readonly Row[] = [
  [/^401$/, "renew"],
  [/^4(03|07|10)$/, "never"],
  [/^4(?!08|25|29)..$/, "neverAtFirst"],
];

/** What counts besides the end; times in milliseconds of one monotonic clock. */
export interface Circumstances {
  /** Failures in a row, this one included unless the connection was stable. */
  readonly failures: number;
  readonly now: number;
  /** A number from 0 to below 1. */
  readonly random: number;
  /** When this machine last woke: from sleep, from being hidden or frozen, or to a network. */
  readonly wokeAt: number;
  /** How the attempt or connection before this one ended. */
  readonly last: End | undefined;
  /** Whether a provider may give another token. */
  readonly provides: boolean;
  /** Whether there was ever a connection. */
  readonly everOpened: boolean;
  readonly settings: ReconnectSettings;
  /** The table of statuses, where the runtime tells any. */
  readonly statusRules?: readonly Row[] | undefined;
}

/** How long to wait, and how long even if this machine wakes meanwhile; milliseconds. */
export type Wait = readonly [delay: number, atLeast: number];

/** The rule of this end. */
export function ruleOf({ code, status }: Pick<End, "code" | "status">, rulesOfStatuses: readonly Row[] = []): Rule {
  const rows = status ? rulesOfStatuses : closeCodeRules;
  return rows.find(([numbers]) => numbers.test(`${status ?? code}`))?.[1] ?? "backoff";
}

/** The wait before the next attempt; undefined for never. */
export function waitAfter(end: End, circumstances: Circumstances): Wait | undefined {
  const { failures, now, random, wokeAt, last, provides, everOpened, settings, statusRules: rows } = circumstances;
  const { code, opened, retryAfter } = end;
  // The loss comes of the wake.
  if (opened && code === 1006 && now - wokeAt <= 2000) return [random * 1000, 0];
  if (retryAfter !== undefined) {
    const hint = retryAfter * 1000;
    return [hint + random * Math.max(settings.firstDelay, hint), hint];
  }
  const rule = ruleOf(end, rows);
  if (rule === "restart") return [random * 10_000, 0];
  if (rule === "later") return [30_000 + random * 30_000, 30_000];
  const refusedBefore = failures > 0 && last && ruleOf(last, rows) === rule;
  if (rule === "never" || (rule === "renew" && (!provides || refusedBefore))) return undefined;
  return rule === "neverAtFirst" && !everOpened ? undefined : backoffAfter(circumstances);
}

/** The wait that grows with the failures, for what no other row holds. */
export function backoffAfter({
  failures,
  random,
  settings,
}: Pick<Circumstances, "failures" | "random" | "settings">): Wait {
  return [random * backoffCeiling(failures, settings), 0];
}
