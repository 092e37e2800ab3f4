/** Lets a number of jobs run at once; the others wait, first come first served. */

type Job = (done: () => void) => void;

/** Runs jobs that end by calling back. */
export class Limiter {
  readonly #most: number;
  #running = 0;
  readonly #waiting: Job[] = [];

  /** Takes how many run at once; 0 for any number. */
  constructor(most: number) {
    this.#most = most || Number.POSITIVE_INFINITY;
  }

  /** Starts the job, at once if there is room. It must call `done` once. */
  run(job: Job): void {
    if (this.#running < this.#most) this.#start(job);
    else this.#waiting.push(job);
  }

  #start(job: Job): void {
    this.#running++;
    job(() => {
      this.#running--;
      const next = this.#waiting.shift();
      if (next !== undefined) this.#start(next);
    });
  }
}
