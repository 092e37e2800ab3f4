/**
 * What was published in one turn of the event loop, and how it becomes the bytes of each subscriber.
 *
 * Subscribers that are to get the same messages share one buffer for the whole round, however many messages it holds.
 */

import { Buffer } from "node:buffer";
import type { PreparedMessage } from "../connection/prepared-message.ts";
import type { Subscriber, Topic } from "./topic.ts";

interface Entry {
  readonly topic: Topic;
  readonly message: PreparedMessage;
  /** The publisher, which does not get its own message. */
  readonly except: Subscriber | undefined;
}

interface Frames {
  readonly bytes: Uint8Array;
  /** How many messages they are. */
  readonly count: number;
}

/** The messages of one turn, in the order in which they were published. */
export class Round {
  /** Rounds are numbered in order; a subscriber remembers how far it has come. */
  readonly number: number;
  /** The topics that something was published to. */
  readonly topics: Set<Topic> = new Set();
  readonly #entries: Entry[] = [];
  /** Subscribers that take nothing, counted once for each topic and number of subscribers: a turn is over too soon for more. */
  readonly #refusing = new Map<Topic, { readonly of: number; readonly count: number }>();
  readonly #publishers = new Set<Subscriber>();
  readonly #shared = new Map<string, Frames>();

  constructor(number: number) {
    this.number = number;
  }

  /** Adds a message behind the others. */
  add(topic: Topic, message: PreparedMessage, except: Subscriber | undefined): void {
    this.#entries.push({ topic, message, except });
    this.topics.add(topic);
    if (except) this.#publishers.add(except);
    this.#shared.clear();
  }

  /** How many of the topic's subscribers take nothing at present. */
  countRefusing(topic: Topic): number {
    const { size } = topic.subscribers;
    const known = this.#refusing.get(topic);
    if (known?.of === size) return known.count;
    let count = 0;
    for (const subscriber of topic.subscribers) if (!subscriber.takesFrames()) count++;
    this.#refusing.set(topic, { of: size, count });
    return count;
  }

  /** Gives a subscriber what it has not got yet of this round. */
  deliver(subscriber: Subscriber): void {
    const { position } = subscriber;
    if (position.round > this.number) return;
    const from = position.round === this.number ? position.entry : 0;
    position.round = this.number;
    position.entry = this.#entries.length;
    if (from === this.#entries.length) return;
    const frames =
      from === 0 && !this.#publishers.has(subscriber) ? this.#sharedFrames(subscriber) : this.#frames(subscriber, from);
    if (frames.count > 0) subscriber.sendFrames(frames.bytes, frames.count);
  }

  /** The frames for everybody who has these topics in common with the round. */
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
    const wanted = this.#entries.filter(
      ({ topic, except }, index) => index >= from && except !== subscriber && subscriber.topics.has(topic),
    );
    const frames = wanted.map(({ message }) => message.frameFor(subscriber.compression));
    return { bytes: frames.length === 1 ? frames[0]! : Buffer.concat(frames), count: frames.length };
  }

  /** Equal for two subscribers exactly when they get the same frames. */
  #keyOf(subscriber: Subscriber): string {
    const compression = subscriber.compression?.sharedKey ?? "";
    if (this.topics.size === 1) {
      for (const topic of this.topics) return subscriber.topics.has(topic) ? compression : "none";
    }
    const numbers: number[] = [];
    const [fewer, more] =
      this.topics.size < subscriber.topics.size ? [this.topics, subscriber.topics] : [subscriber.topics, this.topics];
    for (const topic of fewer) if (more.has(topic)) numbers.push(topic.number);
    return `${compression}:${numbers.sort((a, b) => a - b).join()}`;
  }
}
