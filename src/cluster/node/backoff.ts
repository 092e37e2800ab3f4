/** The wait before something is tried again: 50 ms, doubled up to a second, half of it random. */

import { type Deferred, deferred } from "../../connection/event-loop/deferred.ts";
import { realTime } from "../../transport/clock.ts";

const shortest = 50;
const longest = 1000;

/** See the head of this file. */
export class Backoff {
  #delay = shortest;
  #waiting: Deferred<void> | undefined;
  #cancel: (() => void) | undefined;

  /** Resolves after the wait, or when it is stopped. */
  wait(): Promise<void> {
    const waiting = deferred<void>();
    this.#waiting = waiting;
    this.#cancel = realTime.after(this.#delay * (0.5 + Math.random() / 2), waiting.resolve, true);
    this.#delay = Math.min(this.#delay * 2, longest);
    return waiting.promise;
  }

  /** The next wait is short again. */
  reset(): void {
    this.#delay = shortest;
  }

  /** Ends a wait now. */
  stop(): void {
    this.reset();
    this.#cancel?.();
    this.#waiting?.resolve();
  }
}
