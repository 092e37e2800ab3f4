/**
 * One topic's log as one node reads it: what came over the channel and what was read of the log become one sequence,
 * in the log's order, each entry once, with a gap said wherever entries are missing.
 *
 * It is pure: it asks for nothing itself, but says in `wants` what is to be asked of the broker next.
 */

import { continuityOf, type Entry, type LogPage, type LogPosition } from "../broker/entry.ts";

/** Why entries can no longer be had: the log was lost or ended, its oldest entries went, or it lost its end. */
export type LogGap = "epoch" | "trimmed" | "fork";

/** Who reads the log. */
export interface LogReaderOwner {
  /**
   * The next entry; `position` is already behind it. One that has a number was delivered under that number before the
   * last gap, and its publisher has stored it once more: it is for those only who came behind that number.
   */
  deliver(entry: Entry, number: number | undefined): void;
  /** Entries are missing before what is delivered next. */
  gap(reason: LogGap): void;
  /** The numbers under which entries were delivered lately, by their ids. */
  recentNumbers(): ReadonlyMap<string, number>;
}

/** What to ask of the broker: a page behind `position`, or to end the epoch. */
export type Wanted = "page" | "end" | undefined;

/** What becomes of an entry of the channel. */
export type Verdict = "deliver" | "drop" | "fill";

/** The most entries that are kept while a page is read. */
export const mostKept = 1000;
/** The most ids that are remembered when the log breaks again and again. */
const mostRemembered = 10_000;
/** The most epochs that are remembered to have ended. */
const mostEnded = 8;

/**
 * The table: an entry of an epoch that ended, or at or before the position, was had already; one whose predecessor is
 * the position is next; before any other, the log has to be asked.
 */
export function verdictOn(entry: Entry, at: LogPosition, ended: ReadonlyMap<string, unknown>): Verdict {
  if (entry.epoch !== at.epoch) return ended.has(entry.epoch) ? "drop" : "fill";
  if (entry.offset <= at.offset) return "drop";
  return entry.prev === at.offset ? "deliver" : "fill";
}

/** See the head of this file. */
export class LogReader {
  readonly #owner: LogReaderOwner;
  /** Undefined until the log's end was read for the first time. */
  #at: LogPosition | undefined;
  #wants: Wanted = "page";
  /** Entries that came while something was wanted. */
  #kept: Entry[] = [];
  /** How many were kept when the page was asked for: the log that it is read from has all of those, or lost them. */
  #keptBefore = 0;
  /** Whether one was not kept for want of room since then. */
  #overflowed = false;
  /** Epochs that ended, each with the offset up to which it was read. */
  readonly #ended = new Map<string, number>();
  /** Whether the epoch is to be ended when all that can still be had of it is read. */
  #forked = false;
  /** What was delivered before the log broke: its publisher may have stored it once more. Kept for two checks. */
  #before: { readonly numbers: ReadonlyMap<string, number>; checks: number } | undefined;

  constructor(owner: LogReaderOwner) {
    this.#owner = owner;
  }

  /** The place up to which all was delivered; undefined before the first page. */
  get position(): LogPosition | undefined {
    return this.#at;
  }

  /** What is to be asked of the broker; undefined while nothing is known to be missing. */
  get wants(): Wanted {
    return this.#wants;
  }

  /** How many entries wait. */
  get kept(): number {
    return this.#kept.length;
  }

