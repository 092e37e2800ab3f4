/**
 * A clock that stands still until a test turns it, for connections that live by it.
 *
 * Only what measures time stands with it: bytes and handlers go their ways in turns of the event loop, and a step of the
 * clock lets what is under way arrive before the next. What other threads compress, inflate or read is under way, too.
 */

import { poolJobs } from "../connection/process-wide/pool-jobs.ts";
import { checkNumber } from "../protocol/check-number.ts";
import { describe } from "../protocol/check-options.ts";
import type { Clock } from "../transport/clock.ts";
import { setImmediate } from "../transport/scheduling.ts";

/** What is under way has arrived when this many turns of the event loop have passed in which nothing was delivered. */
const quietTurns = 5;
/** A conversation that never pauses holds up the time for this many turns. */
const longestWait = 10_000;

interface Timer {
  readonly at: number;
  readonly call: () => void;
}

/** Notes that something was delivered to a connection of a clock; set by the class. */
let noteDelivery: (clock: VirtualClock) => void;

/** A clock for the connections of `connectionPair`: their keepalive, timeouts and close timeouts. */
export class VirtualClock implements Clock {
  #now = 0;
  /** In the order in which they are due. */
  #timers: Timer[] = [];
  #deliveries = 0;
  /** Resolves when the latest `advance` is done, whether a timer threw or not. */
  #advanced: Promise<void> = Promise.resolve();

  static {
    noteDelivery = (clock) => {
      clock.#deliveries++;
    };
  }

  /** Milliseconds since the clock was made, as the test has turned it. */
  now(): number {
    return this.#now;
  }

  /**
   * Calls `call` when the clock has been turned by `delay` milliseconds; what is returned prevents that.
   *
   * Throws a RangeError for a delay that is no finite number from 0 on, and a TypeError where `call` is no function.
   */
  after(delay: number, call: () => void): () => void {
    checkNumber("set a timer", "delay", delay, { least: 0 });
    if (typeof call !== "function") {
      throw new TypeError(`Cannot set a timer: what it calls must be a function, not ${describe(call)}`);
    }
    const timer: Timer = { at: this.#now + delay, call };
    const next = this.#timers.findIndex(({ at }) => at > timer.at);
    this.#timers.splice(next < 0 ? this.#timers.length : next, 0, timer);
    return () => {
      this.#timers = this.#timers.filter((one) => one !== timer);
    };
  }

  /**
   * Turns the clock by so many milliseconds: each timer on the way is called at its time, and what it causes arrives
   * before the next. Resolves when that is done; with 0, when what is under way has arrived.
   *
   * A handler that waits for anything else, a file or a timer of its own, is not waited for. Throws a RangeError for what
   * is no finite number from 0 on; rejects with what a timer throws.
   */
  advance(milliseconds: number): Promise<void> {
    checkNumber("advance the clock", "milliseconds", milliseconds, { least: 0 });
    const advanced = this.#advanced.then(() => this.#advance(milliseconds));
    this.#advanced = advanced.catch(() => {});
    return advanced;
  }

  async #advance(milliseconds: number): Promise<void> {
    const until = this.#now + milliseconds;
    await this.#settle();
    for (let timer = this.#takeDue(until); timer !== undefined; timer = this.#takeDue(until)) {
      this.#now = timer.at;
      timer.call();
      await this.#settle();
    }
    this.#now = until;
  }

  #takeDue(until: number): Timer | undefined {
    const [first] = this.#timers;
    return first !== undefined && first.at <= until ? this.#timers.shift() : undefined;
  }

  /** Resolves when what is under way has arrived. */
  async #settle(): Promise<void> {
    let quiet = 0;
    for (let turns = 0; quiet < quietTurns && turns < longestWait; turns++) {
      const before = this.#deliveries;
      await new Promise<void>((resolve) => void setImmediate(resolve));
      quiet = this.#deliveries === before ? quiet + 1 : 0;
      while (poolJobs() > 0) {
        await new Promise<void>((resolve) => void setImmediate(resolve));
        quiet = 0;
      }
    }
  }
}

/** A function that notes deliveries to connections which live by the clock. */
export function deliveriesOf(clock: VirtualClock): () => void {
  return () => noteDelivery(clock);
}
