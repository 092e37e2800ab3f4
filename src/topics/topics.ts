/**
 * Topics: a message that is published is encoded once, and written once a turn to each subscriber.
 *
 * A message published in a turn leaves when the turn is over, with everything else published in it. Each subscriber
 * gets its messages in the order of the calls, with messages that are sent to it alone in their place among them. A
 * subscription counts from its call on, and until the call that ends it.
 *
 * Delivery may run other code: a stream that is written to can call back. Such code may publish, which goes to a batch
 * of its own, and an exception fails the subscriber that it belongs to and no other.
 */

import { Buffer } from "node:buffer";
import { cleanContext } from "../connection/event-loop/async-context.ts";
import { resolveLimits, type ServerLimits, serverLimits } from "../connection/options/limits.ts";
import { PreparedMessage } from "../connection/sending/prepared-message.ts";
import { kindOfUnsendable } from "../connection/sending/sendable.ts";
import { viewSource } from "../protocol/bytes.ts";
import { describe } from "../protocol/check-options.ts";
import type { ResumeRequest } from "../resume/resume-messages.ts";
import { setImmediate } from "../transport/scheduling.ts";
import { type MessageTerms, PublishBatch, tallyOf } from "./publish-batch.ts";
import type { Relay, RelayedTopics } from "./relay.ts";
import type { Gap, Subscribed, SubscribeOptions, Subscription } from "./subscription.ts";
import type { Subscriber, Topic } from "./topic.ts";

/** How many subscribers a message was for when it was published, and when they have it. */
export interface PublishResult {
  /** Subscribers that it is being sent to. */
  readonly reached: number;
  /**
   * Subscribers that it is not sent to: they are closing, or do not read what they were sent before, or more than
   * `maxPublishBacklogSize` was waiting to be delivered.
   */
  readonly dropped: number;
  /**
   * Resolves when the next message may be published without piling up: this one was handed to all its subscribers, and
   * at least half of them are below their high-water mark, or have not come there in five seconds, or in one without
   * reading anything. Never rejects.
   */
  readonly delivered: Promise<void>;
  /**
   * Resolves when the broker has stored the message, with its position; with undefined without a cluster, and for a topic
   * without history. Rejects with a `ClusterError`, which may be left unhandled.
   */
  readonly stored: Promise<string | undefined>;
}

/** A message to publish: text, bytes, or prepared before. */
export type Publishable = string | ArrayBuffer | ArrayBufferView | PreparedMessage;

/** After this many subscribers the clock is read. */
const subscribersPerLook = 128;
/** After this many milliseconds the rest of a delivery waits for the next turn. */
const deliveryBudget = 4;
/** A batch of this many bytes is full: subscribers get it in one piece. */
const batchSize = 1024 * 1024;
/** The size of a message in a batch without its bytes. */
const entrySize = 128;
/** The longest time that publishers wait for subscribers that read too slowly, in milliseconds. */
const longestWait = 5000;
/** The longest time that publishers wait for subscribers that read nothing, in milliseconds. */
const longestStandstill = 1000;
/** The time between two looks at such subscribers, in milliseconds. */
const lookInterval = 20;

/** A set of topics; every server has its own. */
export class Topics {
  readonly #topics = new Map<string, Topic>();
  readonly #limits: Pick<ServerLimits, "maxTopics" | "maxTopicLength" | "maxPublishBacklogSize">;
  /** Batches that are not delivered to all yet, oldest first. A turn to deliver is due while there are any. */
  readonly #batches: PublishBatch[] = [];
  #batchesMade = 0;
  #topicsMade = 0;
  #delivery: Iterator<void> | undefined;
  #backlog = 0;
  #dropped = 0;
  /** Undefined where the topics are this process's alone. */
  #relay: RelayedTopics | undefined;

  /** The default limits hold where none are given. */
  constructor(limits: Partial<ServerLimits> = {}) {
    this.#limits = resolveLimits(serverLimits, limits);
  }

  /** How many topics have a subscriber. */
  get size(): number {
    return this.#topics.size;
  }

  /** Bytes that were published and are not delivered to all subscribers yet, with something for each message. */
  get backlog(): number {
    return this.#backlog;
  }

