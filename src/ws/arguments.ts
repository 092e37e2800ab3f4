/** What the methods of a `WebSocket` take, and the words of `ws` for what they refuse. */

import { CloseCode, isSendableCloseCode } from "../protocol/close-code.ts";
import { maxReasonLength } from "../protocol/close-payload.ts";
import { asBuffer } from "./parts/buffers.ts";

/** Called with null when what was sent has left, or with the error for which it cannot. */
export type SendCallback = (error?: Error) => void;

/** The options of `send`. */
export interface SendOptions {
  /** Whether it is a binary message. Default: everything but a string and a number; given as undefined, it is text. */
  readonly binary?: boolean | undefined;
  /** Whether it is compressed, where permessage-deflate was agreed. Default true. */
  readonly compress?: boolean | undefined;
  /** Whether it is the whole message, or its last fragment. Default true. */
  readonly fin?: boolean | undefined;
  /** Has no effect: a client masks its frames and a server does not (RFC 6455 section 5.1). */
  readonly mask?: boolean | undefined;
}

/** The names of the states, by their numbers. */
export const stateNames = ["CONNECTING", "OPEN", "CLOSING", "CLOSED"] as const;

/** The number of a state. */
export type State = 0 | 1 | 2 | 3;

/** Returns the error for sending in a state in which nothing can be sent. */
export function notOpen(state: State): Error {
  return new Error(`WebSocket is not open: readyState ${state} (${stateNames[state]})`);
}

/** Returns the code of a Close, without its fraction; 1005 stands for none. Throws a TypeError for a code that cannot be sent. */
export function checkCode(code: unknown): number {
  if (code === undefined) return CloseCode.NoStatusReceived;
  const whole = Math.trunc(Number(code));
  if (typeof code === "number" && isSendableCloseCode(whole)) return whole;
  throw new TypeError("First argument must be a valid error code number");
}

/**
 * Returns the reason of a Close, which one without a code has none of. Throws a RangeError for a longer one, and a TypeError
 * for what is neither text nor bytes.
 */
export function checkReason(code: unknown, reason: string | Uint8Array | undefined): string {
  // What has no length is no reason.
  if (code === undefined || !reason?.length) return "";
  if (typeof reason !== "string" && !(reason instanceof Uint8Array)) {
    throw new TypeError("Second argument must be a string or a Uint8Array");
  }
  // A byte that is no UTF-8 becomes U+FFFD, which has three: what counts is the text that is sent.
  const text = typeof reason === "string" ? reason : asBuffer(reason).toString();
  if (Buffer.byteLength(text) <= maxReasonLength) return text;
  throw new RangeError("The message must not be greater than 123 bytes");
}
