/**
 * A topic that this node listens to: makes entries of what its stream sends on.
 *
 * Which epoch a message is of, and the offset of the one before it, are known from what was read of the stream and from
 * what came since. Until something was read the epoch is a guess, and what was guessed wrongly is said once more; an offset
 * that is not known leads whoever reads the log to another read.
 */

import type { Entry } from "../broker/entry.ts";
import { Offsets } from "./offsets.ts";
import { epochOf, isMark, type Mark, markOf, type SentMessage, type StoredMessage } from "./stored-message.ts";

/** A log among those that a topic may have had. */
export interface LogName {
  /** That of its stream. */
  readonly nonce: string;
  readonly mark: Mark | undefined;
}

/** A stream of logs. */
export interface LiveStream {
  readonly nonce: string;
  /** What offsets of its messages are made of. */
  readonly offsets: Offsets;
}

/** The end of a log, as it was read. */
export interface LogEnd extends LogName, LiveStream {
  /** Undefined where the log has no message. */
  readonly newest: StoredMessage | undefined;
}

/** The last that is known of a log. */
interface Last extends LogName {
  readonly sequence: number;
  readonly offset: number;
  /** When it was stored, by the broker's clock or else by this node's. */
  readonly time: number;
  /** Whether it came over this connection: before, another may have got its number meanwhile. */
  readonly isCertain: boolean;
}

/** The most messages that are kept. */
const mostKept = 1000;
/** How much earlier than its stream says a message is taken to be too old, for clocks that differ: milliseconds. */
const tolerance = 60 * 60 * 1000;
/** Stands for a stream that is not known. */
const unknown = "-";

/** See the head of this file. */
export class LiveTopic {
  readonly topic: string;
  /** How long its stream keeps a message, in milliseconds. */
  readonly #maxAge: number;
  readonly #deliver: (entry: Entry) => void;
  #offsets = new Offsets();
  /** What came while the epoch was a guess. */
  #kept: SentMessage[] = [];
  /** Whether the log was read over this connection. */
  #isKnown = false;
  #last: Last = { nonce: unknown, mark: undefined, sequence: 0, offset: 0, time: 0, isCertain: false };
  /** When `#last` was last known to be the end of the log. */
  #knownAt = 0;

  constructor(topic: string, maxAge: number, deliver: (entry: Entry) => void) {
    this.topic = topic;
    this.#maxAge = maxAge;
    this.#deliver = deliver;
  }

  /** The log that messages are of now; undefined while it is a guess. */
  get log(): LogName | undefined {
    return this.#isKnown ? this.#last : undefined;
  }

  /** Messages of this stream come from now on, or of one that is not known. */
  subscribed({ nonce, offsets }: LiveStream = { nonce: unknown, offsets: new Offsets() }): void {
    this.#offsets = offsets;
    if (this.#last.nonce !== nonce) this.#begin({ nonce, mark: undefined });
  }

  /** Messages may be missed from now on. */
  disconnected(): void {
    if (this.#isKnown) this.#knownAt = Date.now();
    this.#isKnown = false;
    this.#kept = [];
    this.#last = { ...this.#last, isCertain: false };
  }

  /**
   * The offset that the log ended with, where its message is too old to be there still and nothing that came later can
   * have become too old since.
   */
  oldEnd(log: LogName): number | undefined {
    const { offset, time } = this.#last;
    if (offset === 0 || !this.#is(log)) return undefined;
    return this.#isOld(time) && (this.#isKnown || !this.#isOld(this.#knownAt)) ? offset : undefined;
  }

  /** The end of the log was read. */
  read({ nonce, offsets, mark, newest }: LogEnd): void {
    this.#offsets = offsets;
    const isSame = this.#is({ nonce, mark });
    const isOldEnd = newest === undefined && this.oldEnd({ nonce, mark }) !== undefined;
    if (isOldEnd) this.#last = { ...this.#last, isCertain: true };
    else if (!isSame || !this.#last.isCertain || (newest && newest.sequence >= this.#last.sequence)) {
      const { sequence, offset, time = Date.now() } = newest ?? { sequence: 0, offset: 0 };
      this.#last = { nonce, mark, sequence, offset, time, isCertain: true };
    }
    this.#knownAt = Date.now();
    this.#isKnown = true;
    const kept = this.#kept.splice(0);
    if (!isSame) for (const message of kept) this.#hand(message);
  }

  /** A message that the stream sent on. */
  take(message: SentMessage): void {
    if (!this.#isKnown) {
      this.#kept.push(message);
      if (this.#kept.length > mostKept) this.#kept.shift();
    }
    this.#hand(message);
  }

  #hand(message: SentMessage): void {
    if (isMark(message)) this.#handMark(message);
    else this.#handEntry(message);
  }

  #handMark(message: SentMessage): void {
    const log = { nonce: this.#last.nonce, mark: markOf(message) };
    if (this.#is(log)) return;
    this.#begin(log);
    this.#deliver({ epoch: epochOf(log), prev: 0, offset: 0, id: "-", payload: new Uint8Array() });
  }

  #handEntry({ sequence, messageId, id, before = 0, time = Date.now(), payload }: SentMessage): void {
    const { nonce, mark } = this.#last;
    const from = mark?.from ?? 0;
    // Of an epoch that has ended.
    if (sequence <= from) return;
    const offset = this.#offsets.of(sequence, messageId);
    const prev = this.#offsetOf(before > from ? before : 0);
    // A server may send two on the other way round.
    const isLate = this.#last.isCertain && sequence <= this.#last.sequence;
    if (!isLate) this.#last = { nonce, mark, sequence, offset, time, isCertain: true };
    this.#deliver({ epoch: epochOf({ nonce, mark }), prev, offset, id, payload });
  }

  #begin(log: LogName): void {
    this.#last = { ...log, sequence: 0, offset: 0, time: 0, isCertain: false };
  }

  #is({ nonce, mark }: LogName): boolean {
    return this.#last.nonce === nonce && this.#last.mark?.name === mark?.name;
  }

  #offsetOf(before: number): number {
    if (before === 0) return this.oldEnd(this.#last) ?? 0;
    return this.#last.isCertain && this.#last.sequence === before ? this.#last.offset : this.#offsets.behind(before);
  }

  #isOld(time: number): boolean {
    return Date.now() - time > this.#maxAge - tolerance;
  }
}
