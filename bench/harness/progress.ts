/**
 * One line that says where the measuring is and how long it will still take; on a terminal it is written over itself.
 */

/** See the head of this file. */
export class Progress {
  readonly #began = performance.now();
  #total: number;
  #done = -1;

  /** `total` is the number of runs. */
  constructor(total: number) {
    this.#total = total;
  }

  /** A run begins. */
  step(what: string): void {
    this.#done++;
    const left = this.#done === 0 ? "" : `, ${this.#timeLeft()} left`;
    const line = `[${this.#done + 1}/${this.#total}${left}] ${what}`;
    if (process.stdout.isTTY) process.stdout.write(`\r\x1b[K${line.slice(0, (process.stdout.columns ?? 80) - 1)}`);
    else if (this.#done % 20 === 0) console.log(line);
  }

  /** Runs that will not be made. */
  skip(runs: number): void {
    this.#total -= runs;
  }

  /** A line that stays. */
  say(line: string): void {
    if (process.stdout.isTTY) process.stdout.write("\r\x1b[K");
    console.log(line);
  }

  /** All runs are made. */
  end(): void {
    this.say(`${this.#done + 1} runs in ${clock((performance.now() - this.#began) / 1000)}`);
  }

  #timeLeft(): string {
    const seconds = (performance.now() - this.#began) / 1000;
    return clock((seconds / this.#done) * (this.#total - this.#done));
  }
}

function clock(seconds: number): string {
  return `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
}
