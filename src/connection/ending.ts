/**
 * What a connection notes from the first sign of its end on; while it is open it holds none of this, and most are open.
 */

import type { CloseReport } from "./close-report.ts";
import type { Deferred } from "./deferred.ts";

/** The notes of one connection; `reportClose` makes the report of them. */
export class Ending {
  /** Who began; undefined while nobody has. */
  initiator: CloseReport["initiator"] | undefined;
  /** What broke, the first thing only. */
  error: Error | undefined;
  /** `close` was called, and stands in line behind what was sent before. */
  leaving = false;
  /** Messages are thrown away: after our Close without a handler, and after a handler threw. */
  deaf = false;
  /** Bytes thrown away after a failure. */
  drained = 0;
  /** What had not left when the socket was given up: it forgets that itself, before it says that it is closed. */
  unsent: number | undefined;
  /** Messages that were thrown away because the peer did not read them. */
  unsentMessages = 0;
  /** Runs while a step of the closing handshake is waited for. */
  timer: NodeJS.Timeout | undefined;
  /** There once the transport is gone. */
  report: CloseReport | undefined;
  /** Whether those who wait for the report have it. */
  reportDelivered = false;
  /** What waits for the report; undefined until somebody asks. */
  closed: Deferred<CloseReport> | undefined;
}
