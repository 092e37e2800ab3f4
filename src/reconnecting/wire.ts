/**
 * A connection before it is open to the application: what `prepare` sends and reads on it.
 *
 * Messages that it has not read are the application's, in order, once the connection is open.
 */

import type { SocketData } from "./message-queue.ts";
import type { Resume, ResumedSocket } from "./resume.ts";

/** What `prepare` is given. */
export interface Wire<Data = unknown> {
  /** Sends at once, before all that waits in the queue. */
  send(data: SocketData): void;
  /** The next message; rejects when the connection ends first, or the attempt is given up. */
  next(): Promise<Data>;
}

interface Reader {
  readonly resolve: (data: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** Messages that wait for a reader, and readers that wait for messages. */
export interface WireInbox {
  /** What no one has read. */
  readonly messages: unknown[];
  /** A message came. */
  add(data: unknown): void;
  next(): Promise<unknown>;
  /** No message is for a reader any more. */
  end(): void;
}

/** Makes an empty one; `resume` sees each message before its reader, and what is undefined then is given to none. */
export function wireInbox(resume?: Pick<Resume, "receive">, socket?: ResumedSocket): WireInbox {
  const readers: Reader[] = [];
  let over = false;
  const hand = () => {
    while (readers[0] && inbox.messages.length > 0) {
      const data = inbox.messages.shift();
      const seen = resume ? resume.receive(data, socket!) : data;
      if (seen !== undefined) readers.shift()!.resolve(seen);
    }
    while (over && readers[0]) readers.shift()!.reject(new Error("Cannot read: the connection has ended"));
  };
  const inbox: WireInbox = {
    messages: [],
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
