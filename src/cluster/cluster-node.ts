/**
 * One process in a cluster: the topics that somebody here is subscribed to, what is published here, and the broker.
 */

import { randomBytes } from "node:crypto";
import { channel } from "node:diagnostics_channel";
import { cleanContext } from "../connection/event-loop/async-context.ts";
import type { Gap } from "../topics/subscription.ts";
import { realTime } from "../transport/clock.ts";
import type { Broker } from "./broker/broker.ts";
import { ClusterError } from "./broker/cluster-error.ts";
import type { Entry } from "./broker/entry.ts";
import type { PresenceStep } from "./broker/presence-store.ts";
import type { CatchUpParts } from "./catch-up.ts";
import type { ResolvedCluster } from "./cluster-options.ts";
import { Backoff } from "./node/backoff.ts";
import {
  ClusterTopic,
  type ClusterTopicNode,
  type Receiver,
  type TopicCounters,
  textOf,
} from "./node/cluster-topic.ts";
import { type Unwrapped, wrap, wrappingLength } from "./node/envelope.ts";
import { Grants } from "./node/grants.ts";
import type { LogGap } from "./node/log-reader.ts";
import { Publisher, toClusterError } from "./node/publisher.ts";
import { RecentBudget } from "./node/recent-entries.ts";
import { Subscriptions } from "./node/subscriptions.ts";
import type { ResolvedRule } from "./node/topic-rules.ts";
import { Turns } from "./node/turns.ts";
import { PresenceNode } from "./presence/presence-node.ts";
import type { RelayNode } from "./server-relay.ts";

/** Whether the broker can be reached. */
export type ClusterState = "connecting" | "connected" | "disconnected" | "closed";

/** Counts of a node. */
export interface NodeCounters extends TopicCounters {
  published: number;
  failed: number;
  disconnects: number;
}

/** Each gap of a topic, by `{ topic, reason }`. */
const gaps = channel("openline:cluster:gap");
/** The most reads of logs at once. */
const mostFills = 50;
/** The most topics of one check. */
const mostChecked = 500;
/** How often one topic's gaps, and one error, are logged, in milliseconds. */
const quietTime = 60_000;

/** See the head of this file. */
export class ClusterNode implements RelayNode, ClusterTopicNode {
  readonly broker: Broker;
  readonly recentSize: number;
  readonly recentBudget: RecentBudget;
  /** Undefined where no topic has members. */
  readonly presence: PresenceNode | undefined;
  readonly fills: Turns = new Turns(mostFills);
  readonly catchUp: CatchUpParts;
  readonly grants: Grants = new Grants();
  readonly counters: NodeCounters = {
    published: 0,
    failed: 0,
    received: 0,
    unreadable: 0,
    gaps: 0,
    fills: 0,
    disconnects: 0,
  };
  /** See `Cluster.ready`. */
  readonly ready: Promise<void>;
  readonly #options: ResolvedCluster;
  readonly #id: string = randomBytes(8).toString("base64url");
  readonly #publisher: Publisher;
  readonly #subscriptions: Subscriptions;
  readonly #topics = new Map<string, ClusterTopic>();
  /** Topics without a receiver, each with what keeps it from being left. */
  readonly #leaving = new Map<ClusterTopic, () => void>();
  /** When a sentence was last logged. */
  readonly #loggedAt = new Map<string, number>();
  /** Where each topic was at the last check. */
  readonly #checkedAt = new WeakMap<ClusterTopic, string | undefined>();
  #state: ClusterState = "connecting";
  #idsMade = 0;
  #cancelCheck: (() => void) | undefined;

