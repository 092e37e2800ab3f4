/**
 * Connections one after another, for `for await`: each is a session of its own, and nothing of one goes into the next.
 *
 * There is no queue here, and nothing is sent twice. Coming round, and leaving the loop, closes the connection.
 */

import type { Clock } from "./clock.ts";
import type { SocketData } from "./message-queue.ts";
import { type Attempt, type Closed, type End, endOf, nothingCame, type Refused } from "./policy/attempt.ts";
import type { ReconnectSettings } from "./policy/backoff.ts";
import type { Row } from "./policy/close-policy.ts";
import { ReconnectError } from "./reconnect-error.ts";
import type { Resume } from "./resume.ts";
import { retryLoop } from "./retry-loop.ts";
import type { WakeListener } from "./retry-triggers.ts";

/** How a session ended. */
export interface SessionClosed extends Closed {
  readonly bufferedAmount: number;
  readonly error?: unknown;
}

/** What is needed of a connection. */
export interface Session {
  readonly closed: Promise<SessionClosed>;
  send(data: SocketData): boolean;
  close(): void;
  [Symbol.asyncIterator](): AsyncIterator<unknown, undefined, undefined>;
}

/** What sessions are made of. */
export interface SessionParts<Connection extends Session> {
  readonly clock: Clock;
  readonly settings: ReconnectSettings;
  /** Opens a connection; rejects when it cannot, or when the attempt's signal aborts. */
  dial(attempt: Attempt): Promise<Connection>;
  /** Whether a provider may give another token. */
  readonly provides: boolean;
  /** Asked once before each attempt. */
  readonly resume?: Pick<Resume, "attempt"> | undefined;
  readonly signal?: AbortSignal | undefined;
  /** The table of statuses, where the runtime tells any. */
  readonly statusRules?: readonly Row[];
  /** What an error tells of a refused handshake. */
  readonly refusalOf?: (error: unknown) => Refused;
  readonly watchWakes?: (woken: WakeListener) => () => void;
}

/** Sessions for as long as they are asked for; each loop over the iterable begins anew. */
export function sessions<Connection extends Session>(parts: SessionParts<Connection>): AsyncIterable<Connection> {
  return { [Symbol.asyncIterator]: () => rounds(parts) };
}

async function* rounds<Connection extends Session>(
  parts: SessionParts<Connection>,
): AsyncGenerator<Connection, undefined, undefined> {
  const { signal, refusalOf } = parts;
  let current: Connection | undefined;
  let failure: { readonly error: unknown } | undefined;
  let changed = () => {};
  const fail = (error: unknown) => {
    failure ??= { error };
    loop.close();
    current?.close();
    changed();
  };
  const failed = (error: unknown) => {
    loop.ended(endOf(nothingCame, { error, ...refusalOf?.(error) }));
  };
  const dial = async (attempt: Attempt) => {
    try {
      const connection = await parts.dial(attempt);
      if (attempt.signal.aborted) return connection.close();
      current = connection;
      loop.opened();
      changed();
    } catch (error) {
      if (!attempt.signal.aborted) failed(error);
    }
  };
  const host = {
    dial: (attempt: Attempt) => void dial(attempt),
    failed,
    // A mistake of the program, which has no event to learn of it.
    complained: fail,
    gaveUp: (end: End) => fail(new ReconnectError(end)),
  };
  const loop = retryLoop(host, parts);
  const abort = () => fail(signal?.reason);
  signal?.addEventListener("abort", abort);
  try {
    signal?.throwIfAborted();
    loop.start();
    for (;;) {
      while (!current && !failure) {
        await new Promise<void>((resolve) => {
          changed = resolve;
        });
      }
      if (failure) throw failure.error;
      const connection = current as Connection;
      yield connection;
      connection.close();
      const closed = await connection.closed;
      const { bufferedAmount, error } = closed;
      current = undefined;
      loop.ended(endOf(closed, { opened: true, bufferedAmount, error }));
    }
  } finally {
    signal?.removeEventListener("abort", abort);
    loop.close();
    current?.close();
  }
}
