/**
 * Time and chance as the rest of this folder takes them, so that tests can turn the one and fix the other.
 */

import { timerLength } from "../protocol/timer-length.ts";

/** Times in milliseconds. */
export interface Clock {
  /** A time that never goes back. */
  now(): number;
  /** The time since the epoch, which may go back, and which goes on while a machine sleeps. */
  date(): number;
  /** From 0 to below 1. */
  random(): number;
  /**
   * Calls once, after the delay, which may be `Infinity`; clears the timer that it replaces. The result is for `clearTimer`.
   */
  setTimer(run: () => void, delay: number, replaced: unknown): unknown;
  clearTimer(timer: unknown): void;
}

/** The runtime's own, looked up at each call: nothing of it is touched when this file is loaded. */
export const runtimeClock: Clock = {
  now: () => performance.now(),
  date: () => Date.now(),
  random: () => Math.random(),
  setTimer: (run, delay, replaced) => {
    clearTimeout(replaced as number);
    return setTimeout(run, timerLength(delay));
  },
  clearTimer: (timer) => clearTimeout(timer as number),
};

/** Whether what was due at this `date` comes so late, 5 s, that this machine must have slept, or the page was frozen. */
export function sleptPast(clock: Clock, due: number): boolean {
  return clock.date() - due > 5000;
}
