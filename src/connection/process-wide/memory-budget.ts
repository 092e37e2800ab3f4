/**
 * A bound on what all connections of the process hold together; beyond it the one that holds most gives up its share
 * (faults A02, D04).
 */

/** Something that holds memory for its peer. */
export interface Holder {
  /** Lets go of all: it holds the most while the process holds too much. */
  letGo(): void;
}

/** The sum of the memory held, and its holders; memory that several share counts once. */
export class MemoryBudget {
  readonly #held = new Map<Holder, { readonly size: number; readonly rank: number }>();
  /** How many hold each piece of shared memory. */
  readonly #shared = new Map<Uint8Array, number>();
  #total = 0;

  /** Bytes held by all. */
  get total(): number {
    return this.#total;
  }

  /** Notes that one more holds bytes which others may hold, too. */
  share(bytes: Uint8Array): void {
    const holders = this.#shared.get(bytes) ?? 0;
    this.#shared.set(bytes, holders + 1);
    if (holders === 0) this.#total += bytes.length;
  }

  /** Notes that one fewer does. */
  unshare(bytes: Uint8Array): void {
    const holders = this.#shared.get(bytes) ?? 0;
    if (holders > 1) {
      this.#shared.set(bytes, holders - 1);
    } else if (this.#shared.delete(bytes)) {
      this.#total -= bytes.length;
    }
  }

  /**
   * Notes how much `holder` holds now without what it shares; when all hold more than `most`, the largest lets go.
   *
   * `rank` is what tells the largest: by default the same, but what it shares may count as well.
   */
  note(holder: Holder, size: number, most: number, rank: number = size): void {
    this.#total += size - (this.#held.get(holder)?.size ?? 0);
    if (rank === 0) this.#held.delete(holder);
    else this.#held.set(holder, { size, rank });
    while (this.#total > most && this.#held.size > 0) {
      const largest = this.#largest();
      this.note(largest, 0, Number.POSITIVE_INFINITY);
      largest.letGo();
    }
  }

  #largest(): Holder {
    let largest: Holder | undefined;
    let most = -1;
    for (const [holder, { rank }] of this.#held) {
      if (rank <= most) continue;
      largest = holder;
      most = rank;
    }
    return largest!;
  }
}
