/**
 * A connection as the server has it: with what `upgrade` gave it and the path it came in by.
 */

import { Connection, coreOf } from "../connection/connection.ts";
import type { ConnectionParts } from "../connection/connection-core.ts";
import type { SendOptions } from "../connection/handlers.ts";
import type { Fragments, SendFragmentsOptions } from "../connection/sending/fragment-sender.ts";
import type { Sendable } from "../connection/sending/send-queue.ts";
import type { Subscriber } from "../topics/topic.ts";
import type { Publishable, PublishResult, Topics } from "../topics/topics.ts";

/** What the server knows of a connection besides its stream. */
export interface ServerConnectionParts<Data, Params> extends ConnectionParts<ServerConnection<Data, Params>> {
  readonly data: Data;
  readonly params: Params;
  readonly path: string;
  readonly topics: Topics | undefined;
  /** The client's address where trusted proxies say it. */
  readonly remoteAddress?: string | undefined;
}

const withoutTopics =
  "the connection was accepted without topics; accept has an option for them: { topics: new Topics() }";

/** One client of a server. */
export class ServerConnection<Data = unknown, Params = Readonly<Record<string, string>>> extends Connection {
  /** What the route's `upgrade` returned as `data`; the application's to use. */
  data: Data;
  /** The values of the names in the route's path. */
  readonly params: Params;
  /** The path that was asked for, without the query. */
  readonly path: string;
  readonly #remoteAddress: string | undefined;
  readonly #topics: Topics | undefined;
  #subscriber: Subscriber | undefined;

  /** @internal For `accept` and `serve`. */
  constructor(parts: ServerConnectionParts<Data, Params>) {
    super(parts as unknown as ConnectionParts<Connection>);
    this.data = parts.data;
    this.params = parts.params;
    this.path = parts.path;
    this.#remoteAddress = parts.remoteAddress;
    this.#topics = parts.topics;
  }

  /**
   * The client's address, or what proxies say of it that `trustProxy` trusts; undefined when the stream is not TCP, or was
   * closed before anybody asked.
   */
  override get remoteAddress(): string | undefined {
    return this.#remoteAddress ?? super.remoteAddress;
  }

  /** The names of the topics it is subscribed to. */
  get topics(): readonly string[] {
    return [...(this.#subscriber?.topics ?? [])].map(({ name }) => name);
  }

  /**
   * Subscribes to a topic: what is published to it from now on is sent to this connection.
   *
   * Throws a RangeError beyond 1000 topics, or for a name of more than 256 bytes of UTF-8; an Error when the connection was
   * accepted without topics. A closed connection is not subscribed.
   */
  subscribe(topic: string): void {
    if (!this.#topics) throw new Error(`Cannot subscribe: ${withoutTopics}`);
    if (this.readyState === 3) return;
    this.#subscriber ??= this.#makeSubscriber();
    this.#topics.subscribe(this.#subscriber, topic);
  }

  /** Ends a subscription; false when there was none. */
  unsubscribe(topic: string): boolean {
    return this.#subscriber !== undefined && this.#topics!.unsubscribe(this.#subscriber, topic);
  }

  /**
   * Publishes to everybody who is subscribed to the topic but this connection, whether it is subscribed or not.
   *
   * While delivery is behind, no more is read from a connection that publishes than its subscribers can be written to.
   */
  publish(topic: string, data: Publishable): PublishResult {
    if (!this.#topics) throw new Error(`Cannot publish: ${withoutTopics}`);
    const result = this.#topics.publish(topic, data, this.#subscriber);
    const pace = this.#topics.pace(topic);
    if (pace) coreOf(this).receiving.hold(pace);
    return result;
  }

  override get compress(): boolean {
    return super.compress;
  }

  /** What was published to this connection before is sent as it was; see `Connection`. */
  override set compress(compress: boolean) {
    if (this.#subscriber) this.#topics!.catchUp(this.#subscriber);
    super.compress = compress;
    if (this.#subscriber) this.#subscriber.compression = coreOf(this).sending.sharedCompression;
  }

  /** Sends one message, behind what was published to this connection before; see `Connection`. */
  override send(data: Sendable, options?: SendOptions): boolean {
    if (this.#subscriber) this.#topics!.catchUp(this.#subscriber);
    return super.send(data, options);
  }

  /** Sends one message in fragments, behind what was published to this connection before; see `Connection`. */
  override sendFragments(fragments: Fragments, options?: SendFragmentsOptions): Promise<void> {
    if (this.#subscriber) this.#topics!.catchUp(this.#subscriber);
    return super.sendFragments(fragments, options);
  }

  /** Starts the closing handshake, behind what was published to this connection before; see `Connection`. */
  override close(code?: number, reason?: string): void {
    if (this.#subscriber) this.#topics!.catchUp(this.#subscriber);
    super.close(code, reason);
  }

  /** @internal The connection is over. */
  leaveTopics(): void {
    if (this.#subscriber) this.#topics!.leave(this.#subscriber);
  }

  #makeSubscriber(): Subscriber {
    const { sending } = coreOf(this);
    return {
      topics: new Set(),
      position: { round: 0, entry: 0 },
      compression: sending.sharedCompression,
      takesFrames: () => sending.takesFrames(),
      lag: () => sending.lag(),
      sendFrames: (frames, messageCount) => sending.sendFrames(frames, messageCount),
      deliveryFailed: (error) => sending.sendingFailed(error),
    };
  }
}
