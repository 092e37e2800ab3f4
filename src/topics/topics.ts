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
import { checkOptions, describe, type OptionTable } from "../protocol/check-options.ts";
import type { ResumeRequest } from "../resume/resume-messages.ts";
import { setImmediate } from "../transport/scheduling.ts";
import { type MessageTerms, PublishBatch } from "./publish-batch.ts";
import { checkCluster, type Relay, type RelayedTopics } from "./relay.ts";
import type { Gap, Subscribed, SubscribeOptions, Subscription } from "./subscription.ts";
import { type Subscriber, type Topic, tallyOf } from "./topic.ts";

/**
 * How many subscribers a message is for, and when they have it. They are counted when that is first asked: while the
 * message waits as they stand then, later as it went. `console.log` and `JSON.stringify` ask, and show the two counts.
 */
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

/** The options of `new Topics`, beside its limits. */
export interface TopicsOptions {
  /** What `createCluster` returned: the topics then reach every process of the cluster. Default: they stay in this process. */
  readonly cluster?: Relay;
}

/** Why what is published here takes no options. */
export const noPublishOptions = "it takes no options here; cluster.publish has an id";

const topicsTable: OptionTable<TopicsOptions> = { cluster: "object" };
const subscribeTable: OptionTable<SubscribeOptions> = { since: "any", presence: "any" };

/** A set of topics; every server has its own. */
export class Topics {
  readonly #topics = new Map<string, Topic>();
  readonly #limits: Pick<ServerLimits, "maxTopics" | "maxTopicLength" | "maxPublishBacklogSize">;
  /** Batches that are not delivered to all yet, oldest first. A turn to deliver is due while there are any. */
  readonly #batches: PublishBatch[] = [];
  #batchesMade = 0;
  #backlog = 0;
  #dropped = 0;
  /** @internal What they reach other processes by; undefined where they are this process's alone. */
  readonly cluster: Relay | undefined;
  readonly #relay: RelayedTopics | undefined;

