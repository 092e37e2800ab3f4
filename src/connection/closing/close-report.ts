/**
 * How a connection ended: who began, when, why, and what shows it.
 *
 * A close code of 1006 says only that no Close frame came; the report always says what happened instead.
 */

import { CloseCode } from "../../protocol/close-code.ts";
import type { CloseStatus } from "../../protocol/close-payload.ts";
import type { Endpoint } from "../../protocol/endpoint/endpoint.ts";
import type { Violation } from "../../protocol/protocol-error.ts";

/** How a connection ended; delivered by `closed` and to the `close` handler. */
export interface CloseReport {
  /** The code of the Close frame received; 1005 if it had none, 1006 if none was received (RFC 6455 section 7.1.5). */
  readonly code: number;
  /** The reason of the Close frame received, else empty. */
  readonly reason: string;
  /** Whether both Close frames were exchanged before the transport ended (section 7.1.4). */
  readonly wasClean: boolean;
  /** Who began: this side, the peer by its Close, or neither, when the transport broke. */
  readonly initiator: "local" | "peer" | "transport";
  /** Where the connection stood when the transport ended or was given up. */
  readonly phase: "open" | "closing";
  /** The first thing that broke: the transport's error, an exception of a handler, or a sentence about a timeout. */
  readonly error?: Error;
  /** The rule that the peer broke, or what failed here. */
  readonly violation?: Violation;
  /** Our Close frame, if one was sent. */
  readonly sent?: CloseStatus;
  /** The peer's Close frame, if one was received. */
  readonly received?: CloseStatus;
  /** Milliseconds since the last byte arrived, to the second. */
  readonly lastReceivedAgo: number;
  /** Bytes that were queued and never left. */
  readonly bufferedAmount: number;
  /** Messages that were sent and never handed to the socket. */
  readonly unsentMessages: number;
}

/** Facts about the end that the endpoint does not know. */
export interface CloseEvidence {
  readonly initiator: CloseReport["initiator"];
  readonly error: Error | undefined;
  readonly lastReceivedAgo: number;
  readonly bufferedAmount: number;
  readonly unsentMessages: number;
}

/** Writes the report. */
export function reportClose(endpoint: Endpoint, evidence: CloseEvidence): CloseReport {
  const { closeSent: sent, closeReceived: received, violation } = endpoint;
  const { error } = evidence;
  const report: { -readonly [Key in keyof CloseReport]: CloseReport[Key] } = {
    code: received?.code ?? CloseCode.AbnormalClosure,
    reason: received?.reason ?? "",
    wasClean: sent !== undefined && received !== undefined,
    initiator: evidence.initiator,
    phase: sent === undefined && received === undefined ? "open" : "closing",
    lastReceivedAgo: evidence.lastReceivedAgo,
    bufferedAmount: evidence.bufferedAmount,
    unsentMessages: evidence.unsentMessages,
  };
  // Not spread: an object that is put together from others costs microseconds.
  if (error) report.error = error;
  if (violation) report.violation = violation;
  if (sent) report.sent = sent;
  if (received) report.received = received;
  return report;
}
