/**
 * How a connection ends from this side: our Close frame, and the failure of the connection (RFC 6455 section 7.1.7).
 *
 * Where there is no memory for a frame, the connection fails without one: the peer broke no rule, and other connections
 * go on (fault D23).
 */

import { CloseCode } from "../close-code.ts";
import { type CloseStatus, encodeClosePayload } from "../close-payload.ts";
import { finBit, Opcode } from "../frames/frame.ts";
import { encodeFrame } from "../frames/frame-encoder.ts";
import { type Violation, violations } from "../protocol-error.ts";
import type { FailedEvent } from "./endpoint-events.ts";
import { sendOwedPong } from "./pongs.ts";
import type { BrokenFrame, EndpointRecord } from "./record.ts";

/** Sends Close unless that was done. Throws for a code or a reason that a Close frame cannot carry. */
export function close(endpoint: EndpointRecord, code: number = CloseCode.NoStatusReceived, reason = ""): void {
  const payload = encodeClosePayload(code, reason);
  if (!endpoint.isSending) return;
  try {
    sendClose(endpoint, { code, reason }, payload);
  } catch (error) {
    failBetweenEvents(endpoint, error);
  }
}

/** Answers the peer's Close with its own code (section 5.5.1). */
export function echoClose(endpoint: EndpointRecord): void {
  if (endpoint.state === "peerClosing") close(endpoint, endpoint.closeReceived!.code);
}

/** Fails the connection: sends Close with the rule's code, unless a Close was sent, and parses no more. */
export function fail(endpoint: EndpointRecord, violation: Violation, frame?: BrokenFrame): FailedEvent {
  const { closeCode: code, text } = violations[violation];
  const reason = endpoint.settings.explainsFailures ? text : "";
  try {
    if (endpoint.isSending) sendClose(endpoint, { code, reason }, encodeClosePayload(code, reason));
  } catch (error) {
    // There is not even memory for a Close: the connection ends without one.
    if (!isLackOfMemory(error)) throw error;
  }
  endpoint.failure ??= { violation, frame };
  endpoint.move("failed");
  endpoint.stopParsing();
  return { type: "failed", violation: endpoint.failure.violation };
}

/** Fails the connection if the error says that memory is lacking; throws any other error again. */
export function failForMemory(endpoint: EndpointRecord, error: unknown): FailedEvent {
  if (!isLackOfMemory(error)) throw error;
  return fail(endpoint, "no-memory");
}

/** Does what `failForMemory` does where no event can be returned: the next call of `nextEvent` reports the failure. */
export function failBetweenEvents(endpoint: EndpointRecord, error: unknown): void {
  failForMemory(endpoint, error);
  endpoint.failureUnreported = true;
}

function sendClose(endpoint: EndpointRecord, status: CloseStatus, payload: Uint8Array): void {
  sendOwedPong(endpoint);
  encodeFrame(endpoint.openOutput(), endpoint.settings.role, finBit | Opcode.Close, payload);
  endpoint.closeSent = status;
  endpoint.move("closeSent");
}

/**
 * V8's own error for an allocation that failed is a RangeError without a code; Node's error for a string has this code.
 */
function isLackOfMemory(error: unknown): boolean {
  const { code } = error as { readonly code?: unknown };
  return (error instanceof RangeError && code === undefined) || code === "ERR_MEMORY_ALLOCATION_FAILED";
}
