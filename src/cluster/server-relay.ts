/**
 * The topics of one server in a cluster: what is published there goes to the broker, and what comes back is delivered there.
 */

import { randomBytes } from "node:crypto";
import { PreparedMessage } from "../connection/sending/prepared-message.ts";
import { checkNumber } from "../protocol/check-number.ts";
import { describe } from "../protocol/check-options.ts";
import type { LocalTopics, Relayed, RelayedTopics } from "../topics/relay.ts";
import type { Gap, Since, SubscribeOptions, Subscription } from "../topics/subscription.ts";
import type { Subscriber } from "../topics/topic.ts";
import { type Entry, type LogPosition, positionFromText, positionToText } from "./broker/entry.ts";
import { type CatchUpParts, catchUp } from "./catch-up.ts";
import { ClusterSubscription } from "./cluster-subscription.ts";
import type { ClusterTopic, Received, Receiver } from "./node/cluster-topic.ts";
import { type Unwrapped, unwrap } from "./node/envelope.ts";
import type { LogGap } from "./node/log-reader.ts";
import type { ResolvedRule } from "./node/topic-rules.ts";

/** The cluster as its servers use it. */
export interface RelayNode {
  readonly catchUp: CatchUpParts;
  ruleOf(topic: string): ResolvedRule;
  /** The topic, subscribed to at the broker from now on. */
  acquire(topic: string, receiver: Receiver): ClusterTopic;
  /** The receiver wants it no more. */
  release(topic: ClusterTopic, receiver: Receiver): void;
  /** Undefined where no topic has members. */
  readonly presence:
    | {
        encode(data: unknown): string;
        set(topic: string, connection: Subscriber, data: string | undefined): void;
      }
    | undefined;
  /** Whether half of what may wait for the broker waits. */
  readonly isBehind: boolean;
  publish(topic: string, message: Unwrapped): Promise<string | undefined>;
  /** A gap that a connection was not told of. */
  untold(gap: Gap): void;
  failed(error: Error): void;
}

/** A topic with subscribers here. */
interface Shared {
  readonly topic: ClusterTopic;
  readonly subscriptions: Set<ClusterSubscription>;
  /** Whether its subscribers were told that too much waits, and nothing was delivered since. */
  isOverloaded: boolean;
}

/** See the head of this file. */
export class ServerRelay implements RelayedTopics, Receiver {
  readonly #node: RelayNode;
  readonly #local: LocalTopics;
  /** Names this server in what it publishes. */
  readonly #id: string = randomBytes(8).toString("hex");
  readonly #shared = new Map<string, Shared>();
  readonly #publishers = new Map<string, Subscriber>();
  readonly #sessions = new WeakMap<Subscriber, string>();
  /** What is sent again to several clients is encoded once. */
  readonly #prepared = new WeakMap<Entry, PreparedMessage>();

  constructor(node: RelayNode, local: LocalTopics) {
    this.#node = node;
    this.#local = local;
  }

  // For the server's topics

  /** See `RelayedTopics`. */
  get isBehind(): boolean {
    return this.#node.isBehind;
  }

  /** See `RelayedTopics`. */
  publish(name: string, message: PreparedMessage, publisher: Subscriber | undefined): Relayed | undefined {
    const rule = this.#node.ruleOf(name);
    if (rule.isLocal) return undefined;
    const session = publisher === undefined ? "" : this.#sessionOf(publisher);
    const stored = this.#node.publish(name, { data: message.data, node: this.#id, session });
    // Whoever does not look at it has not asked to be told.
    stored.catch(() => {});
    return { stored, comesBack: rule.history !== undefined };
  }

