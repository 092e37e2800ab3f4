/**
 * A batch of published messages, and how it becomes the bytes of each subscriber.
 *
 * Subscribers that are to get the same messages share one buffer for the whole batch, however many messages it holds.
 */

import { Buffer } from "node:buffer";
import { type Deferred, deferred } from "../connection/event-loop/deferred.ts";
import type { PreparedMessage } from "../connection/sending/prepared-message.ts";
import { type Mark, type Marked, markedFrames } from "./marked-frames.ts";
import type { Subscriber, Topic } from "./topic.ts";

interface Entry extends Marked {
  /** The place of the message in its batch. */
  readonly index: number;
}

/** What is told of a message besides its data. */
export interface MessageTerms {
  /** The publisher, which does not get its own message; undefined where it is no subscriber. */
  readonly except: Subscriber | undefined;
  /** Where it stands in the log of its topic; undefined without history. */
  readonly mark?: Mark | undefined;
}

interface Frames {
  readonly bytes: Uint8Array;
  /** The number of messages that the bytes hold. */
  readonly count: number;
}

/** How the subscribers of a topic stood when they were counted. */
interface Tally {
  /** How many there were, refusing and crowded ones included. */
  readonly of: number;
  /** Subscribers that take nothing. */
  readonly refusing: number;
  /** Whether more than half are at their high-water mark. */
  readonly crowded: boolean;
  /** Bytes that wait for the crowded ones. */
  readonly lag: number;
}

/** Messages in the order in which they were published; once its delivery has begun, nothing is added. */
export class PublishBatch {
  /** Batches are numbered in order; a subscriber remembers how far it has come. */
  readonly number: number;
  /** Set when the first subscriber's turn comes. */
  begun = false;
  /** Bytes that the messages hold, with something for each. */
  size = 0;
  readonly #entries = new Map<Topic, Entry[]>();
  #entryCount = 0;
  /**
   * Each topic's subscribers are counted once a batch, and again when their number has changed: a batch is over soon.
   */
  readonly #tallies = new Map<Topic, Tally>();
  readonly #publishers = new Set<Subscriber>();
  readonly #shared = new Map<string, Frames>();
  #delivered: Deferred<void> | undefined;
  #over = false;

  constructor(number: number) {
    this.number = number;
  }

  /** The topics that something was published to. */
  get topics(): IterableIterator<Topic> {
    return this.#entries.keys();
  }

  /** Adds a message of `size` bytes behind the others. */
  add(topic: Topic, message: PreparedMessage, size: number, { except, mark }: MessageTerms): void {
    const entry = { index: this.#entryCount++, message, except, mark };
    const entries = this.#entries.get(topic);
    if (entries === undefined) this.#entries.set(topic, [entry]);
    else entries.push(entry);
    this.size += size;
    if (except) this.#publishers.add(except);
    this.#shared.clear();
  }

  /** How the topic's subscribers stand. */
  tally(topic: Topic): Tally {
    const known = this.#tallies.get(topic);
    if (known?.of === topic.subscribers.size) return known;
    const counted = tallyOf(topic);
    this.#tallies.set(topic, counted);
    return counted;
  }

  /** Gives a subscriber what it has not got yet of this batch. */
  deliver(subscriber: Subscriber): void {
    const { position } = subscriber;
    if (position.batch > this.number) return;
    const from = position.batch === this.number ? position.entry : 0;
    position.batch = this.number;
    position.entry = this.#entryCount;
    if (from === this.#entryCount) return;
    const whole = from === 0 && !this.#publishers.has(subscriber);
    const frames = whole ? this.#sharedFrames(subscriber) : this.#frames(subscriber, from);
    if (frames.count > 0) subscriber.sendFrames(frames.bytes, frames.count);
  }

  /** Resolves when every subscriber has had its turn. */
  get delivered(): Promise<void> {
    if (this.#over) return Promise.resolve();
    this.#delivered ??= deferred<void>();
    return this.#delivered.promise;
  }

  /** Every subscriber has had its turn. */
  end(): void {
    this.#over = true;
    this.#delivered?.resolve();
  }

  /** The frames for all subscribers that have these topics in common with the batch. */
  #sharedFrames(subscriber: Subscriber): Frames {
    const key = this.#keyOf(subscriber);
    let frames = this.#shared.get(key);
    if (frames === undefined) {
      frames = this.#frames(subscriber, 0);
      this.#shared.set(key, frames);
    }
    return frames;
  }

  #frames(subscriber: Subscriber, from: number): Frames {
    const wanted: Entry[] = [];
    const topics = this.#inCommon(subscriber);
    for (const topic of topics) {
      const entries = this.#entries.get(topic)!;
      for (let at = firstFrom(entries, from); at < entries.length; at++) {
        const entry = entries[at]!;
        // Where its own stand, a client that resumes is told.
        if (entry.except !== subscriber || (subscriber.resuming && entry.mark)) wanted.push(entry);
      }
    }
    if (topics.length > 1) wanted.sort((one, other) => one.index - other.index);
    const frames = subscriber.resuming
      ? markedFrames(wanted, subscriber)
      : wanted.map(({ message }) => message.frameFor(subscriber.compression));
    return { bytes: frames.length === 1 ? frames[0]! : Buffer.concat(frames), count: frames.length };
  }

  #inCommon(subscriber: Subscriber): readonly Topic[] {
    const [fewer, more] =
      this.#entries.size < subscriber.topics.size
        ? [this.#entries.keys(), subscriber.topics]
        : [subscriber.topics, this.#entries];
    const topics: Topic[] = [];
    for (const topic of fewer) if (more.has(topic)) topics.push(topic);
    return topics;
  }

  /** Equal for two subscribers exactly when they get the same frames. */
  #keyOf(subscriber: Subscriber): string {
    const compression = subscriber.compression?.sharedKey ?? "";
    const form = subscriber.resuming ? `resuming ${compression}` : compression;
    if (this.#entries.size === 1) {
      for (const topic of this.#entries.keys()) return subscriber.topics.has(topic) ? form : "none";
    }
    const numbers = this.#inCommon(subscriber).map(({ number }) => number);
    return `${form}:${numbers.sort((a, b) => a - b).join()}`;
  }
}

/** How the topic's subscribers stand now. */
export function tallyOf(topic: Topic): Tally {
  const of = topic.subscribers.size;
  let refusing = 0;
  let lagging = 0;
  let lag = 0;
  for (const subscriber of topic.subscribers) {
    if (!subscriber.takesFrames()) {
      refusing++;
      continue;
    }
    const behind = subscriber.lag?.() ?? 0;
    if (behind > 0) lagging++;
    lag += behind;
  }
  return { of, refusing, crowded: lagging * 2 > of, lag };
}

/** Where the entries with an index from `from` on begin. */
function firstFrom(entries: readonly Entry[], from: number): number {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (entries[middle]!.index < from) low = middle + 1;
    else high = middle;
  }
  return low;
}
