/**
 * Messages as streams: each is handed out when its first part arrives, and its parts as they are asked for, so that a
 * message may be larger than memory.
 *
 * A message is taken from the inbox only when it is asked for; so reading stops while the application is behind.
 */

import type { MessageEvent, PartEvent } from "../../protocol/endpoint/endpoint-events.ts";
import { type Deferred, deferred } from "../event-loop/deferred.ts";
import { makeKnown } from "../handlers/handler-errors.ts";
import type { MessageData } from "../options/delivery-options.ts";

/**
 * One message while it arrives: its parts, text as strings cut between characters and binary as bytes.
 *
 * Leaving the loop over the parts drops nothing, another goes on; asking for the next message drops what is left of
 * this one, and iterating it then throws. It also throws when the connection ends before the message does.
 */
export interface MessageStream extends AsyncIterable<MessageData> {
  /** Whether it was sent as text. */
  readonly text: boolean;
}

type NextMessage = IteratorResult<MessageStream, undefined>;
type NextPart = IteratorResult<MessageData, undefined>;

/** All messages of one connection as streams; its iterators share them. */
export class MessageStreams implements AsyncIterable<MessageStream> {
  readonly #pull: () => void;
  readonly #waiting: Deferred<NextMessage>[] = [];
  /** The message that was handed out last. */
  #last: IncomingMessage | undefined;

  /** `pull` is called when something has been asked for. */
  constructor(pull: () => void) {
    this.#pull = pull;
  }

  /** Whether the next message or part has been asked for. */
  get wants(): boolean {
    const last = this.#last;
    return last === undefined || last.complete ? this.#waiting.length > 0 : last.wants;
  }

  /** Bytes that were taken and not asked for yet. */
  get held(): number {
    return this.#last?.held ?? 0;
  }

  /** Whether a message was handed out that the application may still be reading: it has not asked for the next one. */
  get reading(): boolean {
    return this.#last !== undefined && this.#waiting.length === 0;
  }

  /** Takes the next message or part; only while `wants` is true. */
  take(event: MessageEvent | PartEvent): void {
    const whole = event.type === "message";
    if (whole || event.first) {
      const message = new IncomingMessage(event.text, this.#pull);
      this.#last = message;
      message.add(event.data, whole || event.last);
      this.#waiting.shift()!.resolve({ done: false, value: message });
      if (this.#waiting.length > 0) message.drop();
    } else {
      this.#last!.add(event.data, event.last);
    }
  }

  /** Tells readers that wait that nothing more comes. */
  end(): void {
    this.#last?.end();
    // A reader that waits for the next message has handled this one.
    if (this.#waiting.length > 0) this.#last = undefined;
    for (const waiting of this.#waiting.splice(0)) waiting.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): AsyncIterator<MessageStream, undefined, undefined> {
    return {
      next: () => {
        const waiting = deferred<NextMessage>();
        this.#last?.drop();
        this.#waiting.push(waiting);
        this.#pull();
        return waiting.promise;
      },
    };
  }
}

interface PartWaiting {
  resolve(next: NextPart): void;
  reject(error: Error): void;
}

const done: NextPart = { done: true, value: undefined };

class IncomingMessage implements MessageStream {
  readonly text: boolean;
  /** Whether its last part was taken from the inbox. */
  complete = false;
  readonly #pull: () => void;
  /** The first part; undefined once it was asked for. */
  #pending: MessageData | undefined;
  readonly #waiting: PartWaiting[] = [];
  #broken: Error | undefined;

  constructor(text: boolean, pull: () => void) {
    this.text = text;
    this.#pull = pull;
  }

  /** Whether its next part has somewhere to go, if only away. */
  get wants(): boolean {
    return this.#broken !== undefined || this.#waiting.length > 0;
  }

  get held(): number {
    return this.#pending === undefined ? 0 : this.#pending.length;
  }

  add(data: MessageData, last: boolean): void {
    this.complete = last;
    if (this.#broken !== undefined) return;
    if (data.length > 0) {
      const waiting = this.#waiting.shift();
      if (waiting === undefined) this.#pending = data;
      else waiting.resolve({ done: false, value: data });
    }
    if (last) for (const waiting of this.#waiting.splice(0)) waiting.resolve(done);
  }

  /** The next message was asked for. */
  drop(): void {
    if (this.complete && this.#pending === undefined) return;
    this.#break("Cannot read the message: the next one was asked for");
  }

  /**
   * The connection is over, and all that had come was taken; called again whenever more is asked for.
   *
   * A peer that leaves in the middle is no fault of the handler that reads: its close report tells of that.
   */
  end(): void {
    if (!this.complete && this.#waiting.length > 0) {
      makeKnown(this.#break("Cannot read the message: the connection ended before its last part"));
    }
  }

  #break(because: string): Error {
    this.#broken ??= new Error(because);
    this.#pending = undefined;
    for (const waiting of this.#waiting.splice(0)) waiting.reject(this.#broken);
    return this.#broken;
  }

  #next(): Promise<NextPart> {
    if (this.#broken !== undefined) return Promise.reject(this.#broken);
    const data = this.#pending;
    if (data !== undefined) {
      this.#pending = undefined;
      this.#pull();
      return Promise.resolve({ done: false, value: data });
    }
    if (this.complete) return Promise.resolve(done);
    const next = new Promise<NextPart>((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
    });
    this.#pull();
    return next;
  }

  [Symbol.asyncIterator](): AsyncIterator<MessageData, undefined, undefined> {
    return { next: () => this.#next() };
  }
}