  /** The sum of `dropped` of all that was published. */
  get dropped(): number {
    return this.#dropped;
  }

  /** How many are subscribed to a topic. */
  count(name: string): number {
    return this.#topics.get(name)?.subscribers.size ?? 0;
  }

  /** The topics that have a subscriber. */
  names(): IterableIterator<string> {
    return this.#topics.keys();
  }

  /** @internal Joins a relay, before anything is published or subscribed to. */
  join(relay: Relay): void {
    this.#relay = relay.join(this);
  }

  /** @internal Leaves the relay. */
  close(): void {
    this.#relay?.close();
  }

  /** Publishes to all subscribers of a topic but `except`; they get it when the turn is over. */
  publish(name: string, data: Publishable, except?: Subscriber): PublishResult {
    const message = prepare(data);
    const relayed = this.#relay?.publish(name, message, except);
    if (relayed?.comesBack !== true) return this.#publishHere(name, message, { except }, relayed?.stored);
    const topic = this.#topics.get(name);
    const { of, refusing } = topic === undefined ? nobody : tallyOf(topic);
    const own = except !== undefined && topic?.subscribers.has(except) && except.takesFrames() ? 1 : 0;
    const delivered = () => relayed.stored.then(() => this.pace(name)).catch(() => {});
    return new Published(of - refusing - own, refusing, delivered, relayed.stored);
  }

  /** @internal See `LocalTopics`. */
  deliver(name: string, message: PreparedMessage, terms: MessageTerms): boolean {
    const hasRoom = this.#hasRoom(entrySize + message.data.length);
    this.#publishHere(name, message, terms, undefined);
    return hasRoom || !this.#topics.has(name);
  }

  /** @internal See `LocalTopics`. */
  tellGap(gap: Gap, text: () => string): boolean {
    const topic = this.#topics.get(gap.topic);
    let toldAll = true;
    for (const subscriber of [...(topic?.subscribers ?? [])]) {
      if (!topic?.subscribers.has(subscriber)) continue;
      this.catchUp(subscriber);
      subscriber.resuming?.tell(text());
      subscriber.gap?.(gap);
      toldAll &&= subscriber.gap !== undefined || subscriber.resuming !== undefined;
    }
    return toldAll;
  }