  /** The default limits hold where none are given. Throws a TypeError or a RangeError for limits and options that cannot be. */
  constructor(limits: Partial<ServerLimits> = {}, options: TopicsOptions = {}) {
    this.#limits = resolveLimits(serverLimits, limits);
    checkOptions("make topics", options, topicsTable);
    checkCluster("make topics", options.cluster);
    this.cluster = options.cluster;
    this.#relay = this.cluster?.join(this);
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

  /**
   * Leaves the cluster, where they are in one: connections hear no more of other processes. A server does so by itself; for
   * topics of `accept`, call it when its connections are over.
   */
  close(): void {
    this.#relay?.close();
  }

  /** Publishes to all subscribers of a topic but `except`; they get it when the turn is over. */
  publish(name: string, data: Publishable, except?: Subscriber): PublishResult {
    const message = prepare(data);
    const relayed = this.#relay?.publish(name, message, except);
    if (relayed?.comesBack !== true) return this.#publishHere(name, message, { except }, relayed?.stored);
    const topic = this.#topics.get(name);
    const counts = topic === undefined ? noCounts : countOf(topic, subscribedOf(topic, except), undefined);
    const delivered = () => relayed.stored.then(() => this.pace(name)).catch(() => {});
    return new Published(counts, delivered, relayed.stored);
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
    const topic = this.#topics.get(name);
    if (topic === undefined) return new Published(noCounts, undefined, stored);
    const publisher = subscribedOf(topic, terms.except);
    const size = entrySize + message.data.length;
    if (!this.#hasRoom(size)) {
      const dropped = topic.subscribers.size - (publisher === undefined ? 0 : 1);
      this.#dropped += dropped;
      return new Published({ reached: 0, dropped }, () => this.#pace(topic, this.#batches.at(-1)), stored);
    }
    const batch = this.#gather();
    const share = batch.add(topic, message, size, terms);
    this.#backlog += size;
    const of = topic.subscribers.size;
    const counts = () => countOf(topic, publisher, share.over ? { of, refused: share.refused } : undefined);
    return new Published(counts, () => this.#pace(topic, batch), stored);
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
    if (this.#batches[0]!.begun) return this.#pace(topic, batch);
    // To look at all of them each time would cost as much as to write to them.
    topic.wasCrowded &&= tallyOf(topic).crowded;
    return topic.wasCrowded ? this.#pace(topic, batch) : undefined;
  }

  /** Subscribes; a RangeError when that breaks a limit. A second subscription to the same topic changes nothing. */
  subscribe(subscriber: Subscriber, name: string, options: SubscribeOptions = noOptions): Subscription {
    const { maxTopics, maxTopicLength } = this.#limits;
    if (options !== noOptions) checkOptions("subscribe", options, subscribeTable);
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
    const first = Math.max(0, subscriber.batch - oldest.number);
    for (const batch of this.#batches.slice(first)) batch.deliver(subscriber, false);
  }

  #hasRoom(size: number): boolean {
    return this.#backlog === 0 || this.#backlog + size <= this.#limits.maxPublishBacklogSize;
  }

  #makeTopic(name: string): Topic {
    const topic: Topic = { name, subscribers: new Set(), share: undefined, wasCrowded: false, roomier: undefined };
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
    for (let batch = this.#batches[0]; batch !== undefined; batch = this.#batches[0]) {
      while (batch.deliverSome(subscribersPerLook)) {
        if (performance.now() >= until) return this.#schedule();
      }
      this.#batches.shift();
      this.#backlog -= batch.size;
      this.#dropped += batch.dropped;
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

const noOptions: SubscribeOptions = {};

/** Where `console.log` asks what to show. */
const inspected = Symbol.for("nodejs.util.inspect.custom");

function nothing(): void {}

/** How many a publication reached, and how many not. */
type Counts = Pick<PublishResult, "reached" | "dropped">;

const noCounts: Counts = { reached: 0, dropped: 0 };

/** The subscriber, where it is one of the topic's. */
function subscribedOf(topic: Topic, subscriber: Subscriber | undefined): Subscriber | undefined {
  return subscriber !== undefined && topic.subscribers.has(subscriber) ? subscriber : undefined;
}

/** Counts for whom a publication was that is delivered, else for whom it is as they stand now. */
function countOf(
  topic: Topic,
  publisher: Subscriber | undefined,
  delivered: { readonly of: number; readonly refused: ReadonlySet<Subscriber> | undefined } | undefined,
): Counts {
  const of = delivered?.of ?? topic.subscribers.size;
  const dropped = delivered === undefined ? tallyOf(topic).refusing : (delivered.refused?.size ?? 0);
  const isDropped = delivered === undefined ? !publisher?.takesFrames() : delivered.refused?.has(publisher!) === true;
  return { reached: of - dropped - (publisher === undefined || isDropped ? 0 : 1), dropped };
}

/** The outcome of a publication; each part is looked into only when it is asked for. */
class Published implements PublishResult {
  #counts: Counts | (() => Counts);
  readonly #delivered: (() => Promise<void>) | undefined;
  readonly #stored: Promise<string | undefined> | undefined;

  constructor(
    counts: Counts | (() => Counts),
    delivered: (() => Promise<void>) | undefined,
    stored: Promise<string | undefined> | undefined,
  ) {
    this.#counts = counts;
    this.#delivered = delivered;
    this.#stored = stored;
  }

  get reached(): number {
    return this.#count().reached;
  }

  get dropped(): number {
    return this.#count().dropped;
  }

  get delivered(): Promise<void> {
    return this.#delivered?.() ?? Promise.resolve();
  }

  get stored(): Promise<string | undefined> {
    return this.#stored ?? Promise.resolve(undefined);
  }

  /** What getters tell is shown neither in JSON nor by `console.log`. */
  toJSON(): Counts {
    const { reached, dropped } = this;
    return { reached, dropped };
  }

  [inspected](): Counts {
    return this.toJSON();
  }

  #count(): Counts {
    if (typeof this.#counts === "function") this.#counts = this.#counts();
    return this.#counts;
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
