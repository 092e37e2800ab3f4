/**
 * All that this node publishes: a queue for each topic, within limits on what waits.
 */

import { realTime } from "../../transport/clock.ts";
import type { Broker, HistoryRule, Outgoing } from "../broker/broker.ts";
import { ClusterError } from "../broker/cluster-error.ts";
import type { LogPosition } from "../broker/entry.ts";
import { Backoff } from "./backoff.ts";
import { PublishQueue } from "./publish-queue.ts";

/** The limits on what waits; times in milliseconds, sizes in bytes. */
export interface PublisherLimits {
  readonly publishTimeout: number;
  readonly maxPending: number;
  readonly maxPendingSize: number;
}

interface TopicQueue {
  readonly queue: PublishQueue;
  readonly history: HistoryRule | undefined;
  readonly backoff: Backoff;
}

/** How often it is looked for what has waited for too long, in milliseconds. */
const lookInterval = 250;

/** See the head of this file. */
export class Publisher {
  readonly #broker: Broker;
  readonly #limits: PublisherLimits;
  readonly #topics = new Map<string, TopicQueue>();
  #isConnected = false;
  #isClosed = false;
  #pending = 0;
  #pendingSize = 0;
  #cancelLook: (() => void) | undefined;

  constructor(broker: Broker, limits: PublisherLimits) {
    this.#broker = broker;
    this.#limits = limits;
  }

  /** Messages that are not stored yet. */
  get pending(): number {
    return this.#pending;
  }

  /** Publishes behind what was published to the topic before. Rejects with a `ClusterError`. */
  publish(topic: string, message: Outgoing, history: HistoryRule | undefined): Promise<LogPosition | undefined> {
    const size = message.payload.length;
    const { maxPending, maxPendingSize } = this.#limits;
    if (this.#isClosed) return Promise.reject(new ClusterError("closed", "Cannot publish: the cluster is closed"));
    if (this.#pending >= maxPending || this.#pendingSize + size > maxPendingSize) {
      const waits = `${this.#pending} messages of ${this.#pendingSize} bytes wait for the broker`;
      return Promise.reject(new ClusterError("overloaded", `Cannot publish: ${waits}`));
    }
    this.#pending++;
    this.#pendingSize += size;
    this.#cancelLook ??= realTime.after(lookInterval, () => this.#look(), true);
    return new Promise((resolve, reject) => {
      const settled = () => {
        this.#pending--;
        this.#pendingSize -= size;
      };
      const stored = (position: LogPosition | undefined) => {
        settled();
        resolve(position);
      };
      const failed = (error: ClusterError) => {
        settled();
        reject(error);
      };
      const queued = this.#queueOf(topic, history);
      queued.queue.add({ message, since: realTime.now(), stored, failed });
      this.#send(topic, queued);
    });
  }

  /** Whether the broker can be reached. */
  connected(isConnected: boolean): void {
    this.#isConnected = isConnected;
    for (const [topic, queued] of this.#topics) {
      queued.backoff.stop();
      this.#send(topic, queued);
    }
  }

  /** What waits fails. */
  close(): void {
    this.#isClosed = true;
    this.#isConnected = false;
    this.#cancelLook?.();
    for (const { queue, backoff } of this.#topics.values()) {
      backoff.stop();
      queue.close();
    }
    this.#topics.clear();
  }

  #queueOf(topic: string, history: HistoryRule | undefined): TopicQueue {
    let queued = this.#topics.get(topic);
    if (queued === undefined) {
      queued = { queue: new PublishQueue(history?.size), history, backoff: new Backoff() };
      this.#topics.set(topic, queued);
    }
    return queued;
  }

  #send(topic: string, queued: TopicQueue): void {
    const { queue, history } = queued;
    const call = this.#isConnected ? queue.next(realTime.now()) : undefined;
    if (call === undefined) return;
    const retryAfter = call.firstSent === undefined ? undefined : realTime.now() - call.firstSent;
    this.#call(topic, call.batch, { history, retryAfter }).then(
      (positions) => {
        queued.backoff.reset();
        queue.answered(positions);
        this.#goOn(topic, queued);
      },
      (error: unknown) => {
        queue.failed(failureOf(error, history));
        // Where the connection is still there, the broker has refused for now: it is loading, or has no leader.
        void queued.backoff.wait().then(() => this.#goOn(topic, queued));
      },
    );
  }

  async #call(topic: string, batch: readonly Outgoing[], options: Parameters<Broker["publish"]>[2]) {
    const positions: unknown = await this.#broker.publish(topic, batch, options);
    if (Array.isArray(positions) && (!options.history || positions.length === batch.length)) return positions;
    throw new ClusterError("unknown", "The broker answered without a position for each message");
  }

  #goOn(topic: string, queued: TopicQueue): void {
    if (!queued.queue.isEmpty) this.#send(topic, queued);
    else if (this.#topics.get(topic) === queued) this.#topics.delete(topic);
  }

  #look(): void {
    this.#cancelLook = undefined;
    const until = realTime.now() - this.#limits.publishTimeout;
    for (const [topic, { queue }] of this.#topics) {
      queue.expire(until);
      if (queue.isEmpty) this.#topics.delete(topic);
    }
    if (this.#pending > 0) this.#cancelLook = realTime.after(lookInterval, () => this.#look(), true);
  }
}

/** Without a history nothing is sent twice: it would come twice. */
function failureOf(thrown: unknown, history: HistoryRule | undefined): ClusterError {
  const error = toClusterError(thrown);
  if (history !== undefined || error.code !== "unavailable") return error;
  return new ClusterError("unknown", "The broker was lost while the message was on its way", { cause: error });
}

/** What a driver throws that is no error of ours is the broker's own word. */
export function toClusterError(error: unknown): ClusterError {
  if (error instanceof ClusterError) return error;
  const { message = String(error) } = Object(error) as Partial<Error>;
  return new ClusterError("refused", `The broker refused: ${message}`, { cause: error });
}
