/** A broker in memory that can be cut off, lose its data, drop messages and hang, as real ones do. */
import type { Broker, BrokerEvents, HistoryOf, Outgoing, PublishOptions } from "../../src/cluster/broker/broker.ts";
import { ClusterError } from "../../src/cluster/broker/cluster-error.ts";
import type { LogPage, LogPosition } from "../../src/cluster/broker/entry.ts";
import { memoryBroker } from "../../src/cluster/broker/memory-broker.ts";

/** See the head of this file. */
export class FaultyBroker implements Broker {
  #inner = memoryBroker();
  #events: BrokerEvents | undefined;
  #historyOf: HistoryOf = () => undefined;
  #isCut = false;
  #cutsNext = false;
  #dropped = 0;
  #hanging: (() => void)[] | undefined;
  readonly #topics = new Set<string>();

  /** How many topics are subscribed to. */
  get subscribed(): number {
    return this.#topics.size;
  }

  /** Nothing gets through any more. */
  cut(): void {
    this.#isCut = true;
    this.#topics.clear();
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

  /** All logs are gone. */
  lose(): void {
    this.#inner = memoryBroker();
    void this.#inner.connect(this.#passing(this.#events!), this.#historyOf);
  }

  /** The broker as another node has it, which is not cut off. */
  elsewhere(): Broker {
    return memoryBroker({ sharedWith: this.#inner });
  }

  /** The next messages of the channel are lost. */
  drop(count: number): void {
    this.#dropped = count;
  }

  /** Publications are not answered until it is restored. */
  hang(): void {
    this.#hanging = [];
  }

  async connect(events: BrokerEvents, historyOf: HistoryOf): Promise<void> {
    this.#events = events;
    this.#historyOf = historyOf;
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

  async close(): Promise<void> {
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
    };
  }

  #check(): void {
    if (this.#isCut) throw new ClusterError("unavailable", "The connection is gone");
  }
}
