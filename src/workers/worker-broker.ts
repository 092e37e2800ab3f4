/**
 * The broker of one worker: a link to each other one, and no log. What is published crosses once a worker and turn.
 */

import type { Buffer } from "node:buffer";
import type { Broker, BrokerEvents, Outgoing } from "../cluster/broker/broker.ts";
import type { LogPosition } from "../cluster/broker/entry.ts";
import { queueMicrotask, setImmediate } from "../transport/scheduling.ts";
import type { FramePort } from "./links/frame-port.ts";
import { encodeEntry, Link, type LinkOwner } from "./links/link.ts";

/** How a worker comes by its links; undefined where it is alone. */
export interface Joining {
  /** Joins the others; `linked` is called with each link, then and later. */
  join(linked: (port: FramePort) => void): Promise<void>;
  /** No more links are made. */
  part(): void;
}

/** See the head of this file. */
export class WorkerBroker implements Broker, LinkOwner {
  readonly maxBacklogSize: number;
  readonly #joining: Joining | undefined;
  readonly #links = new Set<Link>();
  readonly #topics = new Set<string>();
  #events: BrokerEvents | undefined;
  #isFlushing = false;
  /** Messages that were passed on, once for each link. */
  relayed = 0;
  /** Messages that were not passed on over a link, because too much waited. */
  relayDropped = 0;

  constructor(joining: Joining | undefined, maxBacklogSize: number) {
    this.#joining = joining;
    this.maxBacklogSize = maxBacklogSize;
  }

  async connect(events: BrokerEvents): Promise<void> {
    this.#events = events;
    await this.#joining?.join((port) => this.#linked(port));
    events.state(true);
  }

  async publish(topic: string, batch: readonly Outgoing[]): Promise<readonly LogPosition[]> {
    const links = [...this.#links].filter((link) => link.wants(topic));
    for (const { id, payload } of batch) {
      if (links.length > 0) this.#pass(encodeEntry(topic, payload), links);
      // Behind what runs now: no publisher has another's code on its stack.
      if (this.#topics.has(topic)) queueMicrotask(() => this.#emit(topic, id, payload));
    }
    return [];
  }

  async subscribe(topics: readonly string[]): Promise<void> {
    for (const topic of topics) this.#topics.add(topic);
    await Promise.all([...this.#links].map((link) => link.want(topics)));
  }

  async unsubscribe(topics: readonly string[]): Promise<void> {
    for (const topic of topics) this.#topics.delete(topic);
    for (const link of this.#links) link.leave(topics);
  }

  async close(): Promise<void> {
    this.#joining?.part();
    for (const link of this.#links) link.close();
    this.#events = undefined;
  }

  // For the links

  get topics(): ReadonlySet<string> {
    return this.#topics;
  }

  received(topic: string, payload: Uint8Array): void {
    this.#emit(topic, "-", payload);
  }

  flushSoon(): void {
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    setImmediate(() => {
      this.#isFlushing = false;
      for (const link of this.#links) link.flush();
    });
  }

  over(link: Link): void {
    this.#links.delete(link);
  }

  #linked(port: FramePort): void {
    if (this.#events) this.#links.add(new Link(port, this));
    else port.close();
  }

  #pass(entry: Buffer, links: readonly Link[]): void {
    for (const link of links) {
      if (link.add(entry)) {
        this.relayed++;
        continue;
      }
      this.relayDropped++;
      this.#events?.error(new Error("A worker does not keep up: messages for it are dropped"));
    }
  }

  #emit(topic: string, id: string, payload: Uint8Array): void {
    if (this.#topics.has(topic)) this.#events?.message(topic, { epoch: "", prev: 0, offset: 0, id, payload });
  }
}
