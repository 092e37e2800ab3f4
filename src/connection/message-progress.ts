/**
 * Whether an unfinished message goes on: it may neither stand still for too long nor trickle (fault A11).
 *
 * Bytes are known to the tick only, so a message is given up when its time is over whenever in that tick they came.
 * Time in which we do not read ourselves is not held against the peer.
 */

import type { Endpoint } from "../protocol/endpoint/endpoint.ts";
import { tickLength } from "./event-loop/timer-wheel.ts";

/** From this many bytes of an unfinished message on, the rate of the rest is judged. */
const slowFrom = 64 * 1024;
/** The bytes in a millisecond that the peer owes of the rest: 1 KiB in 10 s. */
const slowestRate = 1024 / 10_000;
/** Over how many milliseconds the rate is judged. */
const rateWindow = 60_000;

/** Bytes of a message, and the tick at which they had come. */
interface Mark {
  readonly bytes: number;
  readonly tick: number;
}

/** Follows the unfinished messages of one connection, one after the other. */
export class MessageProgress {
  /** The latest tick at which we were seen not to read. */
  #pausedAt = 0;
  /** How far the unfinished message had come when it last went on; undefined while there is none. */
  #latest: Mark | undefined;
  /** Where the window began over which its rate is judged; undefined while it is short. */
  #windowStart: Mark | undefined;

  /** No message is unfinished, or the next is another one. */
  restart(): void {
    this.#latest = this.#windowStart = undefined;
  }

  /** We do not read at this tick. */
  paused(tick: number): void {
    this.restart();
    this.#pausedAt = tick;
  }

  /**
   * Whether the message stands still for longer than `longest` milliseconds, or its rest comes more slowly than a peer
   * owes; bytes were last received at `lastReceived`.
   */
  isSlow(endpoint: Endpoint, { tick, lastReceived, longest }: Moment): boolean {
    if (!endpoint.insideMessage) {
      this.restart();
      return false;
    }
    const { messageProgress: bytes } = endpoint;
    if (this.#latest?.bytes !== bytes) this.#latest = { bytes, tick: Math.max(lastReceived, this.#pausedAt) };
    return this.untilSlow(tick, longest) <= 0 || this.#isRateLow({ bytes, tick });
  }

  /** Milliseconds until the message will have stood still for too long; infinite while there is none. */
  untilSlow(tick: number, longest: number): number {
    if (this.#latest === undefined) return Number.POSITIVE_INFINITY;
    return longest + tickLength - between(this.#latest, tick);
  }

  #isRateLow(now: Mark): boolean {
    const start = this.#windowStart;
    const goesOn = start !== undefined && now.bytes >= start.bytes;
    if (goesOn && between(start, now.tick) < rateWindow) return false;
    this.#windowStart = now.bytes > slowFrom ? now : undefined;
    return goesOn && now.bytes - start.bytes < slowestRate * between(start, now.tick);
  }
}

/** The present of a connection, in ticks. */
interface Moment {
  readonly tick: number;
  readonly lastReceived: number;
  /** How long a message may stand still, in milliseconds. */
  readonly longest: number;
}

/** Milliseconds from a mark to a tick. */
function between(mark: Mark, tick: number): number {
  return (tick - mark.tick) * tickLength;
}
