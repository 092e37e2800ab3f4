/**
 * The events that an endpoint returns one at a time; `type` tells them apart.
 */

import type { CloseStatus } from "../close-payload.ts";
import type { Violation } from "../protocol-error.ts";

/** A whole message. */
export interface MessageEvent {
  readonly type: "message";
  /** Whether it is a text message. */
  readonly text: boolean;
  /** Text as a string, or as validated bytes when `textAsBytes` is set; binary as bytes. */
  readonly data: string | Uint8Array;
}

/** The next part of a message that is handed on before it is complete, see `streaming`. */
export interface PartEvent {
  readonly type: "part";
  /** Whether it is a part of a text message. */
  readonly text: boolean;
  /** Text as a string that is cut between characters, or as bytes when `textAsBytes` is set; binary as bytes. */
  readonly data: string | Uint8Array;
  /** Whether it is the first part of its message. */
  readonly first: boolean;
  /** Whether it is the last part of its message; that one may be empty. */
  readonly last: boolean;
}

/** A Ping, which has been answered already unless the settings say otherwise, or a Pong. */
export interface PingPongEvent {
  readonly type: "ping" | "pong";
  /** At most 125 bytes, in memory that belongs to the application. */
  readonly payload: Uint8Array;
}

/** The peer's Close. The caller answers it with `close` or `echoClose`. */
export interface CloseEvent extends CloseStatus {
  readonly type: "close";
}

/** A whole compressed message. Nothing more is parsed until `inflated` is called. */
export interface InflateEvent {
  readonly type: "inflate";
  /**
   * The payload as it was sent, to be inflated according to RFC 7692 section 7.2.2. Where it came in one chunk it is a
   * view of that, and so valid as long as the chunk is: of a borrowed one, until `releaseChunk`.
   */
  readonly payload: Uint8Array;
}

/** The failure of the connection: our Close is in the output, and nothing more will be parsed. */
export interface FailedEvent {
  readonly type: "failed";
  /** The rule that the peer broke, or what failed on this side. */
  readonly violation: Violation;
}

/** An event that `nextEvent` returns. */
export type EndpointEvent = MessageEvent | PartEvent | PingPongEvent | CloseEvent | InflateEvent | FailedEvent;