  /** See `RelayedTopics`. */
  subscribe(subscriber: Subscriber, name: string, { since = "now", presence }: SubscribeOptions): Subscription {
    subscriber.relayed ??= new Map();
    const known = subscriber.relayed.get(name);
    const rule = this.#node.ruleOf(name);
    const from = known ? undefined : startOf(since, rule);
    if (presence !== undefined) this.#makeMember(subscriber, name, presence);
    if (known) return known;
    const subscription = new ClusterSubscription(name, subscriber, {
      hasSince: since !== "now",
      end: () => this.unsubscribe(subscriber, name),
    });
    subscriber.relayed.set(name, subscription);
    if (rule.isLocal) {
      this.#local.add(subscriber, name);
      subscription.isReady(undefined);
      return subscription;
    }
    const { topic, subscriptions } = this.#share(name);
    subscriptions.add(subscription);
    if (from === undefined) this.#join(subscription, topic);
    else void this.#catchUp(subscription, topic, from);
    return subscription;
  }

  /** See `RelayedTopics`. */
  unsubscribe(subscriber: Subscriber, name: string): boolean {
    const subscription = subscriber.relayed?.get(name) as ClusterSubscription | undefined;
    if (subscription === undefined) return false;
    this.#end(subscription, "unsubscribed");
    this.#local.remove(subscriber, name);
    return true;
  }

  /** See `RelayedTopics`. */
  leave(subscriber: Subscriber): void {
    const session = this.#sessions.get(subscriber);
    if (session !== undefined) this.#publishers.delete(session);
    for (const subscription of [...(subscriber.relayed?.values() ?? [])]) {
      this.#end(subscription as ClusterSubscription, "closed");
    }
  }

  /** See `RelayedTopics`. */
  close(): void {
    for (const { topic, subscriptions } of [...this.#shared.values()]) {
      for (const subscription of [...subscriptions]) this.#end(subscription, "closed");
      this.#node.release(topic, this);
    }
  }

  // For the cluster's topics

  /** See `Receiver`. */
  receive(topic: ClusterTopic, received: Received): void {
    if (received.position === undefined && received.node === this.#id) return;
    const message = this.#prepare(topic, received, received.position);
    const except = received.session === "" ? undefined : this.#publishers.get(received.session);
    if (received.number !== undefined) return this.#receiveAgain(topic, received.number, message);
    const isDelivered = this.#local.deliver(topic.name, message, except);
    const shared = this.#shared.get(topic.name);
    if (shared === undefined || received.position === undefined) return;
    const wasOverloaded = shared.isOverloaded;
    shared.isOverloaded = !isDelivered;
    if (isDelivered || wasOverloaded) return;
    this.#tell({ topic: topic.name, reason: "overloaded", position: positionToText(received.position) });
  }

  /** See `Receiver`. */
  gap(topic: ClusterTopic, reason: LogGap): void {
    this.#tell({ topic: topic.name, reason, position: positionToText(topic.reader!.position!) });
  }

  // Subscriptions

  #makeMember(subscriber: Subscriber, name: string, data: unknown): void {
    const { presence } = this.#node;
    if (!presence || !this.#node.ruleOf(name).hasPresence) {
      throw new TypeError(`Cannot subscribe: the topic ${describe(name)} has no presence`);
    }
    presence.set(name, subscriber, presence.encode(data));
  }

  #share(name: string): Shared {
    let shared = this.#shared.get(name);
    if (shared === undefined) {
      shared = { topic: this.#node.acquire(name, this), subscriptions: new Set(), isOverloaded: false };
      this.#shared.set(name, shared);
    }
    return shared;
  }

  /** From now on it reads with the others. */
  #join(subscription: ClusterSubscription, topic: ClusterTopic): void {
    this.#local.add(subscription.subscriber, topic.name);
    subscription.joined = topic.recent.count;
    if (topic.isReady) subscription.isReady(topic.reader?.position);
    else void this.#whenReady(subscription, topic);
  }

