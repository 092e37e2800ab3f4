/**
 * One timer for all connections that live by the same clock: a wheel of one-second slots, turned only while it watches
 * something.
 *
 * Time is counted in ticks of the wheel, not read from the clock, so a process that was suspended does not take its own
 * absence for its peers' silence; and each tick comes after what waits in the sockets was read (fault D19). A tick is
 * never shorter than a second: what happened n + 1 ticks ago is more than n seconds ago.
 */

import { type Clock, realTime } from "../../transport/clock.ts";
import { setImmediate } from "../../transport/scheduling.ts";
import { cleanContext } from "./async-context.ts";

const slotCount = 64;

/** Milliseconds a tick stands for. */
export const tickLength = 1000;

/** Something that wants to be looked at after some ticks. */
export interface Watched {
  /** The wheel's slot that holds it, -1 when none does; the wheel's own. */
  slot: number;
  /** Looks after itself; returns after how many ticks to be called again, 0 for never. */
  watch(): number;
}

/** The wheel of one clock. */
export class TimerWheel {
  /** Ticks since the wheel began to turn. */
  tick = 0;
  readonly #clock: Clock;
  readonly #slots: Set<Watched>[] = Array.from({ length: slotCount }, () => new Set());
  #watchedCount = 0;
  /** Cancels the timer of the next tick; undefined while none runs. */
  #cancelTimer: (() => void) | undefined;
  /** Whether the timer was due, and the tick waits for what the sockets hold. */
  #isDue = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Calls `watch` after `ticks`, at the earliest the next and at the latest after a full turn of the wheel. */
  watchAfter(watched: Watched, ticks: number): void {
    this.unwatch(watched);
    watched.slot = (this.tick + Math.min(Math.max(Math.ceil(ticks), 1), slotCount - 1)) % slotCount;
    this.#slots[watched.slot]!.add(watched);
    this.#watchedCount++;
    this.#startTimer();
  }

  /** Takes it off the wheel. */
  unwatch(watched: Watched): void {
    if (watched.slot < 0) return;
    this.#slots[watched.slot]!.delete(watched);
    watched.slot = -1;
    if (--this.#watchedCount > 0) return;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }

  #startTimer(): void {
    if (this.#cancelTimer !== undefined || this.#isDue) return;
    this.#cancelTimer = cleanContext(() => this.#clock.after(tickLength, () => this.#turnAfterReading(), true));
  }

  /**
   * The event loop polls its sockets between timers and immediates; a second time where the process stood still
   * between.
   */
  #turnAfterReading(): void {
    this.#cancelTimer = undefined;
    this.#isDue = true;
    const began = this.#clock.now();
    setImmediate(() => {
      if (this.#clock.now() - began < tickLength) this.#turn();
      else setImmediate(() => this.#turn());
    });
  }

  #turn(): void {
    this.#isDue = false;
    this.tick++;
    // From here on, so that a tick that comes late does not shorten the next one.
    if (this.#watchedCount > 0) this.#startTimer();
    const index = this.tick % slotCount;
    for (const watched of [...this.#slots[index]!]) {
      if (watched.slot !== index) continue;
      const ticks = watched.watch();
      if (ticks > 0) this.watchAfter(watched, ticks);
      else this.unwatch(watched);
    }
  }
}

const realWheel = new TimerWheel(realTime);
/** The wheels of clocks that are turned by hand. */
const otherWheels = new WeakMap<Clock, TimerWheel>();

/** The wheel of a clock, the same at each call. */
export function wheelOf(clock: Clock): TimerWheel {
  if (clock === realTime) return realWheel;
  let wheel = otherWheels.get(clock);
  if (wheel === undefined) {
    wheel = new TimerWheel(clock);
    otherWheels.set(clock, wheel);
  }
  return wheel;
}