  constructor(options: ResolvedCluster) {
    const { broker, maxReplay, maxReplaySize, resumeTimeout, recentSize } = options;
    this.#options = options;
    this.broker = broker;
    this.recentSize = recentSize;
    this.recentBudget = new RecentBudget(options.maxRecentSize);
    this.catchUp = { broker, fills: this.fills, maxReplay, maxReplaySize, resumeTimeout, pages: new Map() };
    if (options.secret !== undefined) this.grants.learn(options.secret);
    this.#publisher = new Publisher(broker, options);
    this.#subscriptions = new Subscriptions(broker, {
      acknowledged: (topic) => this.#topics.get(topic)?.subscribed(),
      failed: (error) => this.failed(error),
    });
    if (options.hasPresence) {
      this.presence = new PresenceNode(this.#id, broker.presence!, options, (error) => this.failed(error));
    }
    this.ready = cleanContext(() => this.#connect());
    this.ready.catch(() => {});
  }

  get state(): ClusterState {
    return this.#state;
  }

  /** Topics that this node is subscribed to. */
  get topicCount(): number {
    return this.#topics.size;
  }

  /** Messages that wait for the broker. */
  get pending(): number {
    return this.#publisher.pending;
  }

  /** See `RelayNode`. */
  get isBehind(): boolean {
    return this.pending > this.#options.maxPending / 2;
  }

  /** See `RelayNode`. */
  ruleOf(topic: string): ResolvedRule {
    return this.#options.ruleOf(topic);
  }

  /** Publishes; `key` is the application's id. Rejects with a `ClusterError`. */
  async publish(topic: string, message: Unwrapped, key?: string): Promise<string | undefined> {
    const payload = wrap(message);
    const { maxPayload } = this.#options;
    if (payload.length - wrappingLength > maxPayload) {
      throw new ClusterError("too-large", `Cannot publish: the message is longer than maxPayload, ${maxPayload} bytes`);
    }
    this.counters.published++;
    const id = `${this.#id}.${(++this.#idsMade).toString(36)}`;
    const { history } = this.ruleOf(topic);
    try {
      return textOf(await this.#publisher.publish(topic, { id, payload, ...(key !== undefined && { key }) }, history));
    } catch (error) {
      this.counters.failed++;
      throw error;
    }
  }

  /** See `RelayNode`. */
  acquire(name: string, receiver: Receiver): ClusterTopic {
    let topic = this.#topics.get(name);
    if (topic === undefined) {
      topic = new ClusterTopic(name, this.ruleOf(name), this);
      this.#topics.set(name, topic);
      if (this.#state !== "closed") this.#subscriptions.add(name);
    }
    this.#leaving.get(topic)?.();
    this.#leaving.delete(topic);
    topic.receivers.add(receiver);
    return topic;
  }

  /** See `RelayNode`. */
  release(topic: ClusterTopic, receiver: Receiver): void {
    topic.receivers.delete(receiver);
    if (topic.receivers.size > 0 || this.#leaving.has(topic)) return;
    const leave = () => {
      this.#leaving.delete(topic);
      this.#topics.delete(topic.name);
      this.#subscriptions.remove(topic.name);
      topic.left();
    };
    if (this.#state === "closed") leave();
    else this.#leaving.set(topic, realTime.after(this.#options.unsubscribeDelay, leave, true));
  }

  /** Ends everything; what waits fails. Never rejects. */
  async close(): Promise<void> {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#cancelCheck?.();
    this.#publisher.close();
    this.#subscriptions.close();
    for (const cancel of this.#leaving.values()) cancel();
    this.#leaving.clear();
    for (const topic of this.#topics.values()) topic.left();
    await this.presence?.close();
    try {
      await this.broker.close();
    } catch (error) {
      this.#log("warn", "The broker could not be closed", error as Error);
    }
  }

  /** See `ClusterTopicNode`. */
  gap(topic: string, reason: LogGap): void {
    if (gaps.hasSubscribers) gaps.publish({ topic, reason });
  }

  /** See `RelayNode`. */
  untold({ topic, reason }: Gap): void {
    this.#log(
      "warn",
      `Messages of the topic ${topic} are missing (${reason}), and its subscribers have no gap handler`,
    );
  }

  /** See `RelayNode`. */
  failed(error: Error): void {
    if (this.#state === "closed") return;
    // While the broker is away, that is what is said of it.
    if (error instanceof ClusterError && error.code === "unavailable" && this.#state !== "connected") return;
    this.#log("error", error.message, error);
  }

  /** Logs a sentence at most once a minute. */
  #log(level: "info" | "warn" | "error", message: string, error?: Error): void {
    const now = realTime.now();
    for (const [old, at] of this.#loggedAt) if (now - at > quietTime) this.#loggedAt.delete(old);
    if (this.#loggedAt.has(message)) return;
    this.#loggedAt.set(message, now);
    try {
      this.#options.log({ level, message, ...(error && { error }) });
    } catch (thrown) {
      console.error("The logging hook of a cluster threw:", thrown);
    }
  }

  async #connect(): Promise<void> {
    try {
      const events = {
        message: (topic: string, entry: Entry) => this.#take(topic, entry),
        presence: (topic: string, step: PresenceStep) => this.presence?.take(topic, step),
        state: (isConnected: boolean) => this.#connected(isConnected),
        error: (error: Error) => this.failed(error),
      };
      await this.broker.connect(events, (topic) => this.ruleOf(topic).history);
    } catch (thrown) {
      const error = toClusterError(thrown);
      if (this.#state !== "closed") this.#log("error", error.message, error);
      throw error;
    }
    if (this.#state === "closed") await this.broker.close();
    else this.#checkLater();
  }

  #take(name: string, entry: Entry): void {
    this.#topics.get(name)?.take(entry);
  }

  #connected(isConnected: boolean): void {
    const state = isConnected ? "connected" : "disconnected";
    if (this.#state === "closed" || this.#state === state) return;
    const before = this.#state;
    if (!isConnected && before === "connecting") return;
    this.#state = state;
    if (isConnected && before === "disconnected") this.#log("info", "The broker is back");
    if (!isConnected) {
      this.counters.disconnects++;
      this.#log("warn", "The broker cannot be reached");
      for (const topic of this.#topics.values()) topic.disconnected();
    }
    this.#subscriptions.connected(isConnected);
    this.#publisher.connected(isConnected);
    this.presence?.connected(isConnected);
    if (isConnected) void this.#learnSecret();
  }

  /** A broker that has lost its data is given the secret again, by whichever node comes first. */
  async #learnSecret(): Promise<void> {
    const backoff = new Backoff();
    while (this.#state === "connected" && this.#options.secret === undefined) {
      try {
        return this.grants.learn((await this.broker.secret?.(this.grants.secret)) ?? this.grants.secret);
      } catch (error) {
        this.failed(error as Error);
        await backoff.wait();
      }
    }
  }

  #checkLater(): void {
    const delay = this.#options.checkInterval * (0.8 + Math.random() * 0.4);
    this.#cancelCheck = realTime.after(delay, () => void this.#check().then(() => this.#checkLater()), true);
  }

  /** Compares with the broker the topics that have been silent since the last check: what spoke showed itself whole. */
  async #check(): Promise<void> {
    this.presence?.check();
    const silent: ClusterTopic[] = [];
    for (const topic of this.#topics.values()) {
      const at = textOf(topic.reader?.position);
      if (at !== undefined && this.#checkedAt.get(topic) === at) silent.push(topic);
      this.#checkedAt.set(topic, at);
    }
    for (let from = 0; from < silent.length && this.#state === "connected"; from += mostChecked) {
      const topics = silent.slice(from, from + mostChecked);
      try {
        const ends = await this.broker.positions!(topics.map(({ name }) => name));
        for (const [index, topic] of topics.entries()) topic.checked(ends[index]!);
      } catch (error) {
        this.failed(error as Error);
      }
    }
    if (this.#state === "closed") this.#cancelCheck?.();
  }
}
