/**
 * A connection of a server: the data of its `upgrade`, its path, and topics.
 */

import { Connection, coreOf } from "../connection/connection.ts";
import type { ConnectionParts } from "../connection/connection-core.ts";
import type { Fragments, SendFragmentsOptions } from "../connection/sending/fragment-sender.ts";
import type { SendOptions } from "../connection/sending/send-options.ts";
import type { Sendable } from "../connection/sending/sendable.ts";
import type { ResumeRequest } from "../resume/resume-messages.ts";
import type { SubscribeOptions, Subscription } from "../topics/subscription.ts";
import { noPublishOptions, type Publishable, type PublishResult, type Topics } from "../topics/topics.ts";
import { ConnectionSubscriber } from "./connection-subscriber.ts";

/** The parts of a connection that only a server's has. */
export interface ServerConnectionParts<Data, Params> extends ConnectionParts<ServerConnection<Data, Params>> {
  readonly data: Data;
  readonly params: Params;
  readonly path: string;
  /** Undefined where the connection was accepted without topics. */
  readonly topics: Topics | undefined;
  /** The client's address where it is not the socket's own, or was read at the handshake. */
  readonly remoteAddress?: string | undefined;
}

const withoutTopics =
  "the connection was accepted without topics; accept has an option for them: { topics: new Topics() }";

/** Ends the subscriptions of a closed connection. */
export let leaveTopics: (connection: ServerConnection) => void;
/** The client of a connection, which speaks the resume protocol, says where it was. */
export let beginTopics: (connection: ServerConnection, request: ResumeRequest) => void;

/** A connection that a server has accepted. */
export class ServerConnection<Data = unknown, Params = Readonly<Record<string, string>>> extends Connection {
  /** The `data` that the route's `upgrade` returned; the application may change it. */
  data: Data;
  /** The values of the names in the route's path. */
  readonly params: Params;
  /** The path of the request, without the query. */
  readonly path: string;
  readonly #remoteAddress: string | undefined;
  /** Undefined where the connection was accepted without topics. */
  readonly #topics: Topics | undefined;
  /** Created by the first `subscribe`. */
  #subscriber: ConnectionSubscriber | undefined;

  static {
    leaveTopics = (connection) => {
      if (connection.#subscriber) connection.#topics!.leave(connection.#subscriber);
    };
    beginTopics = (connection, request) => {
      connection.#subscriber ??= new ConnectionSubscriber(coreOf(connection));
      connection.#topics!.begin(connection.#subscriber, request);
    };
  }

  /** @internal Applications make none: `serve` and `accept` do. */
  constructor(parts: ServerConnectionParts<Data, Params>) {
    super(parts as unknown as ConnectionParts<Connection>);
    this.data = parts.data;
    this.params = parts.params;
    this.path = parts.path;
    this.#remoteAddress = parts.remoteAddress;
    this.#topics = parts.topics;
  }

  /**
   * The client's address, as `trustProxy` has it. Undefined when the stream is not TCP, and when it was closed before
   * the first read of this property.
   */
  override get remoteAddress(): string | undefined {
    return this.#remoteAddress ?? super.remoteAddress;
  }

  /** The names of the topics to which the connection is subscribed. */
  get topics(): readonly string[] {
    const { relayed, topics = [] } = this.#subscriber ?? {};
    return relayed ? [...relayed.keys()] : [...topics].map(({ name }) => name);
  }

  /**
   * Subscribes to a topic: messages that are published to it from now on are sent to this connection; with `since` those
   * before, too, that it has missed.
   *
   * Throws a RangeError beyond `maxTopics` topics, 1000 by default, and for a name of more than `maxTopicLength` bytes
   * of UTF-8, 256 by default; a TypeError for a `since` that cannot be. Throws an Error when the connection was accepted
   * without topics. A closed connection is not subscribed.
   */
  subscribe(topic: string, options?: SubscribeOptions): Subscription {
    if (!this.#topics) throw new Error(`Cannot subscribe: ${withoutTopics}`);
    if (this.readyState === 3) return closedSubscription(topic);
    this.#subscriber ??= new ConnectionSubscriber(coreOf(this));
    return this.#topics.subscribe(this.#subscriber, topic, options);
  }

  /** Ends the subscription to a topic. Returns false when there was none. */
  unsubscribe(topic: string): boolean {
    return this.#subscriber !== undefined && this.#topics!.unsubscribe(this.#subscriber, topic);
  }

  /**
   * Publishes a message to all subscribers of the topic except this connection, which needs no subscription.
   *
   * Throws an Error when the connection was accepted without topics, and a TypeError for data of another type than text
   * or binary. While the subscribers are behind, the connection is read no faster than they are written to.
   */
  publish(topic: string, data: Publishable): PublishResult;
  publish(topic: string, data: Publishable, options?: unknown): PublishResult {
    if (options !== undefined) throw new TypeError(`Cannot publish: ${noPublishOptions}`);
    if (!this.#topics) throw new Error(`Cannot publish: ${withoutTopics}`);
    const result = this.#topics.publish(topic, data, this.#subscriber);
    const pace = this.#topics.pace(topic, result);
    if (pace) coreOf(this).receiving.holdUntil(pace);
    return result;
  }

  /** Whether messages from now on are compressed where permessage-deflate is agreed; see `Connection`. */
  override get compress(): boolean {
    return super.compress;
  }

  override set compress(compress: boolean) {
    if (this.#subscriber) this.#topics!.catchUp(this.#subscriber);
    super.compress = compress;
    this.#subscriber?.compressionChanged();
  }

  /** Sends one message, behind the messages that were published to this connection before; see `Connection`. */
  override send(data: Sendable, options?: SendOptions): boolean {
    if (this.#subscriber) this.#topics!.catchUp(this.#subscriber);
    return super.send(data, options);
  }

  /** Sends one message in fragments, behind those that were published to this connection before; see `Connection`. */
  override sendFragments(fragments: Fragments, options?: SendFragmentsOptions): Promise<void> {
    if (this.#subscriber) this.#topics!.catchUp(this.#subscriber);
    return super.sendFragments(fragments, options);
  }

  /**
   * Starts the closing handshake, behind the messages that were published to this connection before; see `Connection`.
   */
  override close(code?: number, reason?: string): void {
    if (this.#subscriber) this.#topics!.catchUp(this.#subscriber);
    super.close(code, reason);
  }
}

/** What subscribing to a topic comes to on a connection that is closed. */
function closedSubscription(topic: string): Subscription {
  return {
    topic,
    get ready() {
      return Promise.resolve({ replayed: 0, reason: "closed" });
    },
    unsubscribe: () => false,
  };
}
