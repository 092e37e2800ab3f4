/**
 * Keeps sends in order when one of them must wait, for a Blob's bytes, a compressor or an iterable.
 *
 * While one is under way, everything behind it stands in line; without one nothing is queued here.
 */

type Step = () => unknown;

/** The line of one connection; made when the first send has to wait. */
export class SendLine {
  readonly #steps: Step[] = [];
  #underWay = false;
  /** Payload bytes that stand in line. */
  length = 0;

  /** Whether a send is under way, so that others have to queue. */
  get busy(): boolean {
    return this.#underWay;
  }

  /** Queues a step; `length` bytes are counted until it runs. */
  push(length: number, step: Step): void {
    this.length += length;
    this.#steps.push(() => {
      this.length -= length;
      return step();
    });
  }

  /** Starts a send that takes time; what stands in line goes on when it has settled. The promise must not reject. */
  hold(sending: Promise<void>): void {
    this.#underWay = true;
    void sending.then(() => {
      this.#underWay = false;
      while (!this.#underWay && this.#steps.length > 0) this.#steps.shift()!();
    });
  }
}
