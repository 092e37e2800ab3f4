/**
 * What goes out to the demo's WebSockets, and the counts of all that passes, for the push view: connections open now,
 * messages in each direction. Every route reports here; nothing is estimated.
 */

/** As much of a server's connection as the demo's parts need. */
export interface Subscriber {
  send(data: string): boolean;
  subscribe(topic: string): void;
  unsubscribe(topic: string): boolean;
}

/** As much of a server as publishes. */
export interface Publisher {
  publish(topic: string, data: string): { readonly reached: number };
}

/** Sends, publishes, and keeps running totals since the server started. */
export class Traffic {
  connections = 0;
  received = 0;
  sent = 0;
  #publisher: Publisher | undefined;

  /** The server that publishes; before it is there, nobody is subscribed to anything. */
  attach(publisher: Publisher): void {
    this.#publisher = publisher;
  }

  /** Sends a value as JSON text on `connection`. */
  send(connection: Subscriber, message: unknown): void {
    connection.send(JSON.stringify(message));
    this.sent += 1;
  }

  /** Sends a value as JSON text to all who are subscribed to `topic`; it is encoded once for all of them. */
  publish(topic: string, message: unknown): void {
    this.sent += this.#publisher?.publish(topic, JSON.stringify(message)).reached ?? 0;
  }
}
