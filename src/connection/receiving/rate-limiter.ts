/**
 * A token bucket for messages and one for bytes, each as the moment at which it is full again: nothing runs while nobody
 * sends.
 */

import type { Clock } from "../../transport/clock.ts";
import type { RateLimit } from "../options/rate-limit.ts";

/** Sums of parts of a millisecond are not exact; so much of a wait is none. */
const tolerance = 0.001;

/** The buckets of one connection. */
export class RateLimiter {
  readonly limit: RateLimit;
  readonly #clock: Clock;
  #messagesFullAt = Number.NEGATIVE_INFINITY;
  #bytesFullAt = Number.NEGATIVE_INFINITY;

  constructor(limit: RateLimit, clock: Clock) {
    this.limit = limit;
    this.#clock = clock;
  }

  /** The milliseconds until the next message may come; 0 when it may now. */
  get wait(): number {
    const { perMessage, perByte } = this.limit;
    const wait = Math.max(this.#until(this.#messagesFullAt, perMessage), this.#until(this.#bytesFullAt, perByte));
    return wait < tolerance ? 0 : wait;
  }

  /** Notes what has come, also more than there was room for. */
  take(messages: number, bytes: number): void {
    const now = this.#clock.now();
    this.#messagesFullAt = Math.max(this.#messagesFullAt, now) + messages * this.limit.perMessage;
    this.#bytesFullAt = Math.max(this.#bytesFullAt, now) + bytes * this.limit.perByte;
  }

  /** The time until a bucket has room for one; a bucket holds one at least. */
  #until(fullAt: number, perOne: number): number {
    return fullAt - this.#clock.now() - Math.max(this.limit.burst, perOne) + perOne;
  }
}
