/**
 * Messages that have to leave the process within a time of their own: one timer for all of a connection, and nothing is
 * kept of those that have left.
 */

import { timerLength } from "../../protocol/timer-length.ts";
import type { Clock } from "../../transport/clock.ts";
import type { Transport } from "../../transport/transport.ts";

/** A message that has to leave. */
export interface SendDeadline {
  /** Where the message ends in the output, in bytes since the first deadline; Infinity while it stands in line. */
  end: number;
  readonly at: number;
  readonly timeout: number;
}

/** The deadlines of one connection, in the order of their messages. */
export class SendDeadlines {
  readonly #transport: Pick<Transport, "waiting">;
  readonly #clock: Clock;
  readonly #late: (timeout: number) => void;
  readonly #waiting: SendDeadline[] = [];
  #written: number;
  #cancel: (() => void) | undefined;
  /** When the timer is due; Infinity while there is none. */
  #due = Number.POSITIVE_INFINITY;

  /** `late` is called with the timeout of a message that has not left in time. */
  constructor(transport: Pick<Transport, "waiting">, clock: Clock, late: (timeout: number) => void) {
    this.#transport = transport;
    this.#clock = clock;
    this.#late = late;
    this.#written = transport.waiting;
  }

  /** Bytes that were written, those included that waited before the first deadline. */
  get written(): number {
    return this.#written;
  }

  /** Counts bytes that were written. */
  wrote(length: number): void {
    this.#written += length;
  }

  /** Gives the message that was just sent a time to leave, in milliseconds; the caller sets its end. */
  add(timeout: number): SendDeadline {
    this.#dropLeft();
    const deadline = { end: Number.POSITIVE_INFINITY, at: this.#clock.now() + timeout, timeout };
    this.#waiting.push(deadline);
    this.#lookAt(deadline.at);
    return deadline;
  }

  /** The connection is over. */
  stop(): void {
    this.#cancel?.();
    this.#waiting.length = 0;
  }

  #dropLeft(): void {
    const left = this.#written - this.#transport.waiting;
    const kept = this.#waiting.findIndex(({ end }) => end > left);
    this.#waiting.splice(0, kept === -1 ? this.#waiting.length : kept);
  }

  #lookAt(at: number): void {
    if (at >= this.#due) return;
    this.#due = at;
    this.#cancel?.();
    this.#cancel = this.#clock.after(timerLength(at - this.#clock.now()), () => this.#look(), true);
  }

  #look(): void {
    this.#due = Number.POSITIVE_INFINITY;
    this.#dropLeft();
    const now = this.#clock.now();
    let next = Number.POSITIVE_INFINITY;
    for (const { at, timeout } of this.#waiting) {
      if (at <= now) return this.#late(timeout);
      next = Math.min(next, at);
    }
    this.#lookAt(next);
  }
}
