/**
 * `WebSocketError`: the error of a `WebSocketStream` whose connection failed. A program may also make one, to close a
 * connection with a code and a reason.
 */

import { HandshakeError } from "../../protocol/handshake/handshake-error.ts";
import { framesOf } from "../caller.ts";
import { defineInterface, toDictionary, toDOMString, toUnsignedShort, toUSVString } from "./webidl.ts";
import { closeStatus } from "./websocket-arguments.ts";

/** The code and the reason of a Close frame. */
export interface WebSocketCloseInfo {
  /** The close code: 1000 or from 3000 to 4999. Default: 1000 with a reason, none without. */
  readonly closeCode?: number | undefined;
  /** The reason, at most 123 bytes of UTF-8. Default: empty. */
  readonly reason?: string | undefined;
}

/** Converts a `WebSocketCloseInfo` as Web IDL does, its members in the order of their names. Throws a TypeError. */
export function toCloseInfo(value: unknown): { readonly closeCode: number | undefined; readonly reason: string } {
  const { closeCode, reason } = toDictionary(value);
  return {
    closeCode: closeCode === undefined ? undefined : toUnsignedShort(closeCode, "enforce"),
    reason: reason === undefined ? "" : toUSVString(reason),
  };
}

/** Makes the error of a connection that ended with any code; set by the class, since its fields are private. */
let fromEnd: (message: string, code: number | null, reason: string, cause: unknown) => WebSocketError;
/** Whether a value was made by the constructor; unlike `instanceof`, the question runs no code of the value. */
let made: (value: unknown) => value is WebSocketError;

/** The error of a connection that failed, or ended before all was sent. */
export class WebSocketError extends DOMException {
  #closeCode: number | null;
  #reason: string;

  /**
   * Makes an error. Throws an InvalidAccessError for a code that is neither 1000 nor from 3000 to 4999, and a
   * SyntaxError for a reason of more than 123 bytes of UTF-8.
   */
  constructor(message = "", closeInfo: WebSocketCloseInfo = {}) {
    super(toDOMString(message), "WebSocketError");
    const { closeCode, reason } = toCloseInfo(closeInfo);
    const { code } = closeStatus(closeCode, reason);
    this.#closeCode = closeCode === undefined && reason === "" ? null : code;
    this.#reason = reason;
  }

  static {
    fromEnd = (message, code, reason, cause) => {
      const error = new WebSocketError(message);
      error.#closeCode = code;
      error.#reason = reason;
      const hidden = { configurable: true, writable: true };
      Object.defineProperty(error, "cause", { ...hidden, value: cause });
      if (cause instanceof HandshakeError) {
        Object.defineProperty(error, "stack", { ...hidden, value: `${error.name}: ${message}\n${framesOf(cause)}` });
      }
      return error;
    };
    made = (value): value is WebSocketError => typeof value === "object" && value !== null && #closeCode in value;
  }

  /** The code of the Close frame; null without a code. */
  get closeCode(): number | null {
    return this.#closeCode;
  }

  /** The reason in the Close frame; empty without one. */
  get reason(): string {
    return this.#reason;
  }
}

/** Makes the error of a connection that ended, with any code; its `cause` is the reason. */
export function webSocketErrorOf(message: string, code: number | null, reason: string, cause: unknown): WebSocketError {
  return fromEnd(message, code, reason, cause);
}

/** Whether a value is a real `WebSocketError`. Never throws. */
export function isWebSocketError(value: unknown): value is WebSocketError {
  return made(value);
}

defineInterface(WebSocketError);
