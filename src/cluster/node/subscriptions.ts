/**
 * Which topics this node is subscribed to at its broker: one call at a time brings the broker to what is wanted.
 */

import type { Broker } from "../broker/broker.ts";
import { Backoff } from "./backoff.ts";

/** The most topics in one call. */
const mostInCall = 512;

/** What topics are subscribed to at. */
export type Subscribable = Pick<Broker, "subscribe" | "unsubscribe">;

/** Who wants topics. */
export interface SubscriptionsOwner {
  /** The broker has acknowledged the subscription. */
  acknowledged(topic: string): void;
  failed(error: Error): void;
}

/** See the head of this file. */
export class Subscriptions {
  readonly #broker: Subscribable;
  readonly #owner: SubscriptionsOwner;
  readonly #wanted = new Set<string>();
  readonly #acknowledged = new Set<string>();
  /** Wanted or no longer wanted, and the broker has not been told. */
  readonly #changed = new Set<string>();
  readonly #backoff = new Backoff();
  #isConnected = false;
  /** Counts the connections: what one that is lost has acknowledged says nothing of the next. */
  #connections = 0;
  #isAtWork = false;

  constructor(broker: Subscribable, owner: SubscriptionsOwner) {
    this.#broker = broker;
    this.#owner = owner;
  }

  /** Whether messages of the topic come. */
  has(topic: string): boolean {
    return this.#acknowledged.has(topic);
  }

  /** Wants a topic. */
  add(topic: string): void {
    this.#wanted.add(topic);
    this.#change(topic);
  }

  /** Wants it no more. */
  remove(topic: string): void {
    this.#wanted.delete(topic);
    this.#change(topic);
  }

  /** The broker can be reached, or not: then all subscriptions are gone. */
  connected(isConnected: boolean): void {
    this.#isConnected = isConnected;
    this.#connections++;
    this.#acknowledged.clear();
    this.#changed.clear();
    this.#backoff.stop();
    if (isConnected) for (const topic of this.#wanted) this.#change(topic);
  }

  /** Nothing is asked any more. */
  close(): void {
    this.#wanted.clear();
    this.connected(false);
  }

  #change(topic: string): void {
    if (!this.#isConnected) return;
    this.#changed.add(topic);
    if (!this.#isAtWork) void this.#work();
  }

  async #work(): Promise<void> {
    this.#isAtWork = true;
    // What is asked for in one turn goes in one call.
    await undefined;
    while (this.#isConnected && this.#changed.size > 0) {
      const changed = [...this.#changed].filter((topic) => !this.#isAsWanted(topic));
      const added = changed.filter((topic) => this.#wanted.has(topic) && !this.#acknowledged.has(topic));
      const removed = changed.filter((topic) => !this.#wanted.has(topic) && this.#acknowledged.has(topic));
      const isAdding = added.length > 0;
      const topics = (isAdding ? added : removed).slice(0, mostInCall);
      for (const topic of topics) this.#changed.delete(topic);
      if (topics.length > 0) await this.#tell(topics, isAdding);
    }
    this.#isAtWork = false;
  }

  /** Whether nothing is to be asked: whoever wants a topic anew that was not left yet has what they want. */
  #isAsWanted(topic: string): boolean {
    const isAcknowledged = this.#acknowledged.has(topic);
    if (this.#wanted.has(topic) !== isAcknowledged) return false;
    this.#changed.delete(topic);
    if (isAcknowledged) this.#owner.acknowledged(topic);
    return true;
  }

  async #tell(topics: readonly string[], isAdding: boolean): Promise<void> {
    const connection = this.#connections;
    try {
      if (isAdding) await this.#broker.subscribe(topics);
      else await this.#broker.unsubscribe(topics);
      this.#backoff.reset();
    } catch (error) {
      this.#owner.failed(error as Error);
      if (connection !== this.#connections) return;
      for (const topic of topics) this.#changed.add(topic);
      return this.#backoff.wait();
    }
    if (connection !== this.#connections) return;
    for (const topic of topics) {
      if (!isAdding) this.#acknowledged.delete(topic);
      else {
        this.#acknowledged.add(topic);
        if (!this.#changed.has(topic)) this.#owner.acknowledged(topic);
      }
    }
  }
}
