/**
 * Random numbers that a seed decides, so that a run can be repeated: the generator sfc32 by Chris Doty-Humphrey.
 */

/** A stream of random numbers; equal seeds give equal streams. */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  /** Takes an integer below 2^32, and a name, so that each target has a stream of its own. */
  constructor(seed: number, name: string) {
    this.#a = seed | 0;
    this.#b = 0x9e3779b9;
    this.#c = 0;
    for (let index = 0; index < name.length; index++) this.#c = (Math.imul(this.#c, 31) + name.charCodeAt(index)) | 0;
    for (let round = 0; round < 12; round++) this.#next();
  }

  /** An integer from 0 to `limit` - 1; `limit` is at most 2^32. */
  below(limit: number): number {
    return Math.floor((this.#next() / 2 ** 32) * limit);
  }

  #next(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }
}
