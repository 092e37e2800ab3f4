/**
 * How long to wait after some failures in a row: exponential, with a cap, and random over the whole of it.
 *
 * All that a server loses with it comes back spread over the first delay, so that the first wave fits the server.
 */

import type { End } from "./attempt.ts";
import { withDefaults } from "./with-defaults.ts";

/** When and how often to come back; times in milliseconds. */
export interface ReconnectOptions {
  /**
   * The first wait is random below it (RFC 6455 section 7.2.3). Default 2 s; for some hundred clients of a server 500 ms
   * will do.
   */
  readonly firstDelay?: number;
  /** How much longer the wait may be after each failure in a row. Default 1.6. */
  readonly factor?: number;
  /** No wait is longer, but for a server's hint. Default 30 s. */
  readonly maxDelay?: number;
  /** A connection that was open as long makes the failures before it forgotten. Default 10 s. */
  readonly stableAfter?: number;
  /** How long an attempt may take: provider, handshake and `prepare` together; `Infinity` for no limit. Default 10 s. */
  readonly handshakeTimeout?: number;
  /** After this many failures in a row it is given up. Default `Infinity`. */
  readonly maxAttempts?: number;
  /**
   * Whether to come back after this end; the place for a `fetch` that tells more than the runtime does. What it throws or
   * rejects with is an `error` event, and the default counts then.
   */
  readonly shouldReconnect?: (end: End, failures: number) => boolean | Promise<boolean>;
}

/** The options with every default filled in. */
export type ReconnectSettings = Required<Omit<ReconnectOptions, "shouldReconnect">> &
  Pick<ReconnectOptions, "shouldReconnect">;

/** Fills in the defaults; throws a RangeError for what is no number, or too small a one. */
export function resolveReconnect(given: ReconnectOptions = {}): ReconnectSettings {
  return withDefaults(given, {
    firstDelay: 2000,
    factor: 1.6,
    maxDelay: 30_000,
    stableAfter: 10_000,
    handshakeTimeout: 10_000,
    maxAttempts: 1 / 0,
  });
}

/** The longest wait after so many failures in a row; the wait is random below it. */
export function backoffCeiling(
  failures: number,
  { firstDelay, factor, maxDelay }: Pick<ReconnectSettings, "firstDelay" | "factor" | "maxDelay">,
): number {
  return Math.min(maxDelay, firstDelay * factor ** failures);
}
