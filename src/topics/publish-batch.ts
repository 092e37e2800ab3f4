/**
 * A batch of published messages, and how it becomes the bytes of each subscriber.
 *
 * Subscribers that are to get the same messages share one buffer for the whole batch, however many messages it holds. To
 * look at a subscriber costs as much as to write to it once there are more of them than caches hold, so nothing does but
 * the delivery.
 */

import { Buffer } from "node:buffer";
import { type Deferred, deferred } from "../connection/event-loop/deferred.ts";
import type { PreparedMessage } from "../connection/sending/prepared-message.ts";
import { setImmediate } from "../transport/scheduling.ts";
import { type Mark, type Marked, markedFrames } from "./marked-frames.ts";
import type { Share, Subscriber, Topic } from "./topic.ts";

/** What is told of a message besides its data. */
export interface MessageTerms {
  /** The publisher, which does not get its own message; undefined where it is no subscriber. */
  readonly except: Subscriber | undefined;
  /** Where it stands in the log of its topic; undefined without history. */
  readonly mark?: Mark | undefined;
}

interface Frames {
  /** The topics whose messages they are. */
  readonly shares: readonly Share[];
  /** See `formOf`. */
  readonly form: string;
  readonly bytes: Uint8Array;
  /** The number of messages that the bytes hold. */
  readonly count: number;
}

const noShares: readonly Share[] = [];

/** Messages in the order in which they were published; once its delivery has begun, nothing is added. */
export class PublishBatch {
  /** Batches are numbered in order; a subscriber remembers how far it has come. */
  readonly number: number;
  /** Set when the first subscriber's turn comes. */
  begun = false;
  /** Bytes that the messages hold, with something for each. */
  size = 0;
  /** How often a subscriber did not take a message. */
  dropped = 0;
  readonly #messages: Marked[] = [];
  readonly #shares: Share[] = [];
  readonly #publishers = new Set<Subscriber>();
  /** The share whose subscribers have their turn, and those that have not had it; undefined until it begins. */
  #turn = 0;
  #rest: IterableIterator<Subscriber> | undefined;
  /** The frames of whole batches: the last, and all of them by what they hold. */
  #latest: Frames | undefined;
  readonly #shared = new Map<string, Frames>();
  #delivered: Deferred<void> | undefined;
  #over = false;

  constructor(number: number) {
    this.number = number;
  }

  /** Adds a message of `size` bytes behind the others. */
  add(topic: Topic, message: PreparedMessage, size: number, { except, mark }: MessageTerms): Share {
    const entry = this.#messages.length;
    let share = this.#shareOf(topic);
    if (share === undefined) share = this.#makeShare(topic, entry);
    else share.entries.push(entry);
    this.#messages.push({ message, mark, except });
    this.size += size;
    if (except !== undefined) this.#publishers.add(except);
    this.#latest = undefined;
    if (this.#shared.size > 0) this.#shared.clear();
    return share;
  }

  /** Gives as many of the next subscribers their turn; false when all have had theirs. */
  deliverSome(most: number): boolean {
    this.begun = true;
    for (; this.#turn < this.#shares.length; this.#turn++) {
      this.#rest ??= this.#shares[this.#turn]!.topic.subscribers.values();
      for (const subscriber of this.#rest) {
        this.deliver(subscriber, true);
        if (--most === 0) return true;
      }
      this.#rest = undefined;
    }
    return false;
  }

  /**
   * Gives a subscriber what it has not got yet of this batch. An exception fails it and no other, in a later turn: to fail
   * one runs the application's code. `isSubscribed` says that it has a topic of the batch.
   */
  deliver(subscriber: Subscriber, isSubscribed: boolean): void {
    const { number } = this;
    if (subscriber.batch > number) return;
    const from = subscriber.batch === number ? subscriber.entry : 0;
    subscriber.batch = number;
    subscriber.entry = this.#messages.length;
    if (from === subscriber.entry) return;
    try {
      this.#send(subscriber, from, isSubscribed);
    } catch (error) {
      setImmediate(() => subscriber.deliveryFailed(error));
    }
  }

  /** Resolves when every subscriber has had its turn. */
  get delivered(): Promise<void> {
    if (this.#over) return Promise.resolve();
    this.#delivered ??= deferred<void>();
    return this.#delivered.promise;
  }

  /** Every subscriber has had its turn; what `publish` returned may be kept, and nothing of the messages with it. */
  end(): void {
    this.#messages.length = 0;
    this.#publishers.clear();
    this.#latest = undefined;
    this.#shared.clear();
    for (const share of this.#shares) {
      const { topic, lagging } = share;
      topic.wasCrowded = lagging * 2 > topic.subscribers.size;
      share.over = true;
      forget(share);
    }
    this.#over = true;
    this.#delivered?.resolve();
  }

  #send(subscriber: Subscriber, from: number, isSubscribed: boolean): void {
    const isAlone = isSubscribed && this.#shares.length === 1;
    const shares = isAlone ? this.#shares : this.#inCommon(subscriber);
    const isWhole = from === 0 && (this.#publishers.size === 0 || !this.#publishers.has(subscriber));
    const frames = isWhole ? this.#sharedFrames(subscriber, shares) : this.#frames(subscriber, shares, from);
    if (frames.count === 0) return;
    const outcome = subscriber.sendFrames(frames.bytes, frames.count);
    if (outcome === "left") return;
    if (outcome === "refused") {
      this.dropped += frames.count;
      for (const share of shares) {
        share.refused ??= new Set();
        share.refused.add(subscriber);
      }
    } else if ((subscriber.lag?.() ?? 0) > 0) {
      for (const share of shares) share.lagging++;
    }
  }

  #shareOf(topic: Topic): Share | undefined {
    let { share } = topic;
    while (share !== undefined && share.batch !== this) share = share.before;
    return share;
  }

  #makeShare(topic: Topic, entry: number): Share {
    const place = this.#shares.length;
    topic.share = {
      batch: this,
      topic,
      place,
      entries: [entry],
      refused: undefined,
      lagging: 0,
      over: false,
      before: topic.share,
    };
    this.#shares.push(topic.share);
    return topic.share;
  }

