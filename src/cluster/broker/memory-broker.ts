/**
 * A broker in this process: for tests, for one process, and for several clusters in it that share the same logs.
 */

import { randomBytes } from "node:crypto";
import { checkOptions, type OptionTable } from "../../protocol/check-options.ts";
import { queueMicrotask } from "../../transport/scheduling.ts";
import type { Broker, BrokerEvents, Outgoing, PublishOptions } from "./broker.ts";
import { brokerInUse, ClusterError } from "./cluster-error.ts";
import type { Entry, LogPage, LogPosition } from "./entry.ts";
import { MemoryLog } from "./memory-log.ts";
import { MemoryPresence } from "./memory-presence.ts";
import type { MemberChange, PresenceStore } from "./presence-store.ts";

/** The options of `memoryBroker`. */
export interface MemoryBrokerOptions {
  /** Another memory broker, whose logs and subscribers this one shares. Default: logs of its own. */
  readonly sharedWith?: Broker;
}

const table: OptionTable<MemoryBrokerOptions> = { sharedWith: "object" };
/** How long a log is kept that nobody publishes to or reads, in milliseconds. */
const logLifetime = 24 * 60 * 60 * 1000;

/** Who is told of which topics. */
class MemoryChannels {
  readonly #subscribers = new Map<string, Set<BrokerEvents>>();

  has(topic: string): boolean {
    return this.#subscribers.has(topic);
  }

  subscribe(topic: string, events: BrokerEvents): void {
    const subscribers = this.#subscribers.get(topic);
    if (subscribers) subscribers.add(events);
    else this.#subscribers.set(topic, new Set([events]));
  }

  unsubscribe(topic: string, events: BrokerEvents): void {
    const subscribers = this.#subscribers.get(topic);
    subscribers?.delete(events);
    if (subscribers?.size === 0) this.#subscribers.delete(topic);
  }

