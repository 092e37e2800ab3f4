/**
 * The topics of one server in a cluster: what is published there goes to the broker, and what comes back is delivered there.
 */

import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import { PreparedMessage } from "../connection/sending/prepared-message.ts";
import { checkNumber } from "../protocol/check-number.ts";
import { describe } from "../protocol/check-options.ts";
import { messageText, type ResumeRequest } from "../resume/resume-messages.ts";
import { type Mark, type Marked, markedFrames } from "../topics/marked-frames.ts";
import type { LocalTopics, Relayed, RelayedTopics } from "../topics/relay.ts";
import type { Gap, Since, SubscribeOptions, Subscription } from "../topics/subscription.ts";
import type { Subscriber } from "../topics/topic.ts";
import { type Entry, type LogPosition, positionFromText, positionToText } from "./broker/entry.ts";
import { type CatchUpParts, catchUp } from "./catch-up.ts";
import { ClusterSubscription } from "./cluster-subscription.ts";
import type { ClusterTopic, Received, Receiver } from "./node/cluster-topic.ts";
import { type Unwrapped, unwrap } from "./node/envelope.ts";
import type { Grants } from "./node/grants.ts";
import type { LogGap } from "./node/log-reader.ts";
import type { ResolvedRule } from "./node/topic-rules.ts";

