/**
 * The time that a connection lives by: a seam, so that a test can turn its clock.
 *
 * It measures what peers and applications take, never what the process works: a budget of work is real time always.
 */

/** Tells the time and calls later. */
export interface Clock {
  /** Milliseconds since a moment of the clock's own; they never fall. */
  now(): number;
  /**
   * Calls `call` once, after `delay` milliseconds; what is returned prevents that. In the `background` it does not keep
   * the process alive.
   */
  after(delay: number, call: () => void, background?: boolean): () => void;
}

/** The time of the process. Its timers are looked up at each call, so that tests which replace the globals stop it. */
export const realTime: Clock = {
  now: () => performance.now(),
  after(delay, call, background = false) {
    const timer = setTimeout(call, delay);
    if (background) timer.unref();
    return () => clearTimeout(timer);
  },
};
