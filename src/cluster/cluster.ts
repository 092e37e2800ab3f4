/**
 * A cluster as applications have it: topics across processes and machines, over a broker that orders and stores.
 */

import { Buffer } from "node:buffer";
import { viewSource } from "../protocol/bytes.ts";
import { checkNumber } from "../protocol/check-number.ts";
import { checkOptions, describe, type OptionTable } from "../protocol/check-options.ts";
import type { LocalTopics, Relay, RelayedTopics } from "../topics/relay.ts";
import type { Gap, Since, Subscription } from "../topics/subscription.ts";
import { ClusterError } from "./broker/cluster-error.ts";
import { continuityOf, positionToText } from "./broker/entry.ts";
import { ClusterNode, type ClusterState, type NodeCounters } from "./cluster-node.ts";
import { type ClusterOptions, type ResolvedCluster, resolveCluster } from "./cluster-options.ts";
import { type ClusterMessage, HandlerSubscription } from "./handler-subscription.ts";
import { unwrap } from "./node/envelope.ts";
import { inTime } from "./node/in-time.ts";
import { toClusterError } from "./node/publisher.ts";
import type { PresenceChange } from "./presence/presence-changes.ts";
import type { Presence, PresenceNode } from "./presence/presence-node.ts";
import { ServerRelay, startOf } from "./server-relay.ts";

/** The options of `cluster.publish`. */
export interface ClusterPublishOptions {
  /** Names the message: within five minutes a second one of the topic with this id is not stored, but counts as the first. */
  readonly id?: string;
}

/** The options of `cluster.subscribe`. */
export interface ClusterSubscribeOptions {
  /** Where it begins; anything but `"now"` needs a topic with history. Default `"now"`. */
  readonly since?: Since;
  /** Called where messages are missing. */
  readonly gap?: (gap: Gap) => unknown;
  /** Ends the subscription when it aborts. */
  readonly signal?: AbortSignal;
}

/** The options of `cluster.presenceChanges`. */
export interface PresenceChangesOptions {
  /** Ends each loop when it aborts, without an error. */
  readonly signal?: AbortSignal;
}

/** The options of `cluster.history`. */
export interface HistoryOptions {
  /** Behind which position to read, or how many of the newest messages. Default `{ last: limit }`. */
  readonly since?: Exclude<Since, "now">;
  /** The most messages, 1 to 10,000. Default 100. */
  readonly limit?: number;
}

/** A piece of a topic's history. */
export interface ClusterHistory {
  readonly messages: readonly ClusterMessage[];
  /** Whether nothing is missing between `since` and the first message. */
  readonly complete: boolean;
  /** Behind the last of the messages: where to read on, or to subscribe. */
  readonly position: string;
}

/** The numbers of a cluster. Counts begin with it. */
export interface ClusterMetrics extends Readonly<NodeCounters> {
  /** Whether the broker can be reached. */
  readonly state: ClusterState;
  /** The number of topics that this node is subscribed to now. */
  readonly topics: number;
  /** The number of messages that wait for the broker now. */
  readonly pending: number;
  /** The number of members that this node has now; a connection counts once for each topic. */
  readonly members: number;
}

const subscribeTable: OptionTable<ClusterSubscribeOptions> = { since: "any", gap: "function", signal: "object" };
const publishTable: OptionTable<ClusterPublishOptions> = { id: "string" };
const changesTable: OptionTable<PresenceChangesOptions> = { signal: "object" };
const historyTable: OptionTable<HistoryOptions> = { since: "any", limit: "number" };

/** Makes a cluster; it connects at once. Throws a TypeError or a RangeError for options that cannot be. */
export function createCluster(options: ClusterOptions = {}): Cluster {
  return new Cluster(resolveCluster(options));
}

/** A cluster, as `createCluster` returns it and the option `cluster` of `serve` takes it. */
export class Cluster implements Relay {
  readonly #node: ClusterNode;
  readonly #handlers = new Set<() => boolean>();

  /** @internal Applications call `createCluster`. */
  constructor(options: ResolvedCluster) {
    this.#node = new ClusterNode(options);
  }