/** The cluster as its servers use it. */
export interface RelayNode {
  readonly catchUp: CatchUpParts;
  readonly grants: Grants;
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
  /** What clients that speak the resume protocol know it by. */
  readonly n: number;
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
  #numbered = 0;
  readonly #publishers = new Map<string, Subscriber>();
  /** What a subscriber publishes with is the first; one that came back may have published before it said so. */
  readonly #sessions = new WeakMap<Subscriber, readonly string[]>();
  /** What is sent again to several clients is encoded once. */
  readonly #prepared = new WeakMap<Entry, PreparedMessage>();
  /** The same as it was published, where it is encoded for others. */
  readonly #published = new WeakMap<Entry, PreparedMessage>();

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
  begin(subscriber: Subscriber, request: ResumeRequest): void {
    const { session } = request;
    if (session !== undefined && sessionText.test(session)) this.#nameSession(subscriber, session);
    subscriber.resuming!.tell(messageText({ type: "session", session: this.#sessionOf(subscriber) }));
    subscriber.resuming!.begin(request);
  }

  /** See `RelayedTopics`. */
  subscribe(subscriber: Subscriber, name: string, { since, presence }: SubscribeOptions): Subscription {
    subscriber.relayed ??= new Map();
    const known = subscriber.relayed.get(name);
    const rule = this.#node.ruleOf(name);
    const from = known ? undefined : startOf("subscribe", since === undefined ? "now" : since, rule);
    if (presence !== undefined) this.#makeMember(subscriber, name, presence);
    if (known) return known;
    const subscription = new ClusterSubscription(name, subscriber, {
      hasSince: from !== undefined,
      end: () => this.unsubscribe(subscriber, name),
    });
    subscriber.relayed.set(name, subscription);
    if (rule.isLocal) {
      this.#local.add(subscriber, name);
      subscription.isReady(undefined);
      return subscription;
    }
    const shared = this.#share(name);
    const { topic, subscriptions } = shared;
    subscriptions.add(subscription);
    if (subscriber.resuming && rule.history) {
      void this.#resume(subscription, shared, { from, mayClaim: since === undefined || typeof since === "object" });
    } else if (from === undefined) this.#join(subscription, topic);
    else void this.#catchUp(subscription, topic, from);
    return subscription;
  }

  /** See `RelayedTopics`. */
  unsubscribe(subscriber: Subscriber, name: string): boolean {
    const subscription = subscriber.relayed?.get(name) as ClusterSubscription | undefined;
    if (subscription === undefined) return false;
    this.#end(subscription, "unsubscribed");
    this.#local.remove(subscriber, name);
    const { n } = subscription;
    if (n !== undefined) subscriber.resuming!.tell(messageText({ type: "unsubscribed", n }));
    return true;
  }

  /** See `RelayedTopics`. */
  leave(subscriber: Subscriber): void {
    for (const session of this.#sessions.get(subscriber) ?? []) {
      if (this.#publishers.get(session) === subscriber) this.#publishers.delete(session);
    }
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
    const shared = this.#shared.get(topic.name);
    if (shared === undefined || received.position === undefined) {
      this.#local.deliver(topic.name, message, { except });
      return;
    }
    const mark = new LogMark(shared.n, received.position.offset, topic.rule.encode ? received.data : message);
    if (received.number !== undefined) return this.#receiveAgain(shared, received.number, { message, mark, except });
    const isDelivered = this.#local.deliver(topic.name, message, { except, mark });
    const wasOverloaded = shared.isOverloaded;
    shared.isOverloaded = !isDelivered;
    if (isDelivered || wasOverloaded) return;
    this.#tell(topic, "overloaded", received.position);
  }

  /** See `Receiver`. */
  gap(topic: ClusterTopic, reason: LogGap): void {
    this.#tell(topic, reason, topic.reader!.position!);
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
      const topic = this.#node.acquire(name, this);
      shared = { topic, n: ++this.#numbered, subscriptions: new Set(), isOverloaded: false };
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

  /** One whose client speaks the resume protocol: it begins when the client has said where it was. */
  async #resume(
    subscription: ClusterSubscription,
    { topic, n }: Shared,
    { from, mayClaim }: { readonly from: ReturnType<typeof startOf>; readonly mayClaim: boolean },
  ): Promise<void> {
    const { subscriber } = subscription;
    const { grants } = this.#node;
    const resuming = subscriber.resuming!;
    // Where it is now, or when that is known: a client may take its time to say where it was.
    const noting = positionOf(topic, subscription);
    await resuming.begun;
    await grants.known;
    const noted = await noting;
    if (noted === undefined || isOver(subscription)) return;
    const claim = mayClaim ? resuming.take(topic.name) : undefined;
    const granted = claim && grants.allows(claim) ? claim : undefined;
    if (claim) subscription.hasSince = true;
    const begins = (position: LogPosition) => {
      const grant = granted?.grant ?? grants.make(topic.name, position);
      subscription.n = n;
      resuming.tell(messageText({ type: "subscribed", n, topic: topic.name, position, grant }));
      // Its client sees that by the position.
      if (claim && !granted)
        subscription.gap({ topic: topic.name, reason: "refused", position: positionToText(position) });
    };
    await this.#catchUp(subscription, topic, granted?.position ?? from ?? noted, begins);
    if (!claim || subscriber.relayed?.get(topic.name) !== subscription) return;
    const { replayed, reason } = subscription;
    resuming.tell(messageText({ type: "resumed", n, recovered: reason === undefined, replayed, reason }));
  }

  async #catchUp(
    subscription: ClusterSubscription,
    topic: ClusterTopic,
    from: LogPosition | { readonly last: number },
    begins?: (position: LogPosition) => void,
  ): Promise<void> {
    const { subscriber } = subscription;
    await catchUp(
      topic,
      from,
      {
        isOver: () => isOver(subscription),
        ...(begins && { begins }),
        deliver: (entry) => this.#sendAgain(subscription, topic, entry),
        gap: (reason, position) => {
          const gap = { topic: topic.name, reason, position: positionToText(position) };
          this.#local.catchUp(subscriber);
          subscriber.resuming?.tell(this.#gapText(topic, subscription.n!, reason, position));
          subscription.gap(gap);
          if (!subscriber.gap && !subscriber.resuming) this.#node.untold(gap);
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
    const { subscriber, n } = subscription;
    const message = unwrap(entry.payload);
    const isOwn = message !== undefined && this.#sessions.get(subscriber)?.includes(message.session) === true;
    const prepared = message && !isOwn ? this.#preparedOf(topic, message, entry, n !== undefined) : undefined;
    if (prepared) subscription.replayed++;
    this.#send(subscriber, {
      message: prepared ?? nothing,
      mark: n === undefined ? undefined : { n, offset: entry.offset, message: prepared ?? nothing },
      except: prepared ? undefined : subscriber,
    });
  }

  #preparedOf(topic: ClusterTopic, message: Unwrapped, entry: Entry, asPublished: boolean): PreparedMessage {
    const known = asPublished && topic.rule.encode ? this.#published : this.#prepared;
    let prepared = known.get(entry);
    if (prepared === undefined) {
      prepared = known === this.#published ? new PreparedMessage(message.data) : this.#prepare(topic, message, entry);
      known.set(entry, prepared);
    }
    return prepared;
  }

  /** A message that was lost and stored once more is for those who were not here when it came first. */
  #receiveAgain({ subscriptions }: Shared, number: number, marked: Marked): void {
    for (const { subscriber, joined } of subscriptions) {
      if (joined === undefined) continue;
      const hadIt = joined <= number || subscriber === marked.except;
      this.#send(subscriber, { ...marked, except: hadIt ? subscriber : undefined });
    }
  }

  /** Sends one message to one subscriber, behind what was delivered before. */
  #send(subscriber: Subscriber, marked: Marked): void {
    try {
      this.#local.catchUp(subscriber);
      const { compression, resuming } = subscriber;
      if (resuming) {
        const frames = markedFrames([marked], subscriber);
        subscriber.sendFrames(Buffer.concat(frames), frames.length);
      } else if (marked.except !== subscriber) subscriber.sendFrames(marked.message.frameFor(compression), 1);
    } catch (error) {
      subscriber.deliveryFailed(error);
    }
  }

  #tell(topic: ClusterTopic, reason: Gap["reason"], position: LogPosition): void {
    const gap = { topic: topic.name, reason, position: positionToText(position) };
    let text: string | undefined;
    const ofGap = () => {
      text ??= this.#gapText(topic, this.#shared.get(topic.name)!.n, reason, position);
      return text;
    };
    if (!this.#local.tellGap(gap, ofGap)) this.#node.untold(gap);
  }

  #gapText({ name }: ClusterTopic, n: number, reason: Gap["reason"], position: LogPosition): string {
    return messageText({ type: "gap", n, reason, position, grant: this.#node.grants.make(name, position) });
  }

  #sessionOf(subscriber: Subscriber): string {
    return this.#sessions.get(subscriber)?.[0] ?? this.#nameSession(subscriber, randomBytes(16).toString("hex"));
  }

  #nameSession(subscriber: Subscriber, session: string): string {
    this.#sessions.set(subscriber, [session, ...(this.#sessions.get(subscriber) ?? [])]);
    this.#publishers.set(session, subscriber);
    return session;
  }
}

/** Stands for a message that does not come. */
const nothing = new PreparedMessage("");
const sessionText = /^(?!0+$)[0-9a-f]{32}$/;

/** Where the topic is when it is first known; undefined where the subscription is over before. */
async function positionOf(topic: ClusterTopic, subscription: ClusterSubscription): Promise<LogPosition | undefined> {
  while (!topic.isReady && !isOver(subscription)) await topic.moved;
  return topic.reader!.position;
}

function isOver(subscription: ClusterSubscription): boolean {
  return subscription.subscriber.relayed?.get(subscription.topic) !== subscription || subscription.isSettled;
}

/** A mark whose message is made only where somebody wants it. */
class LogMark implements Mark {
  readonly n: number;
  readonly offset: number;
  #message: PreparedMessage | string | Uint8Array;

  constructor(n: number, offset: number, message: PreparedMessage | string | Uint8Array) {
    this.n = n;
    this.offset = offset;
    this.#message = message;
  }

  get message(): PreparedMessage {
    if (!(this.#message instanceof PreparedMessage)) this.#message = new PreparedMessage(this.#message);
    return this.#message;
  }
}

/**
 * The start that `since` asks for; undefined for now. What a client gave that is no position is one of no log. Throws a TypeError
 * for what is no start, and where the topic has no history.
 */
export function startOf(
  action: string,
  since: Since,
  { history }: ResolvedRule,
): LogPosition | { readonly last: number } | undefined {
  if (since === "now") return undefined;
  const isPosition = typeof since === "string";
  if (!isPosition && (typeof since !== "object" || since === null)) {
    throw new TypeError(`Cannot ${action}: since must be "now", a position or { last }, not ${describe(since)}`);
  }
  if (history === undefined) throw new TypeError(`Cannot ${action}: since is for topics with history`);
  if (isPosition) return positionFromText(since) ?? { epoch: "-", offset: 0 };
  if (typeof since.last !== "number") {
    throw new TypeError(`Cannot ${action}: since.last must be a number, not ${describe(since.last)}`);
  }
  return { last: checkNumber(action, "since.last", since.last, { least: 0, most: 10_000, whole: true }) };
}
