/**
 * One topic's log in memory, with the rules that every broker's log has to keep. It asks no clock.
 */

import type { HistoryRule, Outgoing } from "./broker.ts";
import { ClusterError } from "./cluster-error.ts";
import { type Entry, type LogPage, type LogPosition, nextOffset } from "./entry.ts";

/** How long a message's `key` is remembered, in milliseconds. */
export const keyLifetime = 300_000;

/** The offset of an entry behind the offset `last`, at this time, with this id. */
export type OffsetOf = (last: number, now: number, id: string) => number;

/** See the head of this file. */
export class MemoryLog {
  #epoch: string;
  #last = 0;
  #entries: Entry[] = [];
  #expiresAt = Number.POSITIVE_INFINITY;
  readonly #keys = new Map<string, { readonly position: LogPosition; readonly until: number }>();
  readonly #offsetOf: OffsetOf;

  constructor(epoch: string, offsetOf: OffsetOf = nextOffset) {
    this.#epoch = epoch;
    this.#offsetOf = offsetOf;
  }

  /** Where it ends. */
  get end(): LogPosition {
    return { epoch: this.#epoch, offset: this.#last };
  }

  /**
   * Stores a batch; calls `stored` with each entry that is new, and returns the positions of all. Throws a
   * `ClusterError` with `unknown` for one that was sent before and may have been stored and gone since.
   */
  append(
    batch: readonly Outgoing[],
    { size, maxAge }: HistoryRule,
    {
      now,
      firstSent,
      stored,
    }: { readonly now: number; readonly firstSent: number | undefined; stored(entry: Entry): void },
  ): LogPosition[] {
    this.#expire(now);
    const before = firstSent === undefined ? undefined : this.#find(batch, firstSent);
    if (before) return before;
    const fresh: Entry[] = [];
    const positions = batch.map(({ id, key, payload }) => {
      const known = key === undefined ? undefined : this.#keys.get(key);
      if (known !== undefined && known.until > now) return known.position;
      const entry = { epoch: this.#epoch, prev: this.#last, offset: this.#offsetOf(this.#last, now, id), id, payload };
      this.#last = entry.offset;
      fresh.push(entry);
      const position = { epoch: entry.epoch, offset: entry.offset };
      if (key !== undefined) this.#remember(key, position, now);
      return position;
    });
    this.#entries.push(...fresh);
    this.#entries.splice(0, this.#entries.length - size);
    this.#expiresAt = now + maxAge;
    for (const entry of fresh) stored(entry);
    return positions;
  }

  /** See `Broker.history`. */
  page(since: LogPosition | undefined, limit: number, now: number): LogPage {
    this.#expire(now);
    const { epoch, offset: last } = this.end;
    if (since === undefined) return { epoch, last, entries: limit === 0 ? [] : this.#entries.slice(-limit) };
    const from = since.epoch === epoch ? since.offset : 0;
    const first = this.#entries.findIndex(({ offset }) => offset > from);
    return { epoch, last, entries: first < 0 ? [] : this.#entries.slice(first, first + limit) };
  }

  /** Begins another epoch, where the present one is `seen`; whether it did. */
  endEpoch(seen: string, next: string): boolean {
    if (this.#epoch !== seen) return false;
    this.#epoch = next;
    this.#last = 0;
    this.#entries = [];
    this.#keys.clear();
    return true;
  }

  /** The positions of a batch that is stored already; undefined where it surely never was. */
  #find(batch: readonly Outgoing[], firstSent: number): LogPosition[] | undefined {
    const stored = new Map(this.#entries.map(({ id, epoch, offset }) => [id, { epoch, offset }]));
    const isStored = batch.some(({ id }) => stored.has(id));
    const newestGone = this.#entries[0]?.prev ?? this.#last;
    if (!isStored && newestGone < Math.floor(firstSent) * 1024) return undefined;
    return batch.map(({ id, key = "" }) => {
      const position = stored.get(id) ?? this.#keys.get(key)?.position;
      if (position) return position;
      throw new ClusterError("unknown", "Cannot publish again: what the first attempt stored is gone from the log");
    });
  }

  #remember(key: string, position: LogPosition, now: number): void {
    for (const [old, { until }] of this.#keys) {
      if (until > now) break;
      this.#keys.delete(old);
    }
    this.#keys.set(key, { position, until: now + keyLifetime });
  }

  #expire(now: number): void {
    if (now >= this.#expiresAt) this.#entries = [];
  }
}
