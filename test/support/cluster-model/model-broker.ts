/**
 * The broker of the model: one topic's log, killed with its data kept or lost, or brought back as it was earlier.
 */
import type { Outgoing } from "../../../src/cluster/broker/broker.ts";
import type { Entry, LogPosition } from "../../../src/cluster/broker/entry.ts";
import { MemoryLog } from "../../../src/cluster/broker/memory-log.ts";

/** What the broker's log did, so that a log can be made again as it was at any time. */
type Act =
  | { readonly append: readonly Outgoing[]; readonly now: number; readonly firstSent: number | undefined }
  | { readonly end: string; readonly next: string };

/** An entry that was stored at some time, and what became of it. */
export interface Stored {
  readonly entry: Entry;
  /** Whether a broker that lost data, or an epoch that was ended, took it along. */
  lost: boolean;
}

/** See the head of this file. */
export class ModelBroker {
  isUp = true;
  log: MemoryLog = new MemoryLog("e1");
  /** All that was ever stored, in the order of storing. */
  readonly stored: Stored[] = [];
  /** Whether anything was ever lost, or trimmed. */
  hasLost = false;
  hasTrimmed = false;
  #epochs = 1;
  /** The epoch, and how much was stored, before the first act. */
  #base = { epoch: "e1", stored: 0 };
  #acts: { readonly act: Act; readonly storedAfter: number }[] = [];
  readonly #size: number;
  readonly #counts: boolean;

  /** `counts` is the control: offsets are a counter. */
  constructor(size: number, counts: boolean) {
    this.#size = size;
    this.#counts = counts;
  }

  append(
    batch: readonly Outgoing[],
    now: number,
    firstSent: number | undefined,
    emit: (entry: Entry) => void,
  ): LogPosition[] {
    const positions = this.#append(batch, this.#counts ? 0 : now, firstSent, (entry) => {
      const twice = this.stored.find((stored) => stored.entry.id === entry.id && !stored.lost);
      if (twice) throw new Error(`${entry.id} was stored twice`);
      this.stored.push({ entry, lost: false });
      emit(entry);
    });
    const act = { append: batch, now: this.#counts ? 0 : now, firstSent };
    this.#acts.push({ act, storedAfter: this.stored.length });
    const [oldest] = this.log.page({ epoch: this.log.end.epoch, offset: 0 }, 1, 0).entries;
    this.hasTrimmed ||= oldest !== undefined && oldest.prev > 0;
    return positions;
  }

  endEpoch(seen: string, emit: (entry: Entry) => void): void {
    const next = `e${++this.#epochs}`;
    if (!this.log.endEpoch(seen, next)) return;
    for (const stored of this.stored) stored.lost = true;
    this.#acts.push({ act: { end: seen, next }, storedAfter: this.stored.length });
    emit({ epoch: next, prev: 0, offset: 0, id: "-", payload: new Uint8Array() });
  }

  /** Comes back without its data. */
  lose(): void {
    this.#lost(0);
    this.#acts = [];
    this.#base = { epoch: `e${++this.#epochs}`, stored: this.stored.length };
    this.log = new MemoryLog(this.#base.epoch);
  }

  /** Comes back as it was some acts ago. */
  restore(back: number): void {
    const kept = Math.max(0, this.#acts.length - back);
    if (kept === this.#acts.length) return;
    this.#lost(this.#acts[kept - 1]?.storedAfter ?? this.#base.stored);
    this.#acts = this.#acts.slice(0, kept);
    this.log = new MemoryLog(this.#base.epoch);
    for (const { act } of this.#acts) {
      if ("end" in act) this.log.endEpoch(this.log.end.epoch, act.next);
      else this.#append(act.append, act.now, act.firstSent, () => {});
    }
  }

  #append(batch: readonly Outgoing[], now: number, firstSent: number | undefined, stored: (entry: Entry) => void) {
    return this.log.append(batch, { size: this.#size, maxAge: 1e9 }, { now, firstSent, stored });
  }

  /** What was stored after this many is gone. */
  #lost(storedBefore: number): void {
    this.hasLost = true;
    for (const stored of this.stored.slice(storedBefore)) stored.lost = true;
  }
}
