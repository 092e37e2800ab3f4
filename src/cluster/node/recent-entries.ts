/**
 * The newest entries of one topic that a node has delivered, for clients that come back soon: without asking the broker.
 */

import type { Entry, LogPosition } from "../broker/entry.ts";

/** The memory of an entry without its payload. */
const entrySize = 128;

/** See the head of this file. */
export class RecentEntries {
  #entries: Entry[] = [];
  #size = 0;
  /** How many were added before the first one that is here. */
  #gone = 0;
  readonly #maxSize: number;

  /** Keeps at most this many bytes. */
  constructor(maxSize: number) {
    this.#maxSize = maxSize;
  }

  /** Bytes that are kept, with something for each entry. */
  get size(): number {
    return this.#size;
  }

  /** How many entries were ever added: the number of the next one. */
  get count(): number {
    return this.#gone + this.#entries.length;
  }

  /** The number of each entry that is kept, by its id. */
  numbers(): Map<string, number> {
    return new Map(this.#entries.map(({ id }, index) => [id, this.#gone + index]));
  }

  /** Adds an entry behind the others. */
  add(entry: Entry): void {
    this.#entries.push(entry);
    this.#size += entrySize + entry.payload.length;
    let gone = 0;
    while (this.#size > this.#maxSize) this.#size -= entrySize + this.#entries[gone++]!.payload.length;
    this.#entries.splice(0, gone);
    this.#gone += gone;
  }

  /** Entries are missing before what comes next: nobody can go on from one that is here. */
  clear(): void {
    this.#gone = this.count;
    this.#entries = [];
    this.#size = 0;
  }

  /** All entries behind `since`, where they are here without a gap; else undefined. */
  behind(since: LogPosition): readonly Entry[] | undefined {
    const first = this.#entries.findIndex(({ epoch, offset }) => epoch === since.epoch && offset > since.offset);
    return first >= 0 && this.#entries[first]!.prev === since.offset ? this.#entries.slice(first) : undefined;
  }
}
