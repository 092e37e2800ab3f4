/**
 * The payload of a Close frame, RFC 6455 section 5.5.1: 0 or 2 to 125 bytes.
 *
 * A code that must never be on the wire is neither sent nor accepted.
 */

import { describe } from "./check-options.ts";
import { CloseCode, isSendableCloseCode } from "./close-code.ts";
import type { Violation } from "./protocol-error.ts";
import { decodeUtf8, encodeUtf8, isUtf8, utf8Length } from "./runtime/text.ts";

/** The status of a Close frame. */
export interface CloseStatus {
  /** The code; 1005 when the frame carried none. */
  readonly code: number;
  /** The reason; empty when the frame gave none. */
  readonly reason: string;
}

/** The longest reason in bytes of UTF-8: 125 less the two bytes of the code. */
export const maxReasonLength = 123;

/**
 * Returns the payload of a Close frame: empty for 1005, otherwise the code and the reason.
 *
 * Throws a RangeError for a code that must not be sent and for a reason of more than 123 bytes. Throws a TypeError for a
 * code or a reason of another type.
 */
export function encodeClosePayload(code: number, reason: string): Uint8Array {
  if (code === CloseCode.NoStatusReceived && reason === "") return new Uint8Array(0);
  if (typeof code !== "number") throw new TypeError(`Cannot close: the code must be a number, not ${describe(code)}`);
  if (typeof reason !== "string") {
    throw new TypeError(`Cannot close: the reason must be a string, not ${describe(reason)}`);
  }
  if (!isSendableCloseCode(code)) {
    throw new RangeError(`Cannot close: ${code} is not a code that a Close frame may carry`);
  }
  const length = utf8Length(reason);
  if (length > maxReasonLength) {
    throw new RangeError(
      `Cannot close: the reason is ${length} bytes of UTF-8, at most ${maxReasonLength} are allowed`,
    );
  }
  const payload = new Uint8Array(2 + length);
  payload[0] = code >> 8;
  payload[1] = code & 0xff;
  if (length > 0) payload.set(encodeUtf8(reason), 2);
  return payload;
}

/** Returns the status in the payload of a Close frame, or the name of the rule that the payload breaks. */
export function decodeClosePayload(payload: Uint8Array): CloseStatus | Violation {
  if (payload.length === 0) return { code: CloseCode.NoStatusReceived, reason: "" };
  if (payload.length === 1) return "close-payload-too-short";
  const code = (payload[0]! << 8) | payload[1]!;
  if (!isSendableCloseCode(code)) return "close-code-invalid";
  if (payload.length === 2) return { code, reason: "" };
  if (!isUtf8(payload.subarray(2))) return "close-reason-not-utf8";
  return { code, reason: decodeUtf8(payload, 2, payload.length) };
}
