/**
 * A bound on what all connections of the process hold together; beyond it the one that holds most gives up its share
 * (faults A02, D04).
 */

/** Something that holds memory for its peer. */
export interface Holder {
  /** It holds the most while the process holds too much: it must let go. */
  letGo(): void;
}

/** The sum of what is held, and by whom. */
export class ProcessCap {
  readonly #held = new Map<Holder, number>();
  #total = 0;

  /** Bytes held by all. */
  get total(): number {
    return this.#total;
  }

  /** Notes how much `holder` holds now; when all hold more than `most`, the largest lets go. */
  note(holder: Holder, size: number, most: number): void {
    this.#total += size - (this.#held.get(holder) ?? 0);
    if (size === 0) this.#held.delete(holder);
    else this.#held.set(holder, size);
    while (this.#total > most && this.#held.size > 0) {
      const largest = this.#largest();
      this.note(largest, 0, Number.POSITIVE_INFINITY);
      largest.letGo();
    }
  }

  #largest(): Holder {
    let largest: Holder | undefined;
    let most = -1;
    for (const [holder, size] of this.#held) {
      if (size <= most) continue;
      largest = holder;
      most = size;
    }
    return largest!;
  }
}
