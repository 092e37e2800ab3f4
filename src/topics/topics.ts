/**
 * Topics: who gets what is published, encoded once and written once a turn to each subscriber.
 *
 * A message published in a turn leaves when the turn is over, with everything else published in it. Each subscriber
 * gets its messages in the order of the calls, and what it is sent directly in its place among them; a subscription
 * counts from its call on, and until the call that ends it.
 */

import { Buffer } from "node:buffer";
import { types } from "node:util";
import { resolveLimits, type ServerLimits, serverLimits } from "../connection/limits.ts";
import { PreparedMessage } from "../connection/prepared-message.ts";
import { describe } from "../protocol/options.ts";
import { Round } from "./round.ts";
import type { Subscriber, Topic } from "./topic.ts";

/** How many a message was for when it was published. */
export interface PublishResult {
  /** Subscribers that it is being sent to. */
  readonly reached: number;
  /** Subscribers that it is not sent to: they are closing, or do not read what they were sent before. */
  readonly dropped: number;
}

/** What can be published: text, bytes, or a message prepared before. */
export type Publishable = string | ArrayBuffer | ArrayBufferView | PreparedMessage;

/** After this many subscribers the clock is read … */
const subscribersPerLook = 128;
/** … and after this many milliseconds the rest waits for the next turn. */
const deliveryBudget = 4;

/** A set of topics; every server has its own. */
export class Topics {
  readonly #topics = new Map<string, Topic>();
  readonly #limits: Pick<ServerLimits, "maxTopics" | "maxTopicLength">;
  /** The rounds that are not delivered to all yet, oldest first; what is published goes to the last if it is open. */
  readonly #rounds: Round[] = [];
  #open: Round | undefined;
  #roundsOpened = 0;
  #topicsMade = 0;
  #delivery: Iterator<void> | undefined;

  /** The default limits hold where none are given. */
  constructor(limits: Partial<ServerLimits> = {}) {
    this.#limits = resolveLimits(serverLimits, limits);
  }

  /** How many topics somebody is subscribed to. */
  get size(): number {
    return this.#topics.size;
  }

  /** How many are subscribed to a topic. */
  count(name: string): number {
    return this.#topics.get(name)?.subscribers.size ?? 0;
  }

  /** The topics that somebody is subscribed to. */
  names(): IterableIterator<string> {
    return this.#topics.keys();
  }

  /** Publishes to all subscribers of a topic but `except`; they get it when the turn is over. */
  publish(name: string, data: Publishable, except?: Subscriber): PublishResult {
    const message = prepare(data);
    const topic = this.#topics.get(name);
    if (!topic) return { reached: 0, dropped: 0 };
    const round = this.#round();
    round.add(topic, message, except);
    const dropped = round.countRefusing(topic);
    const own = except && topic.subscribers.has(except) && except.takesFrames() ? 1 : 0;
    return { reached: topic.subscribers.size - dropped - own, dropped };
  }

  /** Subscribes; a RangeError when that breaks a limit. A second subscription to the same topic changes nothing. */
  subscribe(subscriber: Subscriber, name: string): void {
    const { maxTopics, maxTopicLength } = this.#limits;
    if (typeof name !== "string") throw new TypeError(`Cannot subscribe: a topic is a string, not ${describe(name)}`);
    if (Buffer.byteLength(name) > maxTopicLength) {
      throw new RangeError(`Cannot subscribe: the topic's name is longer than ${maxTopicLength} bytes`);
    }
    const known = this.#topics.get(name);
    if (known?.subscribers.has(subscriber)) return;
    if (subscriber.topics.size >= maxTopics) {
      throw new RangeError(`Cannot subscribe: the connection is subscribed to ${maxTopics} topics already`);
    }
    this.catchUp(subscriber);
    const topic = known ?? this.#makeTopic(name);
    topic.subscribers.add(subscriber);
    subscriber.topics.add(topic);
  }

  /** Ends a subscription; false when there was none. */
  unsubscribe(subscriber: Subscriber, name: string): boolean {
    const topic = this.#topics.get(name);
    if (!topic?.subscribers.has(subscriber)) return false;
    this.catchUp(subscriber);
    this.#remove(subscriber, topic);
    return true;
  }

  /** Ends all subscriptions of a connection that is over. */
  leave(subscriber: Subscriber): void {
    for (const topic of subscriber.topics) this.#remove(subscriber, topic);
  }

  /** Gives a subscriber now what was published up to now, so that what follows comes behind it. */
  catchUp(subscriber: Subscriber): void {
    for (const round of this.#rounds) round.deliver(subscriber);
  }

  #makeTopic(name: string): Topic {
    const topic: Topic = { name, number: ++this.#topicsMade, subscribers: new Set() };
    this.#topics.set(name, topic);
    return topic;
  }

  #remove(subscriber: Subscriber, topic: Topic): void {
    subscriber.topics.delete(topic);
    topic.subscribers.delete(subscriber);
    if (topic.subscribers.size === 0) this.#topics.delete(topic.name);
  }

  #round(): Round {
    if (this.#open === undefined) {
      this.#open = new Round(++this.#roundsOpened);
      this.#rounds.push(this.#open);
      if (this.#rounds.length === 1) setImmediate(() => this.#deliverRounds());
    }
    return this.#open;
  }

  /** Delivers for a while; the rest waits for the next turn, so that nothing else starves. */
  #deliverRounds(): void {
    this.#open = undefined;
    const until = performance.now() + deliveryBudget;
    this.#delivery ??= this.#deliveries();
    for (;;) {
      for (let count = 0; count < subscribersPerLook; count++) {
        if (!this.#delivery.next().done) continue;
        this.#delivery = undefined;
        return;
      }
      if (performance.now() >= until) break;
    }
    setImmediate(() => this.#deliverRounds());
  }

  /** Delivers to one subscriber a step, round by round. */
  *#deliveries(): Generator<void> {
    for (;;) {
      const round = this.#rounds[0];
      if (round === undefined) return;
      for (const topic of round.topics) {
        for (const subscriber of topic.subscribers) {
          round.deliver(subscriber);
          yield;
        }
      }
      this.#rounds.shift();
    }
  }
}

function prepare(data: Publishable): PreparedMessage {
  if (PreparedMessage.made(data)) return data;
  if (typeof data === "string" || data instanceof Uint8Array) return new PreparedMessage(data);
  if (ArrayBuffer.isView(data))
    return new PreparedMessage(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  if (types.isArrayBuffer(data)) return new PreparedMessage(new Uint8Array(data));
  throw new TypeError(`Cannot publish: data must be a string, an ArrayBuffer or a view of one, not ${typeof data}`);
}
