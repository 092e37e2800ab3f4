/**
 * What a cluster needs of a broker: it orders, stores and hands out. A driver implements this for one kind of broker.
 */

import type { Entry, LogPage, LogPosition } from "./entry.ts";
import type { PresenceStep, PresenceStore } from "./presence-store.ts";

/** How much of a topic the broker keeps. */
export interface HistoryRule {
  /** Entries a topic, 1 to 10,000. */
  readonly size: number;
  /** Milliseconds after the last publish, by the broker's clock, after which the log may be gone. */
  readonly maxAge: number;
}

/** How much of a topic is kept; undefined for a topic without a history. */
export type HistoryOf = (topic: string) => HistoryRule | undefined;

/** A message on its way to the broker. */
export interface Outgoing {
  /** Its own, once for each call of `publish`; no white space. */
  readonly id: string;
  /** The application's `id`: within five minutes a second message with it is not stored. */
  readonly key?: string | undefined;
  /** The message and its wrapping, which the broker does not look into. */
  readonly payload: Uint8Array;
}

/** How a batch is published. */
export interface PublishOptions {
  /** Undefined where nothing is kept. */
  readonly history: HistoryRule | undefined;
  /** Milliseconds since this same batch was first sent and its fate is not known; undefined the first time. */
  readonly retryAfter: number | undefined;
}

/**
 * What a broker tells; it calls these as they happen, messages in the order of their topic's log as a rule. Of one that comes
 * too early, `prev` is not the one that came before it, and no offset that was told of earlier.
 */
export interface BrokerEvents {
  /** A message of a topic that is subscribed to; one of offset 0 and another epoch says that the epoch has ended. */
  message(topic: string, entry: Entry): void;
  /** A change of the members of a topic that is subscribed to in the store of presence. */
  presence(topic: string, step: PresenceStep): void;
  /** Whether the broker can be reached. False means that messages may be missed and that subscriptions are gone. */
  state(connected: boolean): void;
  /** Something went wrong that waiting heals, or perhaps not; for logs. */
  error(error: Error): void;
}

/**
 * One node's way to a broker.
 *
 * A call that fails with a `ClusterError` of the code `unavailable` failed with the connection: whether the broker did
 * it is not known. Every call settles, at the latest when the connection is given up.
 */
export interface Broker {
  /**
   * Connects; resolves when connected. Rejects with `refused` for what waiting cannot heal, else goes on trying. `historyOf`
   * tells the rule of each topic, the same at every call.
   */
  connect(events: BrokerEvents, historyOf: HistoryOf): Promise<void>;
  /**
   * Publishes one topic's messages in this order, all or none, and resolves with their positions; without history with
   * none. A batch with `retryAfter` that was stored already is not stored again; where that cannot be told any more,
   * rejects with `unknown`.
   */
  publish(topic: string, batch: readonly Outgoing[], options: PublishOptions): Promise<readonly LogPosition[]>;
  /** Resolves when messages published from then on will come. Subscribing again changes nothing. */
  subscribe(topics: readonly string[]): Promise<void>;
  /** No messages of the topics come any more. */
  unsubscribe(topics: readonly string[]): Promise<void>;
  /**
   * Up to `limit` entries behind `since`, from the log's first one on where `since` is of another epoch, and the last
   * `limit` ones where it is undefined. A topic without a log gets one.
   */
  history?(topic: string, since: LogPosition | undefined, limit: number): Promise<LogPage>;
  /** The ends of the logs, as `history` with a limit of 0; one for each topic. */
  positions?(topics: readonly string[]): Promise<readonly LogPosition[]>;
  /** Begins another epoch unless the present one is no longer `seen`, and tells all subscribers. */
  endEpoch?(topic: string, seen: string): Promise<void>;
  /** Who is there; undefined where the broker cannot keep that. */
  readonly presence?: PresenceStore;
  /** A word that all nodes have in common: the one that is kept, or else this one, which is kept from then on. */
  secret?(otherwise: string): Promise<string>;
  /** Lets go of the broker; what is under way fails. */
  close(): Promise<void>;
}
