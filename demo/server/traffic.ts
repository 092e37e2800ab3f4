/**
 * What goes out to the demo's WebSockets, and the server's own numbers on all that passes, for the push view.
 */
import type { ServerMetrics, SubscribeOptions } from "openline";

/** As much of a server's connection as the demo's parts need. */
export interface Subscriber {
  send(data: string): boolean;
  subscribe(topic: string, options?: SubscribeOptions): unknown;
  unsubscribe(topic: string): boolean;
}

/** As much of a server as publishes and counts. */
export interface Publisher {
  publish(topic: string, data: string): unknown;
  metrics(): ServerMetrics;
}

/** Sends and publishes JSON. */
export class Traffic {
  #publisher: Publisher | undefined;

  /** The server that publishes; before it is there, nobody is subscribed to anything. */
  attach(publisher: Publisher): void {
    this.#publisher = publisher;
  }

  /** The server's numbers; undefined before it is there. */
  metrics(): ServerMetrics | undefined {
    return this.#publisher?.metrics();
  }

  /** Sends a value as JSON text on `connection`. */
  send(connection: Subscriber, message: unknown): void {
    connection.send(JSON.stringify(message));
  }

  /** Sends a value as JSON text to all who are subscribed to `topic`; it is encoded once for all of them. */
  publish(topic: string, message: unknown): void {
    this.#publisher?.publish(topic, JSON.stringify(message));
  }
}
