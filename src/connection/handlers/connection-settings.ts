/** The settings that all connections of one route, or of one call of `connect`, share. */

import type { Violation } from "../../protocol/protocol-error.ts";
import type { Clock } from "../../transport/clock.ts";
import type { CloseReport } from "../closing/close-report.ts";
import type { HeartbeatSettings } from "../options/heartbeat.ts";
import type { KeepaliveOptions } from "../options/keepalive-options.ts";
import type { ConnectionLimits } from "../options/limits.ts";
import type { RateLimit } from "../options/rate-limit.ts";
import type { Counters } from "../process-wide/diagnostics.ts";
import type { ConnectionHandlers } from "./handlers.ts";

/** The settings of connections. */
export interface ConnectionSettings<Connection> {
  readonly limits: ConnectionLimits;
  readonly handlers: ConnectionHandlers<Connection>;
  /** The handlers that those of one connection were made from: an error is reported once for all of them. */
  readonly sharedHandlers?: object;
  readonly keepalive: Required<KeepaliveOptions> | undefined;
  /** Undefined where messages may come at any rate. */
  readonly rateLimit?: RateLimit;
  /** Undefined where no message is a heartbeat. */
  readonly heartbeat?: HeartbeatSettings;
  /** Whether a client ends its side as soon as both Closes were exchanged; without it, the server is the first to. */
  readonly endsAtOnce?: boolean;
  /** The time it lives by; without it, that of the process. */
  readonly clock?: Clock;
  /** Where messages and bytes are counted. */
  readonly counters?: Counters;
  /** Called when the connection begins, before the `open` handler. */
  began?(connection: Connection): void;
  /** Called with each exception of a handler; without it the first of a route goes to stderr. */
  threw?(connection: Connection, error: Error): void;
  /** Called when the connection has failed; our Close is in the output, or has left. */
  failed?(connection: Connection, violation: Violation): void;
  /** Called when the transport is gone, before the `close` handler. */
  ended?(connection: Connection, report: CloseReport): void;
  /** Called when the `close` handler is done. */
  handled?(connection: Connection): void;
}
