/**
 * The connections of one server, from their start until their last handler is done, and how the server waits for that.
 */

import type { CloseReport } from "../connection/closing/close-report.ts";
import { coreOf } from "../connection/connection.ts";
import { deferred } from "../connection/event-loop/deferred.ts";
import type { ServerConnection } from "./server-connection.ts";

/** The connections of one server. */
export class LiveConnections {
  readonly #open = new Set<ServerConnection>();
  /** Closed connections whose handlers are still at work on earlier events. */
  readonly #unhandled = new Set<ServerConnection>();
  /** Connections for whose handlers a call of `allGone` has waited until its end; no later call waits for them. */
  readonly #givenUp = new WeakSet<ServerConnection>();
  readonly #closed: Record<number, number> = {};
  #opened = 0;

  /** The open connections. */
  get open(): ReadonlySet<ServerConnection> {
    return this.#open;
  }

  /** The number of connections opened since the server began. */
  get opened(): number {
    return this.#opened;
  }

  /** The number of connections closed since the server began, by close code. */
  get closed(): Readonly<Record<number, number>> {
    return this.#closed;
  }

  /** Notes that a connection has started. */
  began(connection: ServerConnection): void {
    this.#opened++;
    this.#open.add(connection);
  }

  /** Notes that a connection is closed. */
  ended(connection: ServerConnection, { code }: CloseReport): void {
    this.#open.delete(connection);
    this.#unhandled.add(connection);
    this.#closed[code] = (this.#closed[code] ?? 0) + 1;
  }

  /** Notes that the last handler of a closed connection is done. */
  handled(connection: ServerConnection): void {
    this.#unhandled.delete(connection);
  }

  /**
   * Resolves when the given connections are closed, and their handlers and those of all closed connections are done.
   *
   * At the time `until` of `performance.now()`, the connections that are left are cut off. Then it resolves when they
   * are closed; no handler is waited for any more, nor in a later call.
   */
  async allGone(connections: readonly ServerConnection[], until: number): Promise<void> {
    const awaited = [...connections, ...this.#unhandled].filter((connection) => !this.#givenUp.has(connection));
    const cutOff = deferred<unknown>();
    const timer = setTimeout(
      () => {
        for (const connection of awaited) this.#givenUp.add(connection);
        for (const connection of connections) connection.terminate();
        cutOff.resolve(Promise.all(connections.map(({ closed }) => closed)));
      },
      Math.max(0, until - performance.now()),
    );
    await Promise.race([Promise.all(awaited.map((connection) => coreOf(connection).closing.handled)), cutOff.promise]);
    clearTimeout(timer);
  }
}
