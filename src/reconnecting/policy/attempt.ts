/**
 * One attempt to connect, and how an attempt or a connection ended: the values that go from one attempt to the next.
 */

import { retryAfterInReason } from "./retry-after.ts";

/** How a connection ended, or an attempt that came to none. */
export interface End {
  /** The close code; 1005 for a Close without one, 1006 for an end without a Close, a refusal included. */
  readonly code: number;
  /** The reason of the Close, else empty. */
  readonly reason: string;
  /** Whether the closing handshake was completed. */
  readonly wasClean: boolean;
  /** Whether the connection was open; false for an attempt that failed. */
  readonly opened: boolean;
  /** Bytes that were given to the connection and surely never left. */
  readonly bufferedAmount: number;
  /** The HTTP status of a refused handshake; undefined in browsers, which do not tell it. */
  readonly status?: number;
  /** Seconds after which the server wants this client back: from the reason, or in Node from `Retry-After`. */
  readonly retryAfter?: number;
  /** What was thrown: by a provider, by `prepare` or, in Node, by the handshake. */
  readonly error?: unknown;
}

/** What an error of a runtime tells of a refused handshake. */
export type Refused = Pick<End, "status" | "retryAfter">;

/** An attempt to connect, as providers and `prepare` see it. */
export interface Attempt {
  /** 1 for the first attempt, and one more for each that follows. */
  readonly number: number;
  /** How the attempt or connection before this one ended; undefined before the first. */
  readonly last: End | undefined;
  /** Aborts when this attempt is given up: at its timeout, by `close` or by `reconnect`. */
  readonly signal: AbortSignal;
  /** What `attempt` of the option `resume` answered; undefined without that option. */
  readonly resume: unknown;
}

/** A value, or a function that gives one for each attempt; what it throws fails that attempt. */
export type Provided<Value> = Value | ((attempt: Attempt) => Value | Promise<Value>);

/** The value for this attempt. */
export function provide<Value>(provided: Provided<Value>, attempt: Attempt): Value | Promise<Value> {
  return typeof provided === "function"
    ? (provided as (attempt: Attempt) => Value | Promise<Value>)(attempt)
    : provided;
}

/** What a closed connection tells: a `CloseEvent`, or a close report. */
export interface Closed {
  readonly code: number;
  readonly reason: string;
  readonly wasClean: boolean;
}

/** An attempt that came to nothing, without a Close. */
export const nothingCame: End = { code: 1006, reason: "", wasClean: false, opened: false, bufferedAmount: 0 };

/** The end that this was; a hint in the reason is read here. */
export function endOf({ code, reason, wasClean }: Closed, details: Partial<End>): End {
  return { ...nothingCame, code, reason, wasClean, ...details, ...retryAfterInReason(reason) };
}
