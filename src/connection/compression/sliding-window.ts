/**
 * The last bytes of a stream, as many as a DEFLATE window holds (RFC 1951 section 2).
 *
 * It is what a compression context can be made again from, so contexts may be dropped and messages may be worked on
 * elsewhere without the two sides falling apart.
 */

/** Keeps the last `size` bytes pushed; allocates at the first push. */
export class SlidingWindow {
  readonly #size: number;
  #ring: Uint8Array | undefined;
  #next = 0;
  #filled = 0;

  constructor(size: number) {
    this.#size = size;
  }

  /** Adds bytes, which are copied. */
  push(bytes: Uint8Array): void {
    this.#ring ??= new Uint8Array(this.#size);
    const kept = bytes.length > this.#size ? bytes.subarray(bytes.length - this.#size) : bytes;
    const untilEnd = Math.min(kept.length, this.#size - this.#next);
    this.#ring.set(untilEnd === kept.length ? kept : kept.subarray(0, untilEnd), this.#next);
    if (untilEnd < kept.length) this.#ring.set(kept.subarray(untilEnd), 0);
    this.#next = (this.#next + kept.length) % this.#size;
    this.#filled = Math.min(this.#filled + kept.length, this.#size);
  }

  /** A copy of what the window holds, oldest byte first. */
  contents(): Uint8Array {
    const contents = new Uint8Array(this.#filled);
    if (this.#ring === undefined) return contents;
    const older = this.#filled === this.#size ? this.#ring.subarray(this.#next) : new Uint8Array(0);
    contents.set(older);
    contents.set(this.#ring.subarray(0, this.#filled - older.length), older.length);
    return contents;
  }
}
