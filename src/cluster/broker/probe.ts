/**
 * Finds out that a broker is not heard any more: a connection that is half open says nothing by itself.
 *
 * After a silence a message to this node itself is sent. When nothing has come half of that time later, the connection is to be
 * given up.
 */

import { realTime } from "../../transport/clock.ts";
import { setImmediate } from "../../transport/scheduling.ts";

/** How a broker is probed. */
export interface ProbeOptions {
  /** How long a silence is before it is asked, in milliseconds. */
  readonly interval: number;
  /** Sends a message to this node itself; when it rejects, that says no more than silence. */
  ask(): Promise<unknown>;
  /** The broker is not heard. Nothing is asked any more until the probe is started again. */
  silent(): void;
}

/** See the head of this file. */
export class Probe {
  readonly #options: ProbeOptions;
  #heardAt = 0;
  /** Cancels what comes next; undefined while it is stopped. */
  #cancel: (() => void) | undefined;

  constructor(options: ProbeOptions) {
    this.#options = options;
  }

  /** The broker was connected to. */
  start(): void {
    this.heard();
    this.#later();
  }

  /** Something came. */
  heard(): void {
    this.#heardAt = realTime.now();
  }

  /** Nothing is asked any more. */
  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #later(): void {
    this.stop();
    this.#cancel = realTime.after(this.#options.interval, () => this.#look(), true);
  }

  #look(): void {
    const { interval, ask } = this.#options;
    if (realTime.now() - this.#heardAt < interval) return this.#later();
    const askedAt = realTime.now();
    ask().catch(() => {});
    // A process that was busy reads first what has come meanwhile.
    const wait = () => setImmediate(() => this.#cancel === cancel && this.#judge(askedAt));
    const cancel = realTime.after(interval / 2, wait, true);
    this.#cancel = cancel;
  }

  #judge(askedAt: number): void {
    if (this.#heardAt >= askedAt) return this.#later();
    this.stop();
    this.#options.silent();
  }
}
