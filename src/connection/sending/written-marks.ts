/**
 * Callbacks that are told when what was sent before them has left the process, in the order of their calls.
 */

import { nextTick } from "../../transport/scheduling.ts";
import type { Transport } from "../../transport/transport.ts";

/**
 * What became of what was sent. `written`: it has left the process. `lost`: the connection ended before. `inLine`: it
 * ended while a compressor or a Blob was waited for.
 */
export type SendOutcome = "written" | "lost" | "inLine";

/** A place in the output, and the callback that waits for it. */
interface Mark {
  /** In bytes since the first mark; Infinity while what was sent stands in line. */
  end: number;
  readonly settled: (outcome: SendOutcome) => void;
}

/** The marks of one connection, in the order of their calls. */
export class WrittenMarks {
  readonly #transport: Pick<Transport, "waiting">;
  readonly #marks: Mark[] = [];
  #written: number;
  #looksLater = false;

  constructor(transport: Pick<Transport, "waiting">) {
    this.#transport = transport;
    this.#written = transport.waiting;
  }

  /** Whether a callback waits. */
  get waits(): boolean {
    return this.#marks.length > 0;
  }

  /** Adds a callback for what was just sent. What is returned is to be called when all of that is in the output. */
  add(settled: (outcome: SendOutcome) => void): (outputLength: number) => void {
    const mark: Mark = { end: Number.POSITIVE_INFINITY, settled };
    this.#marks.push(mark);
    return (outputLength) => {
      mark.end = this.#written + outputLength;
      // It may have left before.
      if (outputLength === 0) this.lookLater();
    };
  }

  /** Counts bytes that were written. */
  wrote(length: number): void {
    this.#written += length;
    this.lookLater();
  }

  /** Bytes may have left: looks which marks that settles when the caller is done. */
  lookLater(): void {
    if (this.#looksLater || this.#marks.length === 0) return;
    this.#looksLater = true;
    nextTick(() => {
      this.#looksLater = false;
      const left = this.#written - this.#transport.waiting;
      while (this.#marks.length > 0 && this.#marks[0]!.end <= left) this.#marks.shift()!.settled("written");
    });
  }

  /** The connection is over. */
  drop(): void {
    for (const { end, settled } of this.#marks.splice(0)) settled(end === Number.POSITIVE_INFINITY ? "inLine" : "lost");
  }
}