  /** The topics of the batch that are the subscriber's, in the order of the batch. */
  #inCommon(subscriber: Subscriber): readonly Share[] {
    const { topics } = subscriber;
    if (this.#shares.length < topics.size) return this.#shares.filter(({ topic }) => topics.has(topic));
    let isSorted = true;
    let last: Share | undefined;
    let common: Share[] | undefined;
    for (const topic of topics) {
      const share = this.#shareOf(topic);
      if (share === undefined) continue;
      if (last !== undefined && last.place > share.place) isSorted = false;
      last = share;
      if (common === undefined) common = [share];
      else common.push(share);
    }
    if (!isSorted) common!.sort((one, other) => one.place - other.place);
    return common ?? noShares;
  }

  /** The frames for all subscribers that have these topics in common with the batch. */
  #sharedFrames(subscriber: Subscriber, shares: readonly Share[]): Frames {
    const form = formOf(subscriber);
    const latest = this.#latest;
    if (latest !== undefined && latest.form === form && areSame(latest.shares, shares)) return latest;
    const key = `${form}:${shares.map(({ place }) => place).join()}`;
    let frames = this.#shared.get(key);
    if (frames === undefined) {
      frames = this.#frames(subscriber, shares, 0);
      this.#shared.set(key, frames);
    }
    this.#latest = frames;
    return frames;
  }

  #frames(subscriber: Subscriber, shares: readonly Share[], from: number): Frames {
    const places: number[] = [];
    for (const { entries } of shares) {
      for (let at = firstFrom(entries, from); at < entries.length; at++) places.push(entries[at]!);
    }
    if (shares.length > 1) places.sort((one, other) => one - other);
    const { compression, resuming } = subscriber;
    const wanted: Marked[] = [];
    for (const place of places) {
      const marked = this.#messages[place]!;
      // Where its own stand, a client that resumes is told.
      if (marked.except !== subscriber || (resuming && marked.mark)) wanted.push(marked);
    }
    const frames = resuming
      ? markedFrames(wanted, subscriber)
      : wanted.map(({ message }) => message.frameFor(compression));
    const bytes = frames.length === 1 ? frames[0]! : Buffer.concat(frames);
    return { shares, form: formOf(subscriber), bytes, count: frames.length };
  }
}

/** Equal for two subscribers exactly when the same messages are the same frames for them. */
function formOf({ compression, resuming }: Subscriber): string {
  const key = compression?.sharedKey ?? "";
  return resuming ? `resuming ${key}` : key;
}

/** Takes a share of the oldest batch off its topic. */
function forget(share: Share): void {
  const { topic } = share;
  if (topic.share === share) {
    topic.share = undefined;
    return;
  }
  let newer = topic.share;
  while (newer !== undefined && newer.before !== share) newer = newer.before;
  if (newer !== undefined) newer.before = undefined;
}

function areSame(some: readonly Share[], others: readonly Share[]): boolean {
  return some === others || (some.length === others.length && some.every((share, index) => share === others[index]));
}

/** Where the entries from `from` on begin. */
function firstFrom(entries: readonly number[], from: number): number {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (entries[middle]! < from) low = middle + 1;
    else high = middle;
  }
  return low;
}