  #publishHere(
    name: string,
    message: PreparedMessage,
    terms: MessageTerms,
    stored: Promise<string | undefined> | undefined,
  ): PublishResult {
    const { except } = terms;
    const topic = this.#topics.get(name);
    if (topic === undefined) return new Published(0, 0, undefined, stored);
    const own = except !== undefined && topic.subscribers.has(except) ? 1 : 0;
    const size = entrySize + message.data.length;
    if (!this.#hasRoom(size)) {
      const dropped = topic.subscribers.size - own;
      this.#dropped += dropped;
      return new Published(0, dropped, () => this.#pace(topic, this.#batches.at(-1)), stored);
    }
    const batch = this.#gather();
    batch.add(topic, message, size, terms);
    this.#backlog += size;
    const dropped = batch.tally(topic).refusing;
    this.#dropped += dropped;
    const reachesOwn = own === 1 && except!.takesFrames() ? 1 : 0;
    const reached = topic.subscribers.size - dropped - reachesOwn;
    return new Published(reached, dropped, () => this.#pace(topic, batch), stored);
  }

  /**
   * Undefined where what was just published to the topic will be delivered in time; else resolves when its publisher
   * may go on, see `PublishResult.delivered`; where the relay is behind, when `published` is stored or has failed.
   */
  pace(name: string, published?: PublishResult): Promise<void> | undefined {
    if (published && this.#relay?.isBehind) return published.stored.then(nothing, nothing);
    const topic = this.#topics.get(name);
    const batch = this.#batches.at(-1);
    if (topic === undefined || batch === undefined) return undefined;
    const behind = this.#batches[0]!.begun;
    return behind || batch.tally(topic).crowded ? this.#pace(topic, batch) : undefined;
  }

  /** Subscribes; a RangeError when that breaks a limit. A second subscription to the same topic changes nothing. */
  subscribe(subscriber: Subscriber, name: string, options: SubscribeOptions = {}): Subscription {
    const { maxTopics, maxTopicLength } = this.#limits;
    if (typeof name !== "string") throw new TypeError(`Cannot subscribe: a topic is a string, not ${describe(name)}`);
    if (Buffer.byteLength(name) > maxTopicLength) {
      throw new RangeError(`Cannot subscribe: the topic's name is longer than ${maxTopicLength} bytes`);
    }
    const isKnown = subscriber.relayed?.has(name) ?? this.#topics.get(name)?.subscribers.has(subscriber);
    if (!isKnown && (subscriber.relayed ?? subscriber.topics).size >= maxTopics) {
      throw new RangeError(`Cannot subscribe: the connection is subscribed to ${maxTopics} topics already`);
    }
    if (this.#relay) return this.#relay.subscribe(subscriber, name, options);
    if (options.since !== undefined && options.since !== "now") {
      throw new TypeError("Cannot subscribe: since is for topics with history, which need a cluster");
    }
    if (options.presence !== undefined) {
      throw new TypeError("Cannot subscribe: presence is for topics with presence, which need a cluster");
    }
    this.add(subscriber, name);
    return new OwnSubscription(this, subscriber, name);
  }

  /** Ends a subscription; false when there was none. */
  unsubscribe(subscriber: Subscriber, name: string): boolean {
    return this.#relay?.unsubscribe(subscriber, name) ?? this.remove(subscriber, name);
  }

  /** @internal A client that speaks the resume protocol says where it was. */
  begin(subscriber: Subscriber, request: ResumeRequest): void {
    this.#relay!.begin(subscriber, request);
  }

  /** Ends all subscriptions of a connection that is over. */
  leave(subscriber: Subscriber): void {
    this.#relay?.leave(subscriber);
    for (const topic of subscriber.topics) this.#remove(subscriber, topic);
  }

  /** @internal See `LocalTopics`. */
  add(subscriber: Subscriber, name: string): void {
    if (this.#topics.get(name)?.subscribers.has(subscriber)) return;
    this.catchUp(subscriber);
    const topic = this.#topics.get(name) ?? this.#makeTopic(name);
    topic.subscribers.add(subscriber);
    subscriber.topics.add(topic);
  }

  /** @internal See `LocalTopics`. */
  remove(subscriber: Subscriber, name: string): boolean {
    const topic = this.#topics.get(name);
    if (!topic?.subscribers.has(subscriber)) return false;
    this.catchUp(subscriber);
    this.#remove(subscriber, topic);
    return true;
  }

  /** Gives a subscriber now what was published up to now, so that what follows comes behind it. */
  catchUp(subscriber: Subscriber): void {
    const oldest = this.#batches[0];
    if (oldest === undefined) return;
    const first = Math.max(0, subscriber.position.batch - oldest.number);
    for (const batch of this.#batches.slice(first)) deliver(batch, subscriber);
  }

  #hasRoom(size: number): boolean {
    return this.#backlog === 0 || this.#backlog + size <= this.#limits.maxPublishBacklogSize;
  }

  #makeTopic(name: string): Topic {
    const topic: Topic = { name, number: ++this.#topicsMade, subscribers: new Set(), roomier: undefined };
    this.#topics.set(name, topic);
    return topic;
  }

  #remove(subscriber: Subscriber, topic: Topic): void {
    subscriber.topics.delete(topic);
    topic.subscribers.delete(subscriber);
    // Code that ran meanwhile may have made another of the same name.
    if (topic.subscribers.size === 0 && this.#topics.get(topic.name) === topic) this.#topics.delete(topic.name);
  }

  /** The batch that takes what is published now. */
  #gather(): PublishBatch {
    const last = this.#batches.at(-1);
    if (last !== undefined && !last.begun && last.size < batchSize) return last;
    const batch = new PublishBatch(++this.#batchesMade);
    if (this.#batches.push(batch) === 1) this.#schedule();
    return batch;
  }

  /** Delivery runs in no publisher's async context. */
  #schedule(): void {
    cleanContext(() => setImmediate(() => this.#deliverBatches()));
  }

  /** Delivers for a while; the rest waits for the next turn, so that nothing else starves. */
  #deliverBatches(): void {
    const until = performance.now() + deliveryBudget;
    this.#delivery ??= this.#deliveries();
    do {
      for (let count = 0; count < subscribersPerLook; count++) {
        if (!this.#delivery.next().done) continue;
        this.#delivery = undefined;
        return;
      }
    } while (performance.now() < until);
    this.#schedule();
  }

  /** Delivers to one subscriber a step, batch by batch. */
  *#deliveries(): Generator<void> {
    for (let batch = this.#batches[0]; batch !== undefined; batch = this.#batches[0]) {
      batch.begun = true;
      for (const topic of batch.topics) {
        for (const subscriber of topic.subscribers) {
          deliver(batch, subscriber);
          yield;
        }
      }
      this.#batches.shift();
      this.#backlog -= batch.size;
      batch.end();
    }
  }

  async #pace(topic: Topic, batch: PublishBatch | undefined): Promise<void> {
    await batch?.delivered;
    if (!tallyOf(topic).crowded) return;
    topic.roomier ??= roomier(topic);
    await topic.roomier;
  }
}

function nothing(): void {}

/** How nobody stands. */
const nobody = { of: 0, refusing: 0 };

/** The outcome of a publication; `delivered` is looked into only when it is asked for. */
class Published implements PublishResult {
  readonly reached: number;
  readonly dropped: number;
  readonly #delivered: (() => Promise<void>) | undefined;
  readonly #stored: Promise<string | undefined> | undefined;

  constructor(
    reached: number,
    dropped: number,
    delivered: (() => Promise<void>) | undefined,
    stored: Promise<string | undefined> | undefined,
  ) {
    this.reached = reached;
    this.dropped = dropped;
    this.#delivered = delivered;
    this.#stored = stored;
  }

  get delivered(): Promise<void> {
    return this.#delivered?.() ?? Promise.resolve();
  }

  get stored(): Promise<string | undefined> {
    return this.#stored ?? Promise.resolve(undefined);
  }
}

/** A subscription to a topic of this process: ready at once, and derived from the topic, which alone knows of it. */
class OwnSubscription implements Subscription {
  readonly topic: string;
  readonly #topics: Topics;
  readonly #subscriber: Subscriber;

  constructor(topics: Topics, subscriber: Subscriber, topic: string) {
    this.#topics = topics;
    this.#subscriber = subscriber;
    this.topic = topic;
  }

  get ready(): Promise<Subscribed> {
    const isThere = [...this.#subscriber.topics].some(({ name }) => name === this.topic);
    return Promise.resolve({ replayed: 0, ...(!isThere && { reason: "unsubscribed" }) });
  }

  unsubscribe(): boolean {
    return this.#topics.unsubscribe(this.#subscriber, this.topic);
  }
}

/** An exception of a delivery fails its own subscriber, in a later turn: to fail one runs the application's code. */
function deliver(batch: PublishBatch, subscriber: Subscriber): void {
  try {
    batch.deliver(subscriber);
  } catch (error) {
    setImmediate(() => subscriber.deliveryFailed(error));
  }
}

/**
 * Resolves when at least half of the subscribers are below their high-water mark; sooner when they read nothing for a
 * second, and at the latest after five.
 */
async function roomier(topic: Topic): Promise<void> {
  const began = performance.now();
  let moved = began;
  for (let before = Number.POSITIVE_INFINITY; ; ) {
    const { crowded, lag } = tallyOf(topic);
    const now = performance.now();
    if (lag < before) moved = now;
    if (!crowded || now - began >= longestWait || now - moved >= longestStandstill) break;
    before = lag;
    await new Promise<void>((resolve) => void setTimeout(resolve, lookInterval));
  }
  topic.roomier = undefined;
}

function prepare(data: Publishable): PreparedMessage {
  if (PreparedMessage.made(data)) return data;
  if (typeof data === "string" || data instanceof Uint8Array) return new PreparedMessage(data);
  const bytes = viewSource(data);
  if (bytes !== undefined) return new PreparedMessage(bytes);
  throw new TypeError(
    `Cannot publish: data must be a string, an ArrayBuffer or a view of one, not ${kindOfUnsendable(data)}`,
  );
}
