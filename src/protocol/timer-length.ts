/** How long a timer can wait. Pages import it, so that nothing else is in this file. */

/** The longest time that a timer can wait, in milliseconds: about 25 days. A longer one would fire at once. */
export const longestTimer: number = 2 ** 31 - 1;

/** Returns the time, or the longest one that a timer can wait, in milliseconds. */
export function timerLength(milliseconds: number): number {
  return Math.min(milliseconds, longestTimer);
}
