/**
 * A subscription of one connection to one topic.
 */

/** What became of a subscription when it was ready, or ended before. */
export interface Subscribed {
  /** From where on nothing is missed: what the client may give back as `since`. Undefined without history. */
  readonly position?: string;
  /** How many messages were sent that the client had missed. */
  readonly replayed: number;
  /** Whether nothing is missing between `since` and now; undefined where there was no `since`. */
  readonly recovered?: boolean;
  /** Why messages are missing, or why there is no subscription any more. */
  readonly reason?: string;
}

/** Where a subscription begins: now, at a position that a client was given, or with the last messages of the topic. */
export type Since = "now" | (string & {}) | { readonly last: number };

/** The options of `subscribe`. */
export interface SubscribeOptions {
  /**
   * Needs a cluster and a topic with history. Default: where a client that speaks the resume protocol says that it was, for
   * all others `"now"`. Such a client's place also counts before `{ last }`, which is for those that come for the first time.
   */
  readonly since?: Since;
  /**
   * Makes the connection a member of the topic, which all nodes know of, with this data as JSON, `maxPresenceData` bytes at
   * most; a later call with other data changes it. Needs a cluster and a topic with presence. Default: none.
   */
  readonly presence?: unknown;
}

/** A subscription; it is no promise, so that a handler may return it without waiting for a broker. */
export interface Subscription {
  /** The name of the topic. */
  readonly topic: string;
  /**
   * Resolves when nothing that is stored from then on is missed: without a cluster at once. Never rejects: when the
   * subscription ends before, it resolves with a `reason`.
   */
  readonly ready: Promise<Subscribed>;
  /** Ends the subscription. Returns false when it had ended already. */
  unsubscribe(): boolean;
}

/** Messages of a topic that a subscriber does not get, nor can have. */
export interface Gap {
  /** The name of the topic. */
  readonly topic: string;
  /**
   * `epoch`: the broker lost the log, or it was ended for all because it had lost its end. `fork`: this node saw that it
   * lost its end. `trimmed`: the messages were older than the history. `too-many`: more than `maxReplay` had been missed.
   * `overloaded`: this process could not deliver them. `unavailable`: the broker could not be asked in time. `refused`: the
   * client had no right to read on from where it said that it was.
   */
  readonly reason: "epoch" | "fork" | "trimmed" | "too-many" | "overloaded" | "unavailable" | "refused";
  /** From where on messages come again. */
  readonly position: string;
}
