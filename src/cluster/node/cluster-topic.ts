/**
 * One topic on one node, while somebody here is subscribed to it: its log is read once, and handed to every receiver.
 */

import { type Deferred, deferred } from "../../connection/event-loop/deferred.ts";
import type { Broker } from "../broker/broker.ts";
import { type Entry, type LogPosition, positionToText } from "../broker/entry.ts";
import { Backoff } from "./backoff.ts";
import { type Unwrapped, unwrap } from "./envelope.ts";
import { type LogGap, LogReader, type LogReaderOwner } from "./log-reader.ts";
import { type RecentBudget, RecentEntries } from "./recent-entries.ts";
import type { ResolvedRule } from "./topic-rules.ts";
import type { Turns } from "./turns.ts";

/** The most entries that are read at once. */
export const pageSize = 500;

/** A message as receivers get it. */
export interface Received extends Unwrapped {
  /** Behind the message; undefined without history. */
  readonly position: LogPosition | undefined;
  /** Set for what was delivered before under this number: only for those who came behind it. */
  readonly number: number | undefined;
}

/** Who gets a topic's messages: the topics of one server, or a handler. */
export interface Receiver {
  receive(topic: ClusterTopic, message: Received): void;
  gap(topic: ClusterTopic, reason: LogGap): void;
}

/** What a topic's node gives it. */
export interface ClusterTopicNode {
  readonly broker: Broker;
  readonly recentSize: number;
  readonly recentBudget: RecentBudget;
  /** No more fills at once than it lets in. */
  readonly fills: Turns;
  /** Counts what is told to nobody. */
  readonly counters: TopicCounters;
  failed(error: Error): void;
  /** A gap of a topic, for those who observe the cluster. */
  gap(topic: string, reason: LogGap): void;
}

/** Counts of a cluster's topics. */
export interface TopicCounters {
  received: number;
  unreadable: number;
  gaps: number;
  fills: number;
}

/** See the head of this file. */
export class ClusterTopic implements LogReaderOwner {
  readonly name: string;
  readonly rule: ResolvedRule;
  /** Undefined without history. */
  readonly reader: LogReader | undefined;
  readonly recent: RecentEntries;
  readonly receivers: Set<Receiver> = new Set();
  readonly #node: ClusterTopicNode;
  readonly #backoff = new Backoff();
  #isSubscribed = false;
  #isReading = false;
  /** Counts the losses of the connection: what was asked before one says nothing of what came to pass behind it. */
  #losses = 0;
  /** Resolves with the next change of the position, or of the subscription. */
  #moved: Deferred<void> | undefined;

  constructor(name: string, rule: ResolvedRule, node: ClusterTopicNode) {
    this.name = name;
    this.rule = rule;
    this.#node = node;
    this.recent = new RecentEntries(node.recentSize, node.recentBudget);
    this.reader = rule.history && new LogReader(this);
  }

  /** Whether nothing that is stored from now on is missed. */
  get isReady(): boolean {
    return this.reader === undefined ? this.#isSubscribed : this.reader.position !== undefined;
  }

  /** Resolves with the next change of the position, or of the subscription; also when the topic is left. */
  get moved(): Promise<void> {
    this.#moved ??= deferred<void>();
    return this.#moved.promise;
  }

  /** Messages come from now on. */
  subscribed(): void {
    this.#isSubscribed = true;
    this.#tellMoved();
    void this.#read();
  }

  /** Messages may be missed from now on. */
  disconnected(): void {
    this.#isSubscribed = false;
    this.#losses++;
    this.reader?.missed();
    this.#backoff.stop();
  }

  /** A message of the broker. */
  take(entry: Entry): void {
    this.#node.counters.received++;
    if (this.reader === undefined) {
      if (entry.epoch === "") this.#hand(entry, undefined, undefined);
      else this.#node.counters.unreadable++;
      return;
    }
    if (entry.epoch === "") {
      this.#node.counters.unreadable++;
      return;
    }
    this.reader.take(entry);
    if (this.reader.wants) void this.#read();
  }

  /** The log's end, as a check read it. */
  checked(end: LogPosition): void {
    this.reader?.checked(end);
    void this.#read();
  }

  /** Nobody is subscribed any more. */
  left(): void {
    this.recent.clear();
    this.disconnected();
    this.#tellMoved();
  }

  // For the reader

  /** See `LogReaderOwner`. */
  deliver(entry: Entry, number: number | undefined): void {
    this.recent.add(entry);
    this.#hand(entry, { epoch: entry.epoch, offset: entry.offset }, number);
    this.#tellMoved();
  }

  /** See `LogReaderOwner`. */
  gap(reason: LogGap): void {
    this.recent.clear();
    this.#node.counters.gaps++;
    this.#node.gap(this.name, reason);
    for (const receiver of [...this.receivers]) receiver.gap(this, reason);
    this.#tellMoved();
  }

  /** See `LogReaderOwner`. */
  recentNumbers(): ReadonlyMap<string, number> {
    return this.recent.numbers();
  }

  #hand(entry: Entry, position: LogPosition | undefined, number: number | undefined): void {
    const message = unwrap(entry.payload);
    if (message === undefined) {
      this.#node.counters.unreadable++;
      return;
    }
    for (const receiver of [...this.receivers]) receiver.receive(this, { ...message, position, number });
  }

  #tellMoved(): void {
    this.#moved?.resolve();
    this.#moved = undefined;
  }

  /** Asks the broker until nothing is known to be missing. */
  async #read(): Promise<void> {
    const { reader } = this;
    if (reader === undefined || this.#isReading) return;
    this.#isReading = true;
    while (reader.wants && this.#isSubscribed) {
      try {
        await this.#node.fills.take(() => this.#ask(reader));
        this.#backoff.reset();
      } catch (error) {
        this.#node.failed(error as Error);
        if (this.#isSubscribed) await this.#backoff.wait();
      }
    }
    this.#isReading = false;
    this.#tellMoved();
  }

  async #ask(reader: LogReader): Promise<void> {
    const { broker, counters } = this.#node;
    if (!this.#isSubscribed) return;
    counters.fills++;
    const losses = this.#losses;
    if (reader.wants === "end") {
      await broker.endEpoch!(this.name, reader.position!.epoch);
      return reader.epochEnded();
    }
    const since = reader.asks();
    const page = await broker.history!(this.name, since, since === undefined ? 0 : pageSize);
    if (losses === this.#losses) reader.page(page);
  }
}

/** The position as applications have it. */
export function textOf(position: LogPosition | undefined): string | undefined {
  return position && positionToText(position);
}
