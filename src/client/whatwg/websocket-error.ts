/**
 * `WebSocketError`: how a `WebSocketStream` says that a connection failed, and how a program says with which code and
 * reason one shall be closed.
 */

import { HandshakeError } from "../../protocol/handshake/handshake-error.ts";
import { framesOf } from "../caller.ts";
import { defineInterface, toDictionary, toDOMString, toUnsignedShort, toUSVString } from "./webidl.ts";
import { closeStatus } from "./websocket-arguments.ts";

/** What a Close frame says, or shall say. */
export interface WebSocketCloseInfo {
  /** 1000 or from 3000 to 4999; 1000 when there is a reason, else none. */
  readonly closeCode?: number | undefined;
  /** At most 123 bytes of UTF-8; default empty. */
  readonly reason?: string | undefined;
}

/** Converts a `WebSocketCloseInfo` as Web IDL says, members in the order of their names. */
export function toCloseInfo(value: unknown): { readonly closeCode: number | undefined; readonly reason: string } {
  const { closeCode, reason } = toDictionary(value);
  return {
    closeCode: closeCode === undefined ? undefined : toUnsignedShort(closeCode, "enforce"),
    reason: reason === undefined ? "" : toUSVString(reason),
  };
}

/** Makes the error of a connection that ended with any code; set by the class, whose fields are private. */
let fromEnd: (message: string, code: number | null, reason: string, cause: unknown) => WebSocketError;
/** Whether the constructor made it: to ask whether it inherits from it may run a stranger's code. */
let made: (value: unknown) => value is WebSocketError;

/** The connection failed, or ended before all was sent. */
export class WebSocketError extends DOMException {
  #closeCode: number | null;
  #reason: string;

  /**
   * Throws an InvalidAccessError for a code that is neither 1000 nor from 3000 to 4999, and a SyntaxError for a reason of
   * more than 123 bytes.
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

  /** The code of the Close frame; null where there is none. */
  get closeCode(): number | null {
    return this.#closeCode;
  }

  /** The reason in the Close frame; empty where there is none. */
  get reason(): string {
    return this.#reason;
  }
}

/** The error of a connection that ended with any code at all; `cause` says why. */
export function webSocketErrorOf(message: string, code: number | null, reason: string, cause: unknown): WebSocketError {
  return fromEnd(message, code, reason, cause);
}

/** Whether a value is a `WebSocketError`, and not only something that says so; never throws. */
export function isWebSocketError(value: unknown): value is WebSocketError {
  return made(value);
}

defineInterface(WebSocketError);
