/**
 * How long a connection works before the others have their turn (faults A04, A07).
 *
 * Handlers that return promises and readers that ask for the next message go on in microtasks, before anything else is
 * read from any socket. So what counts is the time since the connection began, across all that it does until the next
 * turn.
 */

/** After this many steps the clock is read. */
const stepsPerLook = 64;

/** The work of one connection since it last began anew. */
export class ReadPace {
  #steps = 0;
  /** When the first look was taken; negative before. */
  #began = -1;

  /** A turn of the event loop of its own begins. */
  restart(): void {
    this.#steps = 0;
    this.#began = -1;
  }

  /** Notes a step, and whether more than `budget` milliseconds are over; `look` reads the clock in any case. */
  isOver(budget: number, look: boolean): boolean {
    if (++this.#steps % stepsPerLook !== 0 && !look) return false;
    const now = performance.now();
    if (this.#began < 0) {
      this.#began = now;
      return false;
    }
    return now - this.#began >= budget;
  }
}