  /** Resolves when the broker answers. Rejects with a `ClusterError` for what waiting cannot heal. */
  get ready(): Promise<void> {
    return this.#node.ready;
  }

  /** Whether the broker can be reached; for readiness probes. */
  get state(): ClusterState {
    return this.#node.state;
  }

  /**
   * Publishes a message to all nodes; resolves with its position when it is stored, and with undefined for a topic without
   * history.
   *
   * Rejects with a `ClusterError`, whose code says whether it may have been stored, which may be left unhandled. Throws a
   * TypeError for data of another type than text or binary, for options that cannot be and for a topic that is local.
   */
  publish(
    topic: string,
    data: string | ArrayBuffer | ArrayBufferView,
    options: ClusterPublishOptions = {},
  ): Promise<string | undefined> {
    checkOptions("publish", options, publishTable);
    checkTopic("publish", topic);
    const bytes = typeof data === "string" ? data : viewSource(data);
    if (bytes === undefined) throw new TypeError(`Cannot publish: data must be text or bytes, not ${describe(data)}`);
    const { isLocal, history } = this.#node.ruleOf(topic);
    if (isLocal) throw new TypeError(`Cannot publish: the topic ${describe(topic)} stays in each server`);
    if (options.id !== undefined && !history) throw new TypeError("Cannot publish: an id is for topics with history");
    if (options.id !== undefined && Buffer.byteLength(options.id) > 256) {
      throw new RangeError("Cannot publish: an id has at most 256 bytes");
    }
    const publishing = this.#node.publish(topic, { data: bytes, node: noServer, session: "" }, options.id);
    publishing.catch(() => {});
    return publishing;
  }

