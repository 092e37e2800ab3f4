/**
 * Sends clients away one after another, so that they do not all come back to the other servers at once (fault D06).
 */

import { checkNumber, timerLength } from "../protocol/check-number.ts";
import { checkOptions, type OptionTable } from "../protocol/check-options.ts";
import { CloseCode, isSendableCloseCode } from "../protocol/close-code.ts";
import type { ServerConnection } from "./server-connection.ts";

/** How a server is drained; times in milliseconds unless said otherwise. */
export interface DrainOptions {
  /** Over how long the clients are told to leave, one after another. Default 5 s. */
  readonly over?: number;
  /** The close code that tells them. Default 1012, service restart. */
  readonly code?: number;
  /** What the 503 of new handshakes says in `Retry-After`, in seconds. Default 5. */
  readonly retryAfter?: number;
  /** When those that are still there are cut off, from the call on; Infinity for never. Default `over` and 30 s. */
  readonly deadline?: number;
  /**
   * Whether the own listener is closed at once, not at the end: for one of several processes on a port, since the others
   * take the new connections then that this one would refuse. Default false.
   */
  readonly stopListening?: boolean;
}

/** The options by name. */
const drainTable: OptionTable<DrainOptions> = {
  over: "number",
  code: "number",
  retryAfter: "number",
  deadline: "number",
  stopListening: "boolean",
};

/**
 * The options with every default filled in.
 *
 * Throws a TypeError for what is no option, and a RangeError for a close code that cannot be sent, for a time that is
 * negative or, but for `deadline`, without end, and for a `retryAfter` that is not whole.
 */
export function resolveDrain(options: DrainOptions): Required<DrainOptions> {
  checkOptions("drain", options, drainTable);
  const { over = 5000, code = CloseCode.ServiceRestart, retryAfter = 5, stopListening = false } = options;
  if (!isSendableCloseCode(code)) {
    throw new RangeError(`Cannot drain: ${code} is not a code that a Close frame may carry`);
  }
  checkNumber("drain", "over", over, "finiteTime");
  checkNumber("drain", "retryAfter", retryAfter, "delaySeconds");
  const deadline = checkNumber("drain", "deadline", options.deadline ?? over + 30_000, "time");
  return { over, code, retryAfter, deadline: timerLength(deadline), stopListening };
}

/** How often some clients are told. */
const stepLength = 20;

/** What the clients are told beside the code. */
export const drainReason = "The server is draining";

/** Closes `connections` evenly over `over` milliseconds; resolves when the last was told. */
export async function closeEvenly(connections: readonly ServerConnection[], over: number, code: number): Promise<void> {
  const steps = Math.max(1, Math.ceil(over / stepLength));
  let told = 0;
  for (let step = 1; step <= steps; step++) {
    const due = Math.ceil((connections.length * step) / steps);
    for (; told < due; told++) connections[told]!.close(code, drainReason);
    if (told === connections.length) return;
    await new Promise((resolve) => setTimeout(resolve, stepLength));
  }
}
