/**
 * Several brokers as one: each topic is at one of them, the same for all nodes. It is up while all of them are.
 *
 * Where the brokers change, as the nodes of a Redis Cluster do, it is down for a moment: whoever is subscribed subscribes
 * again and reads what was missed.
 */

import { realTime } from "../../transport/clock.ts";
import type { Broker, BrokerEvents, HistoryOf, Outgoing, PublishOptions } from "../broker/broker.ts";
import { brokerInUse, ClusterError } from "../broker/cluster-error.ts";
import type { LogPage, LogPosition } from "../broker/entry.ts";
import type { PresenceStore } from "../broker/presence-store.ts";

/** A broker that can be one of several. */
export type Shard = Required<Broker>;

/** Which brokers there are, by names that stay the same. */
export interface Layout {
  readonly names: readonly string[];
  /** The name of the broker that has a topic; of the one for what is no topic's, where that is undefined. */
  nameOf(topic: string | undefined): string;
}

/** Where the brokers come from. */
export interface ShardSource {
  /** Rejects with a `ClusterError` while it cannot be told. */
  layout(): Promise<Layout>;
  make(name: string): Shard;
  /** Whether an error says that the layout is another one by now. */
  hasMoved(error: Error): boolean;
}

/** How long it takes until the layout is looked at again while not all are up, in milliseconds. */
const lookInterval = 500;

/** See the head of this file. */
export class ShardedBroker implements Broker {
  readonly presence: PresenceStore = {
    subscribe: (topics) => this.#each(topics, (shard, some) => shard.presence.subscribe(some)),
    unsubscribe: (topics) => this.#each(topics, (shard, some) => shard.presence.unsubscribe(some)),
    lease: (name, duration, begins) => this.#call(undefined, ({ presence }) => presence.lease(name, duration, begins)),
    leases: () => this.#call(undefined, ({ presence }) => presence.leases()),
    update: (topic, changes) => this.#call(topic, ({ presence }) => presence.update(topic, changes)),
    read: (topic, known) => this.#call(topic, ({ presence }) => presence.read(topic, known)),
  };
  readonly #source: ShardSource;
  readonly #shards = new Map<string, Shard>();
  readonly #up = new Set<Shard>();
  #layout: Layout = { names: [], nameOf: () => "" };
  #events: BrokerEvents | undefined;
  #historyOf: HistoryOf = () => undefined;
  #isUp = false;
  #isLooking = false;
  #isClosed = false;
  #cancelLook: (() => void) | undefined;
  /** Settles `connect`; undefined once it is. */
  #connecting: { resolve(): void; reject(error: Error): void } | undefined;

  constructor(source: ShardSource) {
    this.#source = source;
  }

