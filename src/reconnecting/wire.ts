/**
 * A connection before it is open to the application: what `prepare` and `resume` send and read on it.
 *
 * Messages that neither has read are the application's, in order, once the connection is open.
 */

import type { SocketData } from "./message-queue.ts";

/** What `prepare` and `resume.first` are given. */
export interface Wire<Data = unknown> {
  /** Sends at once, before all that waits in the queue. */
  send(data: SocketData): void;
  /** The next message; rejects when the connection ends first, or the attempt is given up. */
  next(): Promise<Data>;
}

/**
 * Resuming without loss, as an object from elsewhere, so that only those carry it who use it: what it sends, counts and
 * asks for again is its own affair.
 */
export interface Resume<Data = unknown> {
  /** Asked once before each attempt; providers see the answer as `attempt.resume`. */
  attempt(): unknown;
  /** Sends and reads what comes first on a connection, before `prepare` and before `open`; a rejection fails the attempt. */
  first(wire: Wire<Data>): void | Promise<void>;
  /**
   * Sees each later message first: what it returns is the application's, undefined is not delivered. What it throws ends the
   * connection, and is the `error` of that end; in a loop over a connection, the loop throws it.
   */
  receive(data: Data): Data | undefined;
}

interface Reader {
  readonly resolve: (data: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** Messages that wait for a reader, and readers that wait for messages. */
export interface WireInbox {
  /** What no one has read. */
  readonly messages: unknown[];
  /** What a message is to its reader; undefined is not given to any. */
  look: (data: unknown) => unknown;
  /** A message came. */
  add(data: unknown): void;
  next(): Promise<unknown>;
  /** No message is for a reader any more. */
  end(): void;
}

/** Makes an empty one. */
export function wireInbox(): WireInbox {
  const readers: Reader[] = [];
  let over = false;
  const hand = () => {
    while (readers[0] && inbox.messages.length > 0) {
      const seen = inbox.look(inbox.messages.shift());
      if (seen !== undefined) readers.shift()!.resolve(seen);
    }
    while (over && readers[0]) readers.shift()!.reject(new Error("Cannot read: the connection has ended"));
  };
  const inbox: WireInbox = {
    messages: [],
    look: (data) => data,
    add(data) {
      inbox.messages.push(data);
      hand();
    },
    next() {
      const next = new Promise((resolve, reject) => {
        readers.push({ resolve, reject });
        hand();
      });
      // Who awaits it later than it is rejected learns of it then.
      next.catch(() => {});
      return next;
    },
    end() {
      over = true;
      hand();
    },
  };
  return inbox;
}
