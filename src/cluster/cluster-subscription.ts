/**
 * A connection's subscription to a topic of a cluster: it begins, catches up where the client says where it was, and ends.
 */

import { type Deferred, deferred } from "../connection/event-loop/deferred.ts";
import type { Gap, Subscribed, Subscription } from "../topics/subscription.ts";
import type { Subscriber } from "../topics/topic.ts";
import type { LogPosition } from "./broker/entry.ts";
import { textOf } from "./node/cluster-topic.ts";

/** Ends a subscription; what `unsubscribe` calls. */
export type End = (subscription: ClusterSubscription) => boolean;

/** See the head of this file. */
export class ClusterSubscription implements Subscription {
  readonly topic: string;
  readonly subscriber: Subscriber;
  /** The number of the first of its node's entries that it got with the others; undefined while it catches up. */
  joined: number | undefined;
  /** The number that its client was told of; undefined where it has heard of none. */
  n: number | undefined;
  /** Whether it began where the client says that it was. */
  hasSince: boolean;
  /** How many messages were sent again. */
  replayed = 0;
  /** Why messages are missing; undefined while none are. */
  reason: string | undefined;
  readonly #end: End;
  #ready: Deferred<Subscribed> | undefined;
  #subscribed: Subscribed | undefined;

  constructor(
    topic: string,
    subscriber: Subscriber,
    { hasSince, end }: { readonly hasSince: boolean; readonly end: End },
  ) {
    this.topic = topic;
    this.subscriber = subscriber;
    this.hasSince = hasSince;
    this.#end = end;
  }

  /** Whether it has ended, or is ready. */
  get isSettled(): boolean {
    return this.#subscribed !== undefined;
  }

  /** See `Subscription`. */
  get ready(): Promise<Subscribed> {
    if (this.#subscribed) return Promise.resolve(this.#subscribed);
    this.#ready ??= deferred<Subscribed>();
    return this.#ready.promise;
  }

  /** See `Subscription`. */
  unsubscribe(): boolean {
    return this.#end(this);
  }

  /** Tells its connection of a gap. */
  gap(gap: Gap): void {
    this.reason ??= gap.reason;
    this.subscriber.gap?.(gap);
  }

  /** Nothing is missed from this position on. */
  isReady(position: LogPosition | undefined): void {
    const text = textOf(position);
    this.#settle({
      ...(text !== undefined && { position: text }),
      replayed: this.replayed,
      ...(this.hasSince && { recovered: this.reason === undefined }),
      ...(this.reason !== undefined && { reason: this.reason }),
    });
  }

  /** It is over before it was ready, or afterwards. */
  ended(reason: string): void {
    this.#settle({ replayed: this.replayed, reason });
  }

  #settle(subscribed: Subscribed): void {
    this.#subscribed ??= subscribed;
    this.#ready?.resolve(this.#subscribed);
  }
}
