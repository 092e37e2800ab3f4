/**
 * Draining: clients are sent away one after another, so that they do not reach the other servers all at once (fault
 * D06).
 */

import { checkNumber } from "../protocol/check-number.ts";
import { checkOptions, type OptionTable } from "../protocol/check-options.ts";
import { CloseCode, isSendableCloseCode } from "../protocol/close-code.ts";
import { timerLength } from "../protocol/timer-length.ts";
import { withRetryAfter } from "./handshake/refused.ts";
import type { ServerConnection } from "./server-connection.ts";

/** The options of `drain`; times are in milliseconds unless said otherwise. */
export interface DrainOptions {
  /** The window over which the clients are closed, one after another. Default 5 s. */
  readonly over?: number;
  /** The close code for the clients. Default 1012, service restart. */
  readonly code?: number;
  /**
   * When clients may come back, in whole seconds: the `Retry-After` of the 503 for new handshakes, and the end of the
   * reason in each Close, `retry-after=5`. Default 5.
   */
  readonly retryAfter?: number;
  /**
   * The time after the call at which clients that are left are cut off; Infinity for never. Default `over` plus 30 s.
   */
  readonly deadline?: number;
  /**
   * Whether the own listener is closed at once instead of at the end. It is for several processes on one port: the
   * others then take the new connections, which this one would refuse. Default false.
   */
  readonly stopListening?: boolean;
}

/** The options of `drain`, each with its type. */
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
 * Throws a TypeError for an unknown option, and a RangeError for a close code that cannot be sent, a negative time, an
 * endless `over` and a `retryAfter` that is not whole.
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

/** The time between two groups of clients, in milliseconds. */
const stepLength = 20;

/** What the clients of a draining server are told. */
export type ToldWhenDraining = Required<Pick<DrainOptions, "code" | "retryAfter">>;

/** Closes a connection of a draining server; the reason says when its client may come back. */
export function closeDraining(connection: ServerConnection, { code, retryAfter }: ToldWhenDraining): void {
  connection.close(code, withRetryAfter("The server is draining", retryAfter));
}

/** Closes `connections` evenly over `over` milliseconds. Resolves when the last Close frame is sent. */
export async function closeEvenly(
  connections: readonly ServerConnection[],
  over: number,
  told: ToldWhenDraining,
): Promise<void> {
  const steps = Math.max(1, Math.ceil(over / stepLength));
  let closed = 0;
  for (let step = 1; step <= steps; step++) {
    const due = Math.ceil((connections.length * step) / steps);
    for (; closed < due; closed++) closeDraining(connections[closed]!, told);
    if (closed === connections.length) return;
    await new Promise((resolve) => setTimeout(resolve, stepLength));
  }
}
