/**
 * A process as a subscriber: its handler gets a topic's messages in the order of the log, one after another.
 */

import { type Deferred, deferred } from "../connection/event-loop/deferred.ts";
import { isThenable, whenSettled } from "../connection/event-loop/thenable.ts";
import type { Gap, Subscribed } from "../topics/subscription.ts";
import { type Entry, type LogPosition, positionToText } from "./broker/entry.ts";
import { type CatchUpParts, catchUp } from "./catch-up.ts";
import { type ClusterTopic, type Received, type Receiver, textOf } from "./node/cluster-topic.ts";
import { unwrap } from "./node/envelope.ts";
import type { LogGap } from "./node/log-reader.ts";

/** A message of a topic. */
export interface ClusterMessage {
  readonly topic: string;
  readonly data: string | Uint8Array;
  /** Behind the message; undefined without history. */
  readonly position: string | undefined;
}

/** What a process gives to be called. */
export interface HandlerParts {
  readonly handler: (message: ClusterMessage) => unknown;
  readonly gap: ((gap: Gap) => unknown) | undefined;
  /** A handler threw, or its promise was rejected. */
  failed(error: unknown): void;
}

/** See the head of this file. */
export class HandlerSubscription implements Receiver {
  readonly #parts: HandlerParts;
  #isLive = false;
  #joined = 0;
  #isOver = false;
  #replayed = 0;
  /** Why messages are missing; undefined while none are. */
  #reason: string | undefined;
  readonly #ready: Deferred<Subscribed> = deferred();

  constructor(parts: HandlerParts) {
    this.#parts = parts;
  }

  /** Reads with the node from now on, or from where it says it was. */
  start(topic: ClusterTopic, since: LogPosition | { readonly last: number } | undefined, parts: CatchUpParts): void {
    const level = () => {
      this.#isLive = true;
      this.#joined = topic.recent.count;
      void this.#whenReady(topic, since !== undefined);
    };
    if (since === undefined) return level();
    const subscriber = {
      isOver: () => this.#isOver,
      deliver: (entry: Entry) => this.#again(topic, entry),
      gap: (reason: Gap["reason"], position: LogPosition) => this.#tell(topic, reason, position),
      ready: () => undefined,
      level,
    };
    void catchUp(topic, since, subscriber, parts);
  }

  /** Resolves when nothing that is stored from then on is missed, or when it ends before. */
  get ready(): Promise<Subscribed> {
    return this.#ready.promise;
  }

  /** Nothing is called any more. */
  end(): void {
    this.#isOver = true;
    this.#isLive = false;
    this.#ready.resolve({ replayed: this.#replayed, reason: "unsubscribed" });
  }

  /** See `Receiver`. */
  receive(topic: ClusterTopic, { data, position, number }: Received): void {
    if (!this.#isLive || (number !== undefined && this.#joined <= number)) return;
    this.#call(() => this.#parts.handler({ topic: topic.name, data, position: textOf(position) }));
  }

  /** See `Receiver`. */
  gap(topic: ClusterTopic, reason: LogGap): void {
    if (this.#isLive) this.#tell(topic, reason, topic.reader!.position!);
  }

  async #whenReady(topic: ClusterTopic, hasSince: boolean): Promise<void> {
    while (!topic.isReady && !this.#isOver) await topic.moved;
    const position = textOf(topic.reader?.position);
    this.#ready.resolve({
      ...(position !== undefined && { position }),
      replayed: this.#replayed,
      ...(hasSince && { recovered: this.#reason === undefined }),
      ...(this.#reason !== undefined && { reason: this.#reason }),
    });
  }

  #again(topic: ClusterTopic, entry: Entry): void {
    const message = unwrap(entry.payload);
    if (message === undefined || this.#isOver) return;
    this.#replayed++;
    this.#call(() => this.#parts.handler({ topic: topic.name, data: message.data, position: positionToText(entry) }));
  }

  #tell(topic: ClusterTopic, reason: Gap["reason"], position: LogPosition): void {
    this.#reason ??= reason;
    this.#call(() => this.#parts.gap?.({ topic: topic.name, reason, position: positionToText(position) }));
  }

  #call(call: () => unknown): void {
    const failed = (error: unknown) => this.#parts.failed(error);
    try {
      const result = call();
      if (isThenable(result)) whenSettled(result, () => {}, failed);
    } catch (error) {
      failed(error);
    }
  }
}