  leave(events: BrokerEvents): void {
    for (const topic of [...this.#subscribers.keys()]) this.unsubscribe(topic, events);
  }

  /** Subscribers are told behind what runs now: no publisher has another's code on its stack. */
  emit(topic: string, tell: (events: BrokerEvents) => void): void {
    const subscribers = this.#subscribers.get(topic);
    if (subscribers === undefined) return;
    for (const events of subscribers) queueMicrotask(() => subscribers.has(events) && tell(events));
  }
}

/** What brokers share. */
class MemoryStore {
  secret: string | undefined;
  readonly #logs = new Map<string, { readonly log: MemoryLog; usedAt: number }>();
  readonly messages = new MemoryChannels();
  readonly presence: MemoryPresence = new MemoryPresence();
  readonly presenceSteps = new MemoryChannels();
  #sweptAt = Date.now();

  log(topic: string): MemoryLog {
    this.#sweep();
    let kept = this.#logs.get(topic);
    if (kept === undefined) {
      kept = { log: new MemoryLog(newEpoch()), usedAt: 0 };
      this.#logs.set(topic, kept);
    }
    kept.usedAt = Date.now();
    return kept.log;
  }

  #sweep(): void {
    const now = Date.now();
    if (now - this.#sweptAt < logLifetime / 24) return;
    this.#sweptAt = now;
    for (const [topic, { usedAt }] of this.#logs) {
      if (now - usedAt > logLifetime && !this.messages.has(topic)) this.#logs.delete(topic);
    }
  }
}

const stores = new WeakMap<Broker, MemoryStore>();

/** Makes a broker in memory. Throws a TypeError for options that cannot be, such as a `sharedWith` that is no memory broker. */
export function memoryBroker(options: MemoryBrokerOptions = {}): Broker {
  checkOptions("make a memory broker", options, table);
  const { sharedWith } = options;
  const store = sharedWith === undefined ? new MemoryStore() : stores.get(sharedWith);
  if (store === undefined) throw new TypeError("Cannot share logs: sharedWith must be what memoryBroker returned");
  const broker = new MemoryBroker(store);
  stores.set(broker, store);
  return broker;
}

class MemoryBroker implements Broker {
  readonly #store: MemoryStore;
  #events: BrokerEvents | undefined;

  constructor(store: MemoryStore) {
    this.#store = store;
  }

  async connect(events: BrokerEvents): Promise<void> {
    if (this.#events) throw brokerInUse();
    this.#events = events;
    events.state(true);
  }

  async publish(
    topic: string,
    batch: readonly Outgoing[],
    { history, retryAfter }: PublishOptions,
  ): Promise<readonly LogPosition[]> {
    this.#connected();
    if (history === undefined) {
      for (const { id, payload } of batch) this.#emit(topic, { epoch: "", prev: 0, offset: 0, id, payload });
      return [];
    }
    const now = Date.now();
    const firstSent = retryAfter === undefined ? undefined : now - retryAfter;
    const stored = (entry: Entry) => this.#emit(topic, entry);
    return this.#store.log(topic).append(batch, history, { now, firstSent, stored });
  }

  async subscribe(topics: readonly string[]): Promise<void> {
    const events = this.#connected();
    for (const topic of topics) this.#store.messages.subscribe(topic, events);
  }

  async unsubscribe(topics: readonly string[]): Promise<void> {
    const events = this.#connected();
    for (const topic of topics) this.#store.messages.unsubscribe(topic, events);
  }

  async history(topic: string, since: LogPosition | undefined, limit: number): Promise<LogPage> {
    this.#connected();
    return this.#store.log(topic).page(since, limit, Date.now());
  }

  async positions(topics: readonly string[]): Promise<readonly LogPosition[]> {
    this.#connected();
    return topics.map((topic) => this.#store.log(topic).end);
  }

  async endEpoch(topic: string, seen: string): Promise<void> {
    this.#connected();
    const epoch = newEpoch();
    if (!this.#store.log(topic).endEpoch(seen, epoch)) return;
    this.#emit(topic, { epoch, prev: 0, offset: 0, id: "-", payload: new Uint8Array() });
  }

  readonly presence: PresenceStore = {
    subscribe: async (topics) => {
      const events = this.#connected();
      for (const topic of topics) this.#store.presenceSteps.subscribe(topic, events);
    },
    unsubscribe: async (topics) => {
      const events = this.#connected();
      for (const topic of topics) this.#store.presenceSteps.unsubscribe(topic, events);
    },
    lease: async (name, duration, begins) => {
      this.#connected();
      return this.#store.presence.lease(name, duration, { now: Date.now(), begins });
    },
    leases: async () => {
      this.#connected();
      return { held: this.#store.presence.held(Date.now()), age: Number.POSITIVE_INFINITY };
    },
    update: async (topic, changes) => {
      this.#connected();
      this.#updatePresence(topic, changes);
    },
    read: async (topic, known) => {
      this.#connected();
      return this.#store.presence.read(topic, known);
    },
  };

  async secret(otherwise: string): Promise<string> {
    this.#connected();
    this.#store.secret ??= otherwise;
    return this.#store.secret;
  }

  async close(): Promise<void> {
    if (this.#events) {
      this.#store.messages.leave(this.#events);
      this.#store.presenceSteps.leave(this.#events);
    }
    this.#events = undefined;
  }

  #updatePresence(topic: string, changes: readonly MemberChange[]): void {
    const step = this.#store.presence.update(topic, changes, Date.now());
    if (step) this.#store.presenceSteps.emit(topic, (events) => events.presence(topic, step));
  }

  #emit(topic: string, entry: Entry): void {
    this.#store.messages.emit(topic, (events) => events.message(topic, entry));
  }

  #connected(): BrokerEvents {
    if (this.#events) return this.#events;
    throw new ClusterError("unavailable", "The broker is not connected");
  }
}

/** A name that no other log has. */
export function newEpoch(): string {
  return randomBytes(9).toString("base64url");
}
