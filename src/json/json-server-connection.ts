/**
 * A connection of a server whose messages have a type.
 */

import type { ServerConnection } from "../server/server-connection.ts";
import type { SubscribeOptions, Subscription } from "../topics/subscription.ts";
import type { PublishResult } from "../topics/topics.ts";
import { encodeJson } from "../typed/json-codec.ts";
import { JsonConnection } from "../typed/json-connection.ts";

/** A connection that a route of `json` has accepted. `raw` has all that is not here. */
export class JsonServerConnection<
  Received,
  Sent,
  Data = unknown,
  Params = Readonly<Record<string, string>>,
> extends JsonConnection<Received, Sent, ServerConnection<Data, Params>> {
  /** The `data` that the route's `upgrade` returned; the application may change it. */
  get data(): Data {
    return this.raw.data;
  }

  set data(data: Data) {
    this.raw.data = data;
  }

  /** The values of the names in the route's path. */
  get params(): Params {
    return this.raw.params;
  }

  /** The path of the request, without the query. */
  get path(): string {
    return this.raw.path;
  }

  /** The client's address, as `trustProxy` has it; see `ServerConnection`. */
  get remoteAddress(): string | undefined {
    return this.raw.remoteAddress;
  }

  /** The names of the topics to which the connection is subscribed. */
  get topics(): readonly string[] {
    return this.raw.topics;
  }

  /** Subscribes to a topic; throws what `subscribe` of `ServerConnection` throws. */
  subscribe(topic: string, options?: SubscribeOptions): Subscription {
    return this.raw.subscribe(topic, options);
  }

  /** Ends the subscription to a topic. Returns false when there was none. */
  unsubscribe(topic: string): boolean {
    return this.raw.unsubscribe(topic);
  }

  /**
   * Publishes a value as JSON to all subscribers of the topic except this connection; see `ServerConnection`. Throws a
   * TypeError for what JSON cannot hold.
   */
  publish(topic: string, value: Sent): PublishResult;
  publish(topic: string, value: Sent, ...more: []): PublishResult {
    return this.raw.publish(topic, encodeJson(value), ...more);
  }

  /** Destroys the transport at once; what was not sent or not delivered is lost. */
  terminate(): void {
    this.raw.terminate();
  }
}
