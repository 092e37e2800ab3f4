/**
 * Counts of the demo's own WebSocket traffic, for the push view: connections open now, messages in each direction.
 * Every route reports here; nothing is estimated.
 */

/** Running totals since the server started. */
export class Traffic {
  connections = 0;
  received = 0;
  sent = 0;

  /** Sends a value as JSON text on `connection` and counts it. */
  send(connection: { send(data: string): boolean }, message: unknown): void {
    connection.send(JSON.stringify(message));
    this.sent += 1;
  }
}
