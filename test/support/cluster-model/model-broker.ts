/**
 * The broker of the model: one topic's log, killed with its data kept or lost, or brought back as it was earlier.
 */
import type { Outgoing } from "../../../src/cluster/broker/broker.ts";
import { ClusterError } from "../../../src/cluster/broker/cluster-error.ts";
import { type Entry, type LogPosition, nextOffset } from "../../../src/cluster/broker/entry.ts";
import { MemoryLog } from "../../../src/cluster/broker/memory-log.ts";

interface Append {
  readonly append: readonly Outgoing[];
  readonly now: number;
  readonly firstSent: number | undefined;
  readonly startedAt: number;
}

/** What the broker's log did, so that a log can be made again as it was at any time. */
type Act = Append | { readonly end: string; readonly next: string };

/** An entry that was stored at some time, and what became of it. */
export interface Stored {
  readonly entry: Entry;
  /** Whether a broker that lost data took it along. */
  lost: boolean;
  /** Whether its epoch was ended. */
  hasEnded: boolean;
}

/**
 * How a broker makes offsets: by its clock; by a count; or by a count and some bits of the id, where the count goes on from the
 * clock each time that the broker starts, or does not.
 */
export type Numbering = "clock" | "count" | "count from each start" | "count and id";

const idCount = 64;
/** More than are stored in one step of the model. */
const countsInMillisecond = 16;

/** See the head of this file. */
export class ModelBroker {
  isUp = true;
  log: MemoryLog;
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
  readonly #numbering: Numbering;
  #startedAt = 0;

  constructor(size: number, numbering: Numbering) {
    this.#size = size;
    this.#numbering = numbering;
    this.log = this.#makeLog();
  }

  /** It is started, at this time. */
  start(now: number): void {
    if (this.#numbering === "count from each start") this.#startedAt = now * countsInMillisecond;
  }

  append(
    batch: readonly Outgoing[],
    now: number,
    firstSent: number | undefined,
    emit: (entry: Entry) => void,
  ): LogPosition[] {
    const knownBy = this.#numbering.startsWith("count ") && firstSent !== undefined ? this.#knows(batch) : firstSent;
    const act = { append: batch, now, firstSent: knownBy, startedAt: this.#startedAt };
    const positions = this.#append(act, (entry) => {
      if (this.stored.some((stored) => stored.entry.id === entry.id && isThere(stored))) {
        throw new Error(`${entry.id} was stored twice`);
      }
      this.stored.push({ entry, lost: false, hasEnded: false });
      emit(entry);
    });
    this.#acts.push({ act, storedAfter: this.stored.length });
    const [oldest] = this.log.page({ epoch: this.log.end.epoch, offset: 0 }, 1, 0).entries;
    this.hasTrimmed ||= oldest !== undefined && oldest.prev > 0;
    return positions;
  }

  endEpoch(seen: string, emit: (entry: Entry) => void): void {
    const next = `e${++this.#epochs}`;
    if (!this.log.endEpoch(seen, next)) return;
    for (const stored of this.stored) stored.hasEnded = true;
    this.#acts.push({ act: { end: seen, next }, storedAfter: this.stored.length });
    emit({ epoch: next, prev: 0, offset: 0, id: "-", payload: new Uint8Array() });
  }

  /** Comes back without its data. */
  lose(): void {
    this.#lost(0);
    this.#acts = [];
    this.#base = { epoch: `e${++this.#epochs}`, stored: this.stored.length };
    this.log = this.#makeLog();
  }

  /** Comes back as it was some acts ago. */
  restore(back: number): void {
    const kept = Math.max(0, this.#acts.length - back);
    if (kept === this.#acts.length) return;
    this.#lost(this.#acts[kept - 1]?.storedAfter ?? this.#base.stored);
    this.#acts = this.#acts.slice(0, kept);
    this.log = this.#makeLog();
    const startedAt = this.#startedAt;
    for (const { act } of this.#acts) {
      if ("end" in act) this.log.endEpoch(this.log.end.epoch, act.next);
      else this.#append(act, () => {});
    }
    this.#startedAt = startedAt;
  }

  #append(act: Append, stored: (entry: Entry) => void): LogPosition[] {
    const { append, now, firstSent, startedAt } = act;
    this.#startedAt = startedAt;
    return this.log.append(append, { size: this.#size, maxAge: 1e9 }, { now, firstSent, stored });
  }

  #makeLog(): MemoryLog {
    return new MemoryLog(this.#base.epoch, (last, now, id) => {
      if (this.#numbering === "clock") return nextOffset(last, now);
      if (this.#numbering === "count") return last + 1;
      const count = Math.max(Math.floor(last / idCount) + 1, this.#startedAt);
      const bits = [...id].reduce((sum, character) => sum * 7 + character.charCodeAt(0), 0);
      return count * idCount + (bits % idCount);
    });
  }

  /** A count says nothing of the time: such a broker knows otherwise what it has stored, or not any more. */
  #knows(batch: readonly Outgoing[]): number {
    const inLog = new Set(this.log.page({ epoch: "", offset: 0 }, this.#size, 0).entries.map(({ id }) => id));
    const isGone = ({ id }: Outgoing) =>
      !inLog.has(id) && this.stored.some((one) => one.entry.id === id && isThere(one));
    if (batch.some(isGone)) throw new ClusterError("unknown", "What was stored is gone from the log");
    return Number.POSITIVE_INFINITY;
  }

  /** What was stored after this many is gone. */
  #lost(storedBefore: number): void {
    this.hasLost = true;
    for (const stored of this.stored.slice(storedBefore)) stored.lost = true;
  }
}

/** Whether it is in the present log, or was trimmed from it. */
export function isThere({ lost, hasEnded }: Stored): boolean {
  return !lost && !hasEnded;
}