  async #whenReady(subscription: ClusterSubscription, topic: ClusterTopic): Promise<void> {
    while (!topic.isReady && !subscription.isSettled) await topic.moved;
    subscription.isReady(topic.reader?.position);
  }

  async #catchUp(
    subscription: ClusterSubscription,
    topic: ClusterTopic,
    from: LogPosition | { readonly last: number },
  ): Promise<void> {
    const { subscriber } = subscription;
    await catchUp(
      topic,
      from,
      {
        isOver: () => subscriber.relayed?.get(topic.name) !== subscription || subscription.isSettled,
        deliver: (entry) => this.#sendAgain(subscription, topic, entry),
        gap: (reason, position) => {
          const gap = { topic: topic.name, reason, position: positionToText(position) };
          this.#local.catchUp(subscriber);
          subscription.gap(gap);
          if (!subscriber.gap) this.#node.untold(gap);
        },
        ready: () => subscriber.ready?.(),
        level: () => this.#join(subscription, topic),
      },
      this.#node.catchUp,
    );
  }

  #end(subscription: ClusterSubscription, reason: string): void {
    const { topic: name, subscriber } = subscription;
    subscriber.relayed?.delete(name);
    this.#node.presence?.set(name, subscriber, undefined);
    subscription.ended(reason);
    const shared = this.#shared.get(name);
    if (!shared?.subscriptions.delete(subscription) || shared.subscriptions.size > 0) return;
    this.#shared.delete(name);
    this.#node.release(shared.topic, this);
  }

  // Messages

  #prepare(topic: ClusterTopic, { data }: Unwrapped, position: LogPosition | undefined): PreparedMessage {
    const { encode } = topic.rule;
    if (encode === undefined || position === undefined) return new PreparedMessage(data);
    try {
      return new PreparedMessage(encode({ topic: topic.name, data, position: positionToText(position) }));
    } catch (error) {
      // The message is not to be lost for it.
      this.#node.failed(new Error(`encode of the topic ${topic.name} threw`, { cause: error }));
      return new PreparedMessage(data);
    }
  }

  #sendAgain(subscription: ClusterSubscription, topic: ClusterTopic, entry: Entry): void {
    const { subscriber } = subscription;
    const message = unwrap(entry.payload);
    if (message === undefined || (message.session !== "" && message.session === this.#sessions.get(subscriber))) return;
    let prepared = this.#prepared.get(entry);
    if (prepared === undefined) {
      prepared = this.#prepare(topic, message, entry);
      this.#prepared.set(entry, prepared);
    }
    subscription.replayed++;
    this.#send(subscriber, prepared);
  }

  /** A message that was lost and stored once more is for those who were not here when it came first. */
  #receiveAgain(topic: ClusterTopic, number: number, message: PreparedMessage): void {
    for (const { subscriber, joined } of this.#shared.get(topic.name)?.subscriptions ?? []) {
      if (joined !== undefined && joined > number) this.#send(subscriber, message);
    }
  }

  #send(subscriber: Subscriber, message: PreparedMessage): void {
    try {
      this.#local.catchUp(subscriber);
      subscriber.sendFrames(message.frameFor(subscriber.compression), 1);
    } catch (error) {
      subscriber.deliveryFailed(error);
    }
  }

  #tell(gap: Gap): void {
    if (!this.#local.tellGap(gap)) this.#node.untold(gap);
  }

  #sessionOf(subscriber: Subscriber): string {
    let session = this.#sessions.get(subscriber);
    if (session === undefined) {
      session = randomBytes(16).toString("hex");
      this.#sessions.set(subscriber, session);
      this.#publishers.set(session, subscriber);
    }
    return session;
  }
}

/** The start that `since` asks for; undefined for now. What a client gave that is no position is one of no log. */
export function startOf(since: Since, { history }: ResolvedRule): LogPosition | { readonly last: number } | undefined {
  if (since === "now") return undefined;
  if (history === undefined) throw new TypeError("Cannot subscribe: since is for topics with history");
  if (typeof since === "string") return positionFromText(since) ?? { epoch: "-", offset: 0 };
  if (typeof since !== "object" || since === null) {
    throw new TypeError(`Cannot subscribe: since must be "now", a position or { last }, not ${describe(since)}`);
  }
  const last = checkNumber("subscribe", "since.last", since.last, { least: 0, most: 10_000, whole: true });
  return { last };
}
