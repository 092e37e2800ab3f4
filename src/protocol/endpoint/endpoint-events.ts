/**
 * What an endpoint finds in the bytes it received, one event at a time; the entry for users of the protocol alone names
 * these types, and `type` tells them apart.
 */

import type { CloseStatus } from "../close-payload.ts";
import type { Violation } from "../protocol-error.ts";

/** A whole message: text as a string (or as validated bytes when `textAsBytes` is set), binary as bytes. */
export interface MessageEvent {
  readonly type: "message";
  readonly text: boolean;
  readonly data: string | Uint8Array;
}

/** The next part of a message that is handed on before it is complete, see `streaming`; text is cut between characters. */
export interface PartEvent {
  readonly type: "part";
  readonly text: boolean;
  readonly data: string | Uint8Array;
  /** Whether it is the first part of its message, and whether it is the last; the last one may be empty. */
  readonly first: boolean;
  readonly last: boolean;
}

/** A Ping, which has been answered already, or a Pong. */
export interface PingPongEvent {
  readonly type: "ping" | "pong";
  /** Bytes of the application's own. */
  readonly payload: Uint8Array;
}

/** The peer's Close; the echo is the caller's to send with `close` or `echoClose`. */
export interface CloseEvent extends CloseStatus {
  readonly type: "close";
}

/** A whole compressed message; nothing more is parsed until `inflated` is called. */
export interface InflateEvent {
  readonly type: "inflate";
  readonly payload: Uint8Array;
}

/** The peer broke a rule: our Close is in the output, and nothing more will be parsed. */
export interface FailedEvent {
  readonly type: "failed";
  readonly violation: Violation;
}

/** What `nextEvent` finds in the bytes received. */
export type EndpointEvent = MessageEvent | PartEvent | PingPongEvent | CloseEvent | InflateEvent | FailedEvent;
