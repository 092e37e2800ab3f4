/**
 * A topic that this node listens to: makes entries of what its stream sends on.
 *
 * Which epoch a message is of, and the offset of the one before it, are known from what was read of the stream and from
 * what came since. Until something was read the epoch is a guess, and what was guessed wrongly is said once more; an offset
 * that is not known leads whoever reads the log to another read.
 */

import type { Entry } from "../broker/entry.ts";
import { epochOf, isMark, type Mark, markOf, offsetBehind, type StoredMessage } from "./stored-message.ts";
import { nonceOf } from "./subjects.ts";

/** The end of a log, as it was read. */
export interface LogEnd {
  readonly stream: string;
  readonly mark: Mark | undefined;
  /** Undefined where the log has no message. */
  readonly newest: StoredMessage | undefined;
}

/** The last that is known of a log. */
interface Last {
  readonly stream: string;
  readonly mark: Mark | undefined;
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

/** See the head of this file. */
export class LiveTopic {
  readonly topic: string;
  /** How long its stream keeps a message, in milliseconds. */
  readonly #maxAge: number;
  readonly #deliver: (entry: Entry) => void;
  /** What came while the epoch was a guess. */
  #kept: StoredMessage[] = [];
  /** Whether the log was read over this connection. */
  #isKnown = false;
  #last: Last | undefined;
  /** When `#last` was last known to be the end of the log. */
  #knownAt = 0;

  constructor(topic: string, maxAge: number, deliver: (entry: Entry) => void) {
    this.topic = topic;
    this.#maxAge = maxAge;
    this.#deliver = deliver;
  }

  /** The mark of the present epoch and its stream; undefined while they are not known. */
  get epoch(): { readonly stream: string; readonly mark: Mark | undefined } | undefined {
    return this.#isKnown ? this.#last : undefined;
  }

  /** Messages may be missed from now on. */
  disconnected(): void {
    if (this.#isKnown) this.#knownAt = Date.now();
    this.#isKnown = false;
    this.#kept = [];
    if (this.#last) this.#last = { ...this.#last, isCertain: false };
  }

  /**
   * The offset that the log ended with, where its message is too old to be there still and nothing that came later can
   * have become too old since.
   */
  oldEnd(stream: string, mark: Mark | undefined): number | undefined {
    const last = this.#last;
    if (last === undefined || last.stream !== stream || last.mark?.name !== mark?.name) return undefined;
    const isOld = this.#isOld(last.time) && (this.#isKnown || !this.#isOld(this.#knownAt));
    return isOld && last.offset > 0 ? last.offset : undefined;
  }

  /** The end of the log was read. */
  read({ stream, mark, newest }: LogEnd): void {
    const guessed = this.#last;
    const isSame = guessed?.stream === stream && guessed.mark?.name === mark?.name;
    const { sequence, offset, time = Date.now() } = newest ?? { sequence: 0, offset: 0 };
    if (newest === undefined && guessed && this.oldEnd(stream, mark) !== undefined) {
      this.#last = { ...guessed, isCertain: true };
    } else if (!isSame || !guessed.isCertain || sequence >= guessed.sequence) {
      this.#last = { stream, mark, sequence, offset, time, isCertain: true };
    }
    this.#knownAt = Date.now();
    this.#isKnown = true;
    const kept = this.#kept.splice(0);
    if (!isSame) for (const message of kept) this.take(message);
  }

  /** A message that the stream sent on. */
  take(message: StoredMessage): void {
    if (!this.#isKnown) {
      this.#kept.push(message);
      if (this.#kept.length > mostKept) this.#kept.shift();
    }
    if (isMark(message)) this.#takeMark(message);
    else this.#take(message);
  }

  #takeMark(message: StoredMessage): void {
    const { stream } = message;
    const mark = markOf(message);
    if (this.#last?.stream === stream && this.#last.mark?.name === mark.name) return;
    this.#last = { stream, mark, sequence: 0, offset: 0, time: Date.now(), isCertain: true };
    const epoch = epochOf(nonceOf(stream), mark);
    this.#deliver({ epoch, prev: 0, offset: 0, id: "-", payload: new Uint8Array() });
  }

  #take({ stream, sequence, offset, id, before = 0, time = Date.now(), payload }: StoredMessage): void {
    const isSame = this.#last?.stream === stream;
    const mark = isSame ? this.#last!.mark : undefined;
    const from = mark?.from ?? 0;
    // Of an epoch that has ended.
    if (sequence <= from) return;
    const prev = this.#offsetOf(before > from ? before : 0, { stream, mark });
    this.#last = { stream, mark, sequence, offset, time, isCertain: true };
    this.#deliver({ epoch: epochOf(nonceOf(stream), mark), prev, offset, id, payload });
  }

  #offsetOf(before: number, { stream, mark }: { stream: string; mark: Mark | undefined }): number {
    if (before === 0) return this.oldEnd(stream, mark) ?? 0;
    const last = this.#last;
    return last?.isCertain && last.stream === stream && last.sequence === before ? last.offset : offsetBehind(before);
  }

  #isOld(time: number): boolean {
    return Date.now() - time > this.#maxAge - tolerance;
  }
}
