/** A broker in memory that can be cut off, lose its data, drop messages and hang, as real ones do. */
import type { Broker, BrokerEvents, HistoryOf, Outgoing, PublishOptions } from "../../src/cluster/broker/broker.ts";
import { ClusterError } from "../../src/cluster/broker/cluster-error.ts";
import type { LogPage, LogPosition } from "../../src/cluster/broker/entry.ts";
import { memoryBroker } from "../../src/cluster/broker/memory-broker.ts";
import type { PresenceStep, PresenceStore } from "../../src/cluster/broker/presence-store.ts";

/** What brokers share, for as long as it is not lost. */
interface Origin {
  first: Broker;
  readonly sharing: Set<FaultyBroker>;
  /** Whether it may still lack what nodes had written before it lost all. */
  isYoung: boolean;
}

/** See the head of this file. */
export class FaultyBroker implements Broker {
  readonly #origin: Origin;
  #inner: Broker;
  #events: BrokerEvents | undefined;
  #historyOf: HistoryOf = () => undefined;
  #isCut = false;
  #cutsNext = false;
  #dropped = 0;
  #stepsDropped = 0;
  #hanging: (() => void)[] | undefined;
  readonly #topics = new Set<string>();
  readonly #watched = new Set<string>();
  readonly #leases = new Set<string>();
  /** Each call of the store of presence that got through. */
  readonly presenceCalls: string[] = [];

  /** With `sharedWith` it is another node's way to the same broker. */
  constructor(sharedWith?: FaultyBroker) {
    this.#origin = sharedWith ? sharedWith.#origin : { first: memoryBroker(), sharing: new Set(), isYoung: false };
    this.#inner = memoryBroker({ sharedWith: this.#origin.first });
  }

  /** How many topics are subscribed to. */
  get subscribed(): number {
    return this.#topics.size;
  }

  /** Nothing gets through any more. */
  cut(): void {
    this.#isCut = true;
    this.#topics.clear();
    this.#watched.clear();
    this.#events?.state(false);
  }

  /** The next publication is stored, and its answer is lost with the connection, which comes back at once. */
  cutBeforeAnswer(): void {
    this.#cutsNext = true;
  }

  /** Everything gets through again. */
  restore(): void {
    const hanging = this.#hanging;
    this.#hanging = undefined;
    for (const goOn of hanging ?? []) goOn();
    if (!this.#isCut) return;
    this.#isCut = false;
    this.#events?.state(true);
  }

  /** All logs and members are gone. */
  lose(): void {
    this.#origin.first = memoryBroker();
    this.#origin.isYoung = true;
    for (const broker of this.#origin.sharing) {
      broker.#inner = memoryBroker({ sharedWith: this.#origin.first });
      void broker.#inner.connect(broker.#passing(broker.#events!), broker.#historyOf);
    }
  }

  /** Every node has had the time to write again what was lost. */
  mature(): void {
    this.#origin.isYoung = false;
  }

  /** This node's leases are over, as when it has died; before, however slow the machine is, they are not. */
  expire(): void {
    for (const name of this.#leases) void this.#inner.presence!.lease(name, 0, false);
  }

  /** The broker as another node has it, which is not cut off. */
  elsewhere(): Broker {
    return memoryBroker({ sharedWith: this.#inner });
  }

  /** The next messages of the channel are lost. */
  drop(count: number): void {
    this.#dropped = count;
  }

  /** The next changes of members are lost on their way. */
  dropSteps(count: number): void {
    this.#stepsDropped = count;
  }

  /** Publications are not answered until it is restored. */
  hang(): void {
    this.#hanging = [];
  }

  async connect(events: BrokerEvents, historyOf: HistoryOf): Promise<void> {
    this.#events = events;
    this.#historyOf = historyOf;
    this.#origin.sharing.add(this);
    await this.#inner.connect(this.#passing(events), historyOf);
    events.state(true);
  }

  async publish(topic: string, batch: readonly Outgoing[], options: PublishOptions): Promise<readonly LogPosition[]> {
    this.#check();
    if (this.#hanging) await new Promise<void>((resolve) => this.#hanging!.push(resolve));
    const positions = await this.#inner.publish(topic, batch, options);
    if (!this.#cutsNext) return positions;
    this.#cutsNext = false;
    this.cut();
    setImmediate(() => this.restore());
    throw new ClusterError("unavailable", "The connection is gone");
  }

  async subscribe(topics: readonly string[]): Promise<void> {
    this.#check();
    for (const topic of topics) this.#topics.add(topic);
    await this.#inner.subscribe(topics);
  }

  async unsubscribe(topics: readonly string[]): Promise<void> {
    this.#check();
    for (const topic of topics) this.#topics.delete(topic);
    await this.#inner.unsubscribe(topics);
  }

  async history(topic: string, since: LogPosition | undefined, limit: number): Promise<LogPage> {
    this.#check();
    return this.#inner.history!(topic, since, limit);
  }

  async positions(topics: readonly string[]): Promise<readonly LogPosition[]> {
    this.#check();
    return this.#inner.positions!(topics);
  }

  async endEpoch(topic: string, seen: string): Promise<void> {
    this.#check();
    await this.#inner.endEpoch!(topic, seen);
  }

  readonly presence: PresenceStore = {
    subscribe: (topics) =>
      this.#presence("subscribe", (store) => {
        for (const topic of topics) this.#watched.add(topic);
        return store.subscribe(topics);
      }),
    unsubscribe: (topics) =>
      this.#presence("unsubscribe", (store) => {
        for (const topic of topics) this.#watched.delete(topic);
        return store.unsubscribe(topics);
      }),
    lease: (name, duration, begins) =>
      this.#presence("lease", (store) => {
        this.#leases.add(name);
        return store.lease(name, Math.min(duration, 1) * 1e9, begins);
      }),
    leases: () =>
      this.#presence("leases", async (store) => {
        const { held, age } = await store.leases();
        return { held, age: this.#origin.isYoung ? 0 : age };
      }),
    update: (topic, changes) => this.#presence("update", (store) => store.update(topic, changes)),
    read: (topic, known) => this.#presence("read", (store) => store.read(topic, known)),
  };

  async close(): Promise<void> {
    this.#origin.sharing.delete(this);
    await this.#inner.close();
  }

  #passing(events: BrokerEvents): BrokerEvents {
    return {
      ...events,
      state: () => {},
      message: (topic, entry) => {
        if (this.#dropped > 0) this.#dropped--;
        else if (this.#topics.has(topic)) events.message(topic, entry);
      },
      presence: (topic: string, step: PresenceStep) => {
        if (this.#stepsDropped > 0) this.#stepsDropped--;
        else if (this.#watched.has(topic)) events.presence(topic, step);
      },
    };
  }

  async #presence<Answer>(name: string, call: (store: PresenceStore) => Promise<Answer>): Promise<Answer> {
    this.#check();
    this.presenceCalls.push(name);
    const answer = await call(this.#inner.presence!);
    // What is lost with the connection is done all the same.
    this.#check();
    return answer;
  }

  #check(): void {
    if (this.#isCut) throw new ClusterError("unavailable", "The connection is gone");
  }
}
