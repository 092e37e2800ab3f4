/**
 * Messages that are parsed and not delivered yet, and their readers where there is no handler: loops, streams, or one
 * reader alone.
 *
 * The size is counted in bytes (UTF-16 units for text) with something for each event, so that reading can stop at a
 * mark whatever the peer sends.
 */

import type { Endpoint } from "../../protocol/endpoint/endpoint.ts";
import type { CloseEvent, MessageEvent, PartEvent } from "../../protocol/endpoint/endpoint-events.ts";
import { type Deferred, deferred } from "../event-loop/deferred.ts";
import type { MessageData } from "../options/delivery-options.ts";
import { MessageStreams } from "./message-stream.ts";

type Queued = MessageEvent | PartEvent | CloseEvent;
type Result = IteratorResult<MessageData, undefined>;

/** The size of an event without its data: without it, a queue of empty messages would have none. */
const eventSize = 64;
/** Memory of an event, with the array of a message's bytes: 260 bytes on Node 20. */
const heldByEvent = 256;

/** The delivery that an inbox belongs to: what it is asked and told. */
export interface InboxOwner {
  readonly endpoint: Endpoint;
  /** Whether the messages go to the application's handler. */
  readonly handlesMessages: boolean;
  /** Delivers messages to the readers that ask. */
  run(): void;
  /** A loop was left. */
  readerLeft(): void;
  /** The only reader has left: what comes is thrown away. */
  discard(): void;
}

/** An iterator that can be left. */
export type MessageReader = Required<Pick<AsyncIterator<MessageData, undefined>, "next" | "return">>;

const done: Result = { done: true, value: undefined };

/** The messages, and at last the Close, that one connection has to deliver. */
export class Inbox {
  /** Bytes and UTF-16 units queued, and 64 for each event. */
  size = 0;
  /** Bytes that a stream made of the connection has taken and its reader has not. */
  inStream = 0;
  readonly #owner: InboxOwner;
  readonly #events: Queued[] = [];
  /** Iterators that wait; undefined while no loop is running. */
  #waiting: Deferred<Result>[] | undefined;
  /** Set when the messages are taken as streams instead. */
  #streams: MessageStreams | undefined;
  #readToTheEnd = false;
  /** Whether a message was given to a loop that has not asked for the next one. */
  #given = false;

  constructor(owner: InboxOwner) {
    this.#owner = owner;
  }

  /** Whether nothing is queued. */
  get empty(): boolean {
    return this.#events.length === 0;
  }

  /** Whether the Close is all that is queued. */
  get atClose(): boolean {
    return this.#events.length === 1 && this.#events[0]!.type === "close";
  }

  /** Queues an event behind the others. */
  push(event: Queued): void {
    this.#events.push(event);
    this.size += sizeOf(event);
  }

  /** Takes the oldest event; there must be one. */
  shift(): Queued {
    const event = this.#events.shift()!;
    this.size -= sizeOf(event);
    return event;
  }

  /** Drops what is queued. */
  clear(): void {
    this.#events.length = 0;
    this.size = 0;
  }

  /** Memory of what was taken from the endpoint and not by a reader. */
  get held(): number {
    return this.size + this.#events.length * (heldByEvent - eventSize) + (this.#streams?.held ?? 0) + this.inStream;
  }

  /**
   * Whether a reader has messages before it that it has not handled: one counts as handled when the next is asked for.
   */
  get reading(): boolean {
    if (!this.iterated) return false;
    return this.#given || !(this.empty || this.atClose) || this.#streams?.reading === true;
  }

  /** Whether messages have a reader until the peer's Close, also after ours. */
  get readToTheEnd(): boolean {
    return this.#readToTheEnd;
  }

  /** Whether there is a reader that has not left. */
  get iterated(): boolean {
    return this.#waiting !== undefined || this.#streams !== undefined;
  }

  /** Whether a reader waits for what comes next. */
  get awaited(): boolean {
    if (this.#streams !== undefined) return this.#streams.wants;
    return this.#waiting !== undefined && this.#waiting.length > 0;
  }

  /** An iterator of a loop, of which there may be several; throws when the messages go elsewhere, as the others do. */
  loop(): MessageReader {
    this.#refuseReader();
    return {
      next: () => {
        if (this.#streams) this.#refuseReader();
        return this.#next();
      },
      return: () => {
        this.#given = false;
        // Others may wait still.
        if (this.#waiting?.length === 0) this.#waiting = undefined;
        this.#owner.readerLeft();
        return Promise.resolve(done);
      },
    };
  }

  /** The streams as which all messages are taken from now on; throws while a loop waits for a whole one, too. */
  streams(): MessageStreams {
    if (this.#streams !== undefined) return this.#streams;
    this.#refuseReader();
    if (this.awaited) throw new Error("Cannot stream messages: a loop waits for whole ones");
    this.#owner.endpoint.streaming = true;
    this.#streams = new MessageStreams(() => this.#owner.run());
    return this.#streams;
  }

  /** An iterator that alone reads from now on; our Close does not end it, `return` does. */
  reader(): MessageReader {
    this.#refuseReader();
    this.#readToTheEnd = true;
    return {
      next: () => this.#next(),
      return: () => {
        this.#given = false;
        this.#owner.discard();
        this.#owner.run();
        return Promise.resolve(done);
      },
    };
  }

  /** Gives a message to the reader that has waited longest; there must be one. */
  give(event: MessageEvent | PartEvent): void {
    if (this.#streams !== undefined) return this.#streams.take(event);
    this.#given = true;
    this.#waiting!.shift()!.resolve({ done: false, value: event.data });
  }

  /** The loop that has waited longest throws, for what was about to be given to it. */
  fail(error: unknown): void {
    this.#waiting?.shift()?.resolve(Promise.reject(error) as never);
  }

  /** Tells readers that wait that nothing more comes. */
  end(): void {
    this.#streams?.end();
    for (const waiting of this.#waiting?.splice(0) ?? []) waiting.resolve(done);
  }

  #refuseReader(): void {
    if (this.#owner.handlesMessages) throw new Error("Cannot iterate: the messages go to the message handler");
    if (this.#streams || this.#readToTheEnd) throw new Error("Cannot iterate: the messages are read as a stream");
  }

  #next(): Promise<Result> {
    const next = deferred<Result>();
    this.#given = false;
    this.#waiting ??= [];
    this.#waiting.push(next);
    this.#owner.run();
    return next.promise;
  }
}

function sizeOf(event: Queued): number {
  return eventSize + (event.type === "close" ? 0 : event.data.length);
}
