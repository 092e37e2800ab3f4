/**
 * What was parsed and not delivered yet, and the iterators that ask for it.
 *
 * The size is counted in bytes (UTF-16 units for text) with something for each event, so that reading can stop at a mark
 * whatever the peer sends.
 */

import type { CloseEvent, MessageEvent } from "../protocol/endpoint.ts";
import { type Deferred, deferred } from "./deferred.ts";
import type { MessageData } from "./handlers.ts";

type Result = IteratorResult<MessageData, undefined>;

/** What an event costs besides its data: without it, a queue of empty messages would have no size. */
const eventSize = 64;

const done: Result = { done: true, value: undefined };

/** The messages, and at last the Close, that one connection has to deliver. */
export class Inbox {
  readonly #events: (MessageEvent | CloseEvent)[] = [];
  /** Iterators that wait; undefined until somebody iterates. */
  #waiting: Deferred<Result>[] | undefined;
  /** Bytes and UTF-16 units queued, and 64 for each event. */
  size = 0;

  /** Whether nothing is queued. */
  get empty(): boolean {
    return this.#events.length === 0;
  }

  /** Whether somebody has iterated, or iterates. */
  get iterated(): boolean {
    return this.#waiting !== undefined;
  }

  /** Whether an iterator waits for a message. */
  get awaited(): boolean {
    return this.#waiting !== undefined && this.#waiting.length > 0;
  }

  /** Queues an event behind the others. */
  push(event: MessageEvent | CloseEvent): void {
    this.#events.push(event);
    this.size += sizeOf(event);
  }

  /** Takes the oldest event; there must be one. */
  shift(): MessageEvent | CloseEvent {
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

  /** Gives a message to the iterator that has waited longest; there must be one. */
  give(data: MessageData): void {
    this.#waiting!.shift()!.resolve({ done: false, value: data });
  }

  /** Nothing will come any more to those who wait. */
  end(): void {
    for (const waiting of this.#waiting?.splice(0) ?? []) waiting.resolve(done);
  }
}

function sizeOf(event: MessageEvent | CloseEvent): number {
  return eventSize + (event.type === "message" ? event.data.length : 0);
}
