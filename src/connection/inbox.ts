/**
 * What was parsed and not delivered yet, and the iterators that ask for it.
 *
 * The size is counted in bytes (UTF-16 units for text) with something for each event, so that reading can stop at a mark
 * whatever the peer sends.
 */

import type { CloseEvent, MessageEvent, PartEvent } from "../protocol/endpoint-events.ts";
import { type Deferred, deferred } from "./deferred.ts";
import type { MessageData } from "./handlers.ts";
import type { MessageStreams } from "./message-stream.ts";

type Queued = MessageEvent | PartEvent | CloseEvent;
type Result = IteratorResult<MessageData, undefined>;

/** What an event costs besides its data: without it, a queue of empty messages would have no size. */
const eventSize = 64;

const done: Result = { done: true, value: undefined };

/** The messages, and at last the Close, that one connection has to deliver. */
export class Inbox {
  readonly #events: Queued[] = [];
  /** Iterators that wait; undefined until somebody iterates. */
  #waiting: Deferred<Result>[] | undefined;
  /** Bytes and UTF-16 units queued, and 64 for each event. */
  size = 0;
  /** Set when the messages are taken as streams instead. */
  streams: MessageStreams | undefined;
  /** Whether messages have a reader until the peer's Close, also after ours. */
  readToTheEnd = false;

  /** Whether nothing is queued. */
  get empty(): boolean {
    return this.#events.length === 0;
  }

  /** Whether the Close is all that is queued. */
  get atClose(): boolean {
    return this.#events.length === 1 && this.#events[0]!.type === "close";
  }

  /** Whether somebody iterates, and has not said that he left. */
  get iterated(): boolean {
    return this.#waiting !== undefined || this.streams !== undefined;
  }

  /** Whether an iterator waits for what comes next. */
  get awaited(): boolean {
    if (this.streams !== undefined) return this.streams.wants;
    return this.#waiting !== undefined && this.#waiting.length > 0;
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

  /** An iterator asks for the next message. */
  ask(): Promise<Result> {
    const waiting = deferred<Result>();
    this.#waiting ??= [];
    this.#waiting.push(waiting);
    return waiting.promise;
  }

  /** An iterator asks no more; those that wait still do. */
  leave(): void {
    if (this.#waiting?.length === 0) this.#waiting = undefined;
  }

  /** Gives a message to the iterator that has waited longest; there must be one. */
  give(event: MessageEvent | PartEvent): void {
    if (this.streams !== undefined) this.streams.take(event);
    else this.#waiting!.shift()!.resolve({ done: false, value: event.data });
  }

  /** Nothing will come any more to those who wait. */
  end(): void {
    this.streams?.end();
    for (const waiting of this.#waiting?.splice(0) ?? []) waiting.resolve(done);
  }
}

function sizeOf(event: Queued): number {
  return eventSize + (event.type === "close" ? 0 : event.data.length);
}
