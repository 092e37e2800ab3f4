/**
 * The compressed messages of one connection on their way through zlib, one after the other: inflated at once, in the
 * thread pool, or not before there is a reader.
 */

import type { InflatedText } from "../../protocol/deflate/short-messages.ts";
import type { InflateOutcome, MessageDeflate } from "../compression/message-deflate.ts";
import { Inflation } from "../compression/zlib-one-shot.ts";

/** The message pump, as an inflater tells it. */
export interface MessageInflaterOwner {
  /** A message goes to the thread pool; nothing more is parsed before `inflated`. */
  inflatesElsewhere(): void;
  /** The message is inflated, or the rule that it breaks is known; `elsewhere` after it was in the thread pool. */
  inflated(outcome: InflateOutcome | InflatedText, elsewhere: boolean): void;
  /** Whether the message that is to be inflated is delivered as a string. */
  inflatesText(): boolean;
  /** `length` has changed. */
  noteHeld(): void;
}

/** Inflates the messages of one connection. */
export class MessageInflater {
  readonly #deflate: MessageDeflate;
  readonly #maxMessageSize: number;
  readonly #owner: MessageInflaterOwner;
  /** A compressed message that has no reader yet; undefined while none waits. */
  #postponed: Uint8Array | undefined;
  /** Set while a message is in the thread pool. */
  #inflation: Inflation | undefined;
  #released = false;

  constructor(deflate: MessageDeflate, maxMessageSize: number, owner: MessageInflaterOwner) {
    this.#deflate = deflate;
    this.#maxMessageSize = maxMessageSize;
    this.#owner = owner;
  }

  /** Bytes that the message in the thread pool has put out so far. */
  get length(): number {
    return this.#inflation === undefined ? 0 : this.#inflation.length;
  }

  /** Whether a message waits for `resume`. */
  get postpones(): boolean {
    return this.#postponed !== undefined;
  }

  /** Keeps a message as it is until `resume`. */
  postpone(payload: Uint8Array): void {
    this.#postponed = payload;
  }

  /** Takes the message that was postponed; there must be one. */
  takePostponed(): Uint8Array {
    const payload = this.#postponed!;
    this.#postponed = undefined;
    return payload;
  }

  /** Inflates a message, and tells the owner of its outcome at once or later. */
  inflate(payload: Uint8Array): void {
    const inflation = new Inflation(() => this.#owner.noteHeld(), this.#owner.inflatesText());
    const outcome = this.#deflate.inflate(payload, this.#maxMessageSize, inflation);
    if (!(outcome instanceof Promise)) return this.#owner.inflated(outcome, false);
    this.#inflation = inflation;
    this.#owner.inflatesElsewhere();
    void outcome.then((inflated) => {
      this.#inflation = undefined;
      if (this.#released) this.#deflate.release();
      this.#owner.inflated(inflated, true);
    });
  }

  /**
   * The message in the thread pool is not wanted any more: its memory is free at once, and its outcome says nothing.
   */
  cancel(): void {
    this.#inflation?.cancel();
  }

  /** The connection is over: what inflating keeps is freed once no message is in the thread pool. */
  release(): void {
    this.#released = true;
  }
}