  /**
   * Subscribes the process itself: the handler gets the messages one after another, and is not waited for; its exceptions
   * go to `log`.
   *
   * Throws a TypeError for a `since` of a topic without history, and a `ClusterError` when the cluster is closed.
   */
  subscribe(
    topic: string,
    handler: (message: ClusterMessage) => unknown,
    options: ClusterSubscribeOptions = {},
  ): Subscription {
    checkOptions("subscribe", options, subscribeTable);
    checkTopic("subscribe", topic);
    if (typeof handler !== "function") {
      throw new TypeError(`Cannot subscribe: the handler must be a function, not ${describe(handler)}`);
    }
    this.#checkOpen("subscribe");
    const { since = "now", gap, signal } = options;
    checkSignal("subscribe", signal);
    const rule = this.#node.ruleOf(topic);
    if (rule.isLocal) throw new TypeError(`Cannot subscribe: the topic ${describe(topic)} stays in each server`);
    const from = startOf("subscribe", since, rule);
    const failed = (cause: unknown) => this.#node.failed(new Error(`A handler of the topic ${topic} threw`, { cause }));
    const subscription = new HandlerSubscription({ handler, gap, failed });
    const shared = this.#node.acquire(topic, subscription);
    subscription.start(shared, from, this.#node.catchUp);
    const unsubscribe = () => {
      if (!this.#handlers.delete(unsubscribe)) return false;
      signal?.removeEventListener("abort", unsubscribe);
      subscription.end();
      this.#node.release(shared, subscription);
      return true;
    };
    this.#handlers.add(unsubscribe);
    signal?.addEventListener("abort", unsubscribe);
    if (signal?.aborted) unsubscribe();
    const { ready } = subscription;
    return { topic, ready, unsubscribe };
  }

  /**
   * Reads a piece of a topic's history. Rejects with a TypeError where it has none, and with a `ClusterError`, which is
   * `unavailable` where the broker has not answered in five seconds.
   */
  async history(topic: string, options: HistoryOptions = {}): Promise<ClusterHistory> {
    checkOptions("read history", options, historyTable);
    checkTopic("read history", topic);
    const range = { least: 1, most: 10_000, whole: true };
    const limit = checkNumber("read history", "limit", options.limit ?? 100, range);
    const rule = this.#node.ruleOf(topic);
    if (!rule.history) throw new TypeError(`Cannot read history: the topic ${describe(topic)} has no history`);
    const from = startOf("read history", options.since === undefined ? { last: limit } : options.since, rule);
    if (from === undefined) throw new TypeError('Cannot read history: since must be a position or { last }, not "now"');
    this.#checkOpen("read history");
    const { broker, fills } = this.#node;
    const since = "last" in from ? undefined : from;
    const read = async () => broker.history!(topic, since, "last" in from ? from.last : limit);
    const page = await inTime(fills.take(read)).catch((error: unknown) => {
      throw toClusterError(error);
    });
    const messages = page.entries.flatMap((entry) => {
      const message = unwrap(entry.payload);
      return message ? [{ topic, data: message.data, position: positionToText(entry) }] : [];
    });
    const end = page.entries.at(-1) ?? { epoch: page.epoch, offset: page.last };
    const complete = since === undefined || continuityOf(page, since) === "complete";
    return { messages, complete, position: positionToText(end) };
  }

  /**
   * Who is in a topic, of all nodes: those of this one as they are now, and of others as the broker knows them.
   *
   * Rejects with a TypeError where the topic has no presence, and with a `ClusterError` that is not `unavailable`: while the
   * broker is away, and where it has not answered in five seconds, it resolves with this node's members alone.
   */
  async presence(topic: string): Promise<Presence> {
    return this.#presenceOf("read presence", topic).read(topic);
  }

  /**
   * The changes of who is in a topic, for `for await`: first those who are there, as `joined`, then each change.
   *
   * What is missed while the broker is away is told when it is back. A loop that is slow is told how each member is by then.
   * It ends when it is left, when the signal aborts and when the cluster is closed, and throws nothing. Throws a TypeError
   * where the topic has no presence, and a `ClusterError` when the cluster is closed.
   */
  presenceChanges(topic: string, options: PresenceChangesOptions = {}): AsyncIterable<PresenceChange> {
    checkOptions("watch presence", options, changesTable);
    const { signal } = options;
    checkSignal("watch presence", signal);
    const presence = this.#presenceOf("watch presence", topic);
    return { [Symbol.asyncIterator]: () => presence.watch(topic, signal) };
  }

  /** The numbers of the cluster, as they are now. */
  metrics(): ClusterMetrics {
    const { counters, state, topicCount, pending, presence } = this.#node;
    return { ...counters, state, topics: topicCount, pending, members: presence?.count ?? 0 };
  }

  /** Lets go of the broker: what waits fails, subscriptions get nothing more. Never rejects. */
  async close(): Promise<void> {
    for (const end of [...this.#handlers]) end();
    await this.#node.close();
  }

  /** The same as `close`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** What a server does that has this cluster as an option. */
  join(topics: LocalTopics): RelayedTopics {
    return new ServerRelay(this.#node, topics);
  }

  #presenceOf(action: string, topic: string): PresenceNode {
    checkTopic(action, topic);
    const { presence } = this.#node;
    if (!presence || !this.#node.ruleOf(topic).hasPresence) {
      throw new TypeError(`Cannot ${action}: the topic ${describe(topic)} has no presence`);
    }
    this.#checkOpen(action);
    return presence;
  }

  #checkOpen(action: string): void {
    if (this.#node.state === "closed") throw new ClusterError("closed", `Cannot ${action}: the cluster is closed`);
  }
}

/** What is published by the process itself comes from none of its servers. */
const noServer = "0".repeat(16);

function checkSignal(action: string, signal: AbortSignal | undefined): void {
  if (signal === undefined || typeof signal.addEventListener === "function") return;
  throw new TypeError(`Cannot ${action}: the option "signal" must be an AbortSignal`);
}

function checkTopic(action: string, topic: unknown): void {
  if (typeof topic !== "string") throw new TypeError(`Cannot ${action}: a topic is a string, not ${describe(topic)}`);
  const length = Buffer.byteLength(topic);
  if (length === 0 || length > 4096)
    throw new RangeError(`Cannot ${action}: a topic has 1 to 4096 bytes, not ${length}`);
}
