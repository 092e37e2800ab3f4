/**
 * How long a transport may stand still that takes nothing more: it is looked at once in each write timeout, and has
 * another whenever a byte has left or arrived since (faults D04, D05).
 */

import type { Clock } from "../../transport/clock.ts";
import type { Transport } from "../../transport/transport.ts";

/** Watches one transport from the moment it is full until `cancel`. */
export class WriteTimeout {
  readonly #transport: Transport;
  readonly #clock: Clock;
  /** Bytes that the transport held when it was last looked at, and below, bytes that it had received. */
  #backlog: number;
  #bytesReceived: number;
  /** When a byte was last seen to have left. */
  #leftAt: number;
  #cancel!: () => void;

  /** Calls `expired` after `timeout` milliseconds in which no byte left or arrived. */
  constructor(transport: Transport, clock: Clock, timeout: number, expired: () => void) {
    this.#transport = transport;
    this.#clock = clock;
    this.#backlog = transport.backlog;
    this.#bytesReceived = transport.bytesReceived;
    this.#leftAt = clock.now();
    this.#wait(timeout, expired);
  }

  /** For how many milliseconds no byte has left; undefined when some have since the last look. */
  get silence(): number | undefined {
    return this.#transport.backlog === this.#backlog ? this.#clock.now() - this.#leftAt : undefined;
  }

  /** The transport takes more, or is gone. */
  cancel(): void {
    this.#cancel();
  }

  #wait(timeout: number, expired: () => void): void {
    this.#cancel = this.#clock.after(
      timeout,
      () => {
        if (this.#moves()) this.#wait(timeout, expired);
        else expired();
      },
      true,
    );
  }

  #moves(): boolean {
    const { backlog, bytesReceived } = this.#transport;
    const left = backlog !== this.#backlog;
    if (left) this.#leftAt = this.#clock.now();
    const moves = left || bytesReceived !== this.#bytesReceived;
    this.#backlog = backlog;
    this.#bytesReceived = bytesReceived;
    return moves;
  }
}