  connect(events: BrokerEvents, historyOf: HistoryOf): Promise<void> {
    if (this.#events) return Promise.reject(brokerInUse());
    this.#events = events;
    this.#historyOf = historyOf;
    return new Promise((resolve, reject) => {
      this.#connecting = { resolve, reject };
      void this.#look();
    });
  }

  publish(topic: string, batch: readonly Outgoing[], options: PublishOptions): Promise<readonly LogPosition[]> {
    return this.#call(topic, (shard) => shard.publish(topic, batch, options));
  }

  subscribe(topics: readonly string[]): Promise<void> {
    return this.#each(topics, (shard, some) => shard.subscribe(some));
  }

  unsubscribe(topics: readonly string[]): Promise<void> {
    return this.#each(topics, (shard, some) => shard.unsubscribe(some));
  }

  history(topic: string, since: LogPosition | undefined, limit: number): Promise<LogPage> {
    return this.#call(topic, (shard) => shard.history(topic, since, limit));
  }

  async positions(topics: readonly string[]): Promise<readonly LogPosition[]> {
    const ends = new Map<string, LogPosition>();
    await this.#each(topics, async (shard, some) => {
      const found = await shard.positions(some);
      for (const [index, topic] of some.entries()) ends.set(topic, found[index]!);
    });
    return topics.map((topic) => ends.get(topic)!);
  }

  endEpoch(topic: string, seen: string): Promise<void> {
    return this.#call(topic, (shard) => shard.endEpoch(topic, seen));
  }

  secret(otherwise: string): Promise<string> {
    return this.#call(undefined, (shard) => shard.secret(otherwise));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#isUp = false;
    this.#cancelLook?.();
    this.#connecting?.reject(new ClusterError("closed", "The broker was closed before it was connected"));
    this.#connecting = undefined;
    const shards = [...this.#shards.values()];
    this.#shards.clear();
    await Promise.all(shards.map((shard) => shard.close()));
  }

  // Which brokers there are

  /** Looks which brokers there are, and once more while they are not all up. */
  async #look(): Promise<void> {
    if (this.#isLooking || this.#isClosed) return;
    this.#isLooking = true;
    this.#cancelLook?.();
    try {
      const layout = await this.#source.layout();
      if (!this.#isClosed) this.#arrange(layout);
    } catch (error) {
      this.#complain(error as ClusterError);
    }
    this.#isLooking = false;
    if (this.#isUp || this.#isClosed) return;
    this.#cancelLook = realTime.after(lookInterval, () => void this.#look(), true);
  }

  #arrange(layout: Layout): void {
    if (layout === this.#layout) return;
    this.#setUp(false);
    this.#layout = layout;
    for (const [name, shard] of this.#shards) {
      if (layout.names.includes(name)) continue;
      this.#shards.delete(name);
      this.#up.delete(shard);
      shard.close().catch((error: Error) => this.#events?.error(error));
    }
    for (const name of layout.names) if (!this.#shards.has(name)) this.#open(name);
    this.#tell();
  }

  #open(name: string): void {
    const shard = this.#source.make(name);
    this.#shards.set(name, shard);
    const isOurs = () => this.#shards.get(name) === shard;
    const events: BrokerEvents = {
      message: (topic, entry) => this.#layout.nameOf(topic) === name && this.#events?.message(topic, entry),
      presence: (topic, step) => this.#layout.nameOf(topic) === name && this.#events?.presence(topic, step),
      error: (error) => isOurs() && this.#events?.error(error),
      state: (isConnected) => {
        if (!isOurs()) return;
        if (isConnected) this.#up.add(shard);
        else this.#up.delete(shard);
        this.#tell();
      },
    };
    shard.connect(events, this.#historyOf).catch((error: ClusterError) => isOurs() && this.#complain(error));
  }

  /** Says whether all are up. */
  #tell(): void {
    const areUp =
      this.#layout.names.length > 0 && this.#layout.names.every((name) => this.#up.has(this.#shards.get(name)!));
    if (areUp) {
      this.#connecting?.resolve();
      this.#connecting = undefined;
    }
    this.#setUp(areUp);
    if (!areUp) void this.#look();
  }

  #setUp(isUp: boolean): void {
    if (this.#isUp === isUp || this.#isClosed) return;
    this.#isUp = isUp;
    this.#events?.state(isUp);
  }

  #complain(error: ClusterError): void {
    if (this.#isClosed) return;
    if (this.#connecting === undefined || error.code !== "refused") return this.#events?.error(error);
    this.#connecting.reject(error);
    this.#connecting = undefined;
    void this.close();
  }

  // Calls

  #shardOf(topic: string | undefined): Shard {
    const shard = this.#isUp ? this.#shards.get(this.#layout.nameOf(topic)) : undefined;
    if (shard) return shard;
    throw new ClusterError("unavailable", "Not all servers of Redis can be reached");
  }

  async #call<Result>(topic: string | undefined, call: (shard: Shard) => Promise<Result>): Promise<Result> {
    try {
      return await call(this.#shardOf(topic));
    } catch (error) {
      if (this.#source.hasMoved(error as Error)) void this.#look();
      throw error;
    }
  }

  async #each(topics: readonly string[], call: (shard: Shard, topics: string[]) => Promise<unknown>): Promise<void> {
    const groups = new Map<string, string[]>();
    for (const topic of topics) {
      const name = this.#layout.nameOf(topic);
      const group = groups.get(name);
      if (group) group.push(topic);
      else groups.set(name, [topic]);
    }
    await Promise.all([...groups.values()].map((group) => this.#call(group[0]!, (shard) => call(shard, group))));
  }
}
