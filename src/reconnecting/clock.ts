/**
 * Time and chance as the rest of this folder takes them, so that tests can turn the one and fix the other.
 */

/** Times in milliseconds. */
export interface Clock {
  /** A time that never goes back. */
  now(): number;
  /** The time since the epoch, which may go back, and which goes on while a machine sleeps. */
  date(): number;
  /** From 0 to below 1. */
  random(): number;
  /** Calls once, after the delay; the result is for `clearTimer`. */
  setTimer(run: () => void, delay: number): unknown;
  clearTimer(timer: unknown): void;
}

/** The runtime's own, looked up at each call: nothing of it is touched when this file is loaded. */
export const runtimeClock: Clock = {
  now: () => performance.now(),
  date: () => Date.now(),
  random: () => Math.random(),
  setTimer: (run, delay) => setTimeout(run, delay),
  clearTimer: (timer) => clearTimeout(timer as number),
};

/** A timer that is later than this was not late: the machine slept, or the page was frozen. */
const asleep = 5000;

/** Whether what was due at this `date` comes so late that this machine must have slept. */
export function sleptPast(clock: Clock, due: number): boolean {
  return clock.date() - due > asleep;
}
