/**
 * The newest entries of one topic that a node has delivered, for clients that come back soon: without asking the broker.
 */

import type { Entry, LogPosition } from "../broker/entry.ts";

/** The memory of an entry without its payload. */
const entrySize = 128;

/** What all topics of a process keep together: beyond its size, those that have kept nothing new for longest let go of all. */
export class RecentBudget {
  readonly #maxSize: number;
  /** Those that keep something, the one that added last behind the others. */
  readonly #keepers = new Set<RecentEntries>();
  #size = 0;

  constructor(maxSize: number) {
    this.#maxSize = maxSize;
  }

  /** Bytes that are kept by all. */
  get size(): number {
    return this.#size;
  }

  /** One keeps so many bytes more, or fewer. */
  note(keeper: RecentEntries, change: number): void {
    this.#size += change;
    this.#keepers.delete(keeper);
    if (keeper.size > 0) this.#keepers.add(keeper);
    for (const oldest of this.#keepers) {
      if (this.#size <= this.#maxSize) return;
      oldest.clear();
    }
  }
}

/** See the head of this file. */
export class RecentEntries {
  #entries: Entry[] = [];
  #size = 0;
  /** How many were added before the first one that is here. */
  #gone = 0;
  readonly #maxSize: number;
  readonly #budget: RecentBudget | undefined;

  /** Keeps at most this many bytes, and no more than the budget has for it. */
  constructor(maxSize: number, budget?: RecentBudget) {
    this.#maxSize = maxSize;
    this.#budget = budget;
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
    const before = this.#size;
    this.#entries.push(entry);
    this.#size += entrySize + entry.payload.length;
    let gone = 0;
    while (this.#size > this.#maxSize) this.#size -= entrySize + this.#entries[gone++]!.payload.length;
    this.#entries.splice(0, gone);
    this.#gone += gone;
    this.#budget?.note(this, this.#size - before);
  }

  /** Entries are missing before what comes next: nobody can go on from one that is here. */
  clear(): void {
    this.#gone = this.count;
    this.#entries = [];
    const size = this.#size;
    this.#size = 0;
    this.#budget?.note(this, -size);
  }

  /** All entries behind `since`, where they are here without a gap; else undefined. */
  behind(since: LogPosition): readonly Entry[] | undefined {
    const first = this.#entries.findIndex(({ epoch, offset }) => epoch === since.epoch && offset > since.offset);
    return first >= 0 && this.#entries[first]!.prev === since.offset ? this.#entries.slice(first) : undefined;
  }
}