  /** An entry came over the channel. */
  take(entry: Entry): void {
    if (this.#wants !== undefined) return this.#keep(entry);
    const verdict = verdictOn(entry, this.#at!, this.#ended);
    if (verdict === "deliver") this.#deliver(entry);
    if (verdict !== "fill") return;
    this.#wants = "page";
    this.#keep(entry);
  }

  /** Messages may have been missed. */
  missed(): void {
    this.#wants ??= "page";
  }

  /** The log's end, as a check read it. */
  checked(end: LogPosition): void {
    if (this.#at === undefined || this.#wants !== undefined) return;
    if (end.epoch !== this.#at.epoch || end.offset !== this.#at.offset) this.#wants = "page";
    else if (this.#before && ++this.#before.checks >= 2) this.#before = undefined;
  }

  /** The page is being asked for: returns behind which position. */
  asks(): LogPosition | undefined {
    this.#keptBefore = this.#kept.length;
    this.#overflowed = false;
    return this.#at;
  }

  /** The page that was asked for. */
  page(page: LogPage): void {
    const end = { epoch: page.epoch, offset: page.last };
    if (this.#at === undefined) {
      this.#at = end;
      return this.#level();
    }
    const continuity = continuityOf(page, this.#at);
    if (continuity === "epoch") this.#enter(page);
    else if (continuity !== "complete") this.#skip(continuity, page);
    for (const entry of page.entries) this.#deliver(entry);
    // A page that ends before the log does was cut off by its limit.
    if (page.entries.length > 0 && page.entries.at(-1)!.offset < page.last) return;
    if (this.#forked) this.#wants = "end";
    else this.#level();
  }

  /** The epoch was ended, by this node or another; where the broker loses that as well, it is ended once more. */
  epochEnded(): void {
    this.#wants = "page";
  }

  /**
   * Another log: it is read from its start, whatever its first entry says of the one before. One that had ended is back
   * because the broker came back with an old state: what was read of it is not read again, and it is ended once more.
   */
  #enter(page: LogPage): void {
    this.#end(this.#at!.epoch, this.#at!.offset);
    const readBefore = this.#ended.get(page.epoch);
    this.#ended.delete(page.epoch);
    this.#forked = readBefore !== undefined;
    this.#at = { epoch: page.epoch, offset: Math.max(readBefore ?? 0, page.entries[0]?.prev ?? page.last) };
    this.#gap("epoch");
  }

  #skip(reason: "trimmed" | "fork", page: LogPage): void {
    if (reason === "fork") this.#forked = true;
    else this.#at = { epoch: page.epoch, offset: page.entries[0]?.prev ?? page.last };
    this.#gap(reason);
  }

  #gap(reason: LogGap): void {
    const numbers = [...(this.#before?.numbers ?? []), ...this.#owner.recentNumbers()];
    this.#before = { numbers: new Map(numbers.slice(-mostRemembered)), checks: 0 };
    this.#owner.gap(reason);
  }

  /** All that the log had is delivered; what was kept follows. */
  #level(): void {
    const kept = this.#kept;
    const older = this.#keptBefore;
    this.#kept = [];
    this.#keptBefore = 0;
    this.#wants = this.#overflowed ? "page" : undefined;
    for (const [index, entry] of kept.entries()) {
      if (index < older && this.#isLost(entry)) this.#lost();
      else if (index >= older || entry.epoch === this.#at!.epoch) this.take(entry);
      else if (!this.#ended.has(entry.epoch)) this.#end(entry.epoch, 0);
    }
  }

  /** Whether an entry that was stored before the page was read is beyond the page's log. */
  #isLost(entry: Entry): boolean {
    return entry.epoch === this.#at!.epoch && entry.offset > this.#at!.offset && this.#wants === undefined;
  }

  #lost(): void {
    this.#forked = true;
    this.#gap("fork");
    this.#wants = "end";
  }

  #keep(entry: Entry): void {
    if (this.#kept.length < mostKept) this.#kept.push(entry);
    else this.#overflowed = true;
  }

  #deliver(entry: Entry): void {
    // Behind a fork the position may be past what the page begins with.
    if (entry.offset <= this.#at!.offset) return;
    this.#at = { epoch: entry.epoch, offset: entry.offset };
    this.#owner.deliver(entry, this.#before?.numbers.get(entry.id));
  }

  #end(epoch: string, readTo: number): void {
    this.#ended.set(epoch, readTo);
    if (this.#ended.size > mostEnded) this.#ended.delete(this.#ended.keys().next().value!);
  }
}
