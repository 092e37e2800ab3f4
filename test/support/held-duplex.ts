/**
 * A stream in memory that shows every write and takes bytes when told to: at once, in a later turn, or not at all.
 */

import { Duplex } from "node:stream";

/** When a write is done. */
export type Pace = "at once" | "later" | "stalled";

/** What was written, write by write: several chunks that came together count as one, as with a socket. */
export class HeldDuplex extends Duplex {
  pace: Pace = "at once";
  readonly writes: Buffer[] = [];
  #held: (() => void)[] = [];

  constructor(highWaterMark = 16 * 1024) {
    super({ highWaterMark, allowHalfOpen: true });
  }

  get written(): Buffer {
    return Buffer.concat(this.writes);
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.#take(chunk, done);
  }

  override _writev(chunks: { chunk: Buffer }[], done: () => void): void {
    this.#take(Buffer.concat(chunks.map(({ chunk }) => chunk)), done);
  }

  /** Takes what is held, and everything after it, at once. */
  flow(): void {
    this.pace = "at once";
    for (const done of this.#held.splice(0)) done();
  }

  #take(bytes: Buffer, done: () => void): void {
    this.writes.push(Buffer.from(bytes));
    if (this.pace === "at once") done();
    else if (this.pace === "later") setImmediate(done);
    else this.#held.push(done);
  }
}

/** Resolves in a later turn, after what `setImmediate` does in this one. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
}
