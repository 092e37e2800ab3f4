/**
 * What carries topics beyond one server, as its topics see it: a cluster. Without one nothing of this is there.
 */

import type { PreparedMessage } from "../connection/sending/prepared-message.ts";
import type { ResumeRequest } from "../resume/resume-messages.ts";
import type { MessageTerms } from "./publish-batch.ts";
import type { Gap, SubscribeOptions, Subscription } from "./subscription.ts";
import type { Subscriber } from "./topic.ts";

/** The topics of one server, as a relay uses them. */
export interface LocalTopics {
  /** Delivers what came over the relay. False when too much waits, and nobody gets it. */
  deliver(name: string, message: PreparedMessage, terms: MessageTerms): boolean;
  /**
   * Tells all subscribers of the topic, behind what was delivered before, those that speak the resume protocol with `text`;
   * false when one of them hears of no gaps.
   */
  tellGap(gap: Gap, text: () => string): boolean;
  /** From now on the subscriber gets what is delivered. */
  add(subscriber: Subscriber, name: string): void;
  /** Ends that; false when it was not so. */
  remove(subscriber: Subscriber, name: string): boolean;
  /** Gives a subscriber what was delivered up to now. */
  catchUp(subscriber: Subscriber): void;
}

/** A publication that a relay has taken. */
export interface Relayed {
  /** Resolves with the position of the message, when it is stored. */
  readonly stored: Promise<string | undefined>;
  /** Whether this server's subscribers get it over the relay, too, in the order of the log. */
  readonly comesBack: boolean;
}

/** The relay of one server's topics. */
export interface RelayedTopics {
  /** Whether so much waits to be stored that publishers had better wait. */
  readonly isBehind: boolean;
  /** Publishes to the other nodes; undefined for a topic that stays in this process. */
  publish(name: string, message: PreparedMessage, publisher: Subscriber | undefined): Relayed | undefined;
  /** A client that speaks the resume protocol says where it was. */
  begin(subscriber: Subscriber, request: ResumeRequest): void;
  /** Subscribes; the same object at a second call. */
  subscribe(subscriber: Subscriber, name: string, options: SubscribeOptions): Subscription;
  /** Ends a subscription; false when there was none. */
  unsubscribe(subscriber: Subscriber, name: string): boolean;
  /** The connection is over. */
  leave(subscriber: Subscriber): void;
  /** The server is closed. */
  close(): void;
}

/** A cluster. */
export interface Relay {
  /** Joins the topics of a server. */
  join(topics: LocalTopics): RelayedTopics;
}

/** Throws a TypeError for what `createCluster` cannot have returned. */
export function checkCluster(action: string, cluster: Partial<Relay> | undefined): void {
  if (cluster === undefined || typeof cluster.join === "function") return;
  throw new TypeError(`Cannot ${action}: the option "cluster" must be what createCluster returned`);
}
