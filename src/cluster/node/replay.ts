/**
 * One subscriber that says where it was, until it has what its node has: then it reads on with the others.
 *
 * It is pure: it says whether it needs a page, and is level when its position is the node's.
 */

import { continuityOf, type Entry, type LogPage, type LogPosition } from "../broker/entry.ts";
import type { LogGap } from "./log-reader.ts";
import type { RecentEntries } from "./recent-entries.ts";

/** Who catches up. */
export interface ReplayOwner {
  /** The next entry that it missed. */
  deliver(entry: Entry): void;
  /** Entries are missing before what is delivered next. */
  gap(reason: LogGap): void;
}

/** What a replay needs: nothing more, a page behind its position, or that its node reads on. */
export type ReplayState = "level" | "page" | "wait";

/** See the head of this file. */
export class Replay {
  #since: LogPosition;
  readonly #owner: ReplayOwner;
  /** The node's position when a page told nothing new: until it reads on, no other page does. */
  #waitsAt: LogPosition | undefined;

  constructor(since: LogPosition, owner: ReplayOwner) {
    this.#since = since;
    this.#owner = owner;
  }

  /** The place up to which it has all. */
  get position(): LogPosition {
    return this.#since;
  }

  /** Goes on with what the node has delivered lately, up to `at`, the node's own position. */
  advance(at: LogPosition, recent: RecentEntries): ReplayState {
    if (isSame(this.#since, at)) return "level";
    for (const entry of recent.behind(this.#since) ?? []) this.#deliver(entry);
    if (isSame(this.#since, at)) return "level";
    return this.#waitsAt && isSame(this.#waitsAt, at) ? "wait" : "page";
  }

  /** The page behind `position`; `at` is the node's position now. Entries beyond it come with the node's own. */
  page(page: LogPage, at: LogPosition): ReplayState {
    const continuity = continuityOf(page, this.#since);
    const from = page.entries[0]?.prev ?? page.last;
    this.#waitsAt = at;
    if (!leadsTo(page, at)) return "wait";
    if (at.offset > page.last) {
      // The page is older than what the node has delivered meanwhile, or the log has lost its end.
      this.#waitsAt = undefined;
      return "page";
    }
    if (continuity !== "complete") {
      // What the node delivers next has to come behind all that the subscriber may have had.
      if (from > at.offset) return "wait";
      this.#since = { epoch: page.epoch, offset: from };
      this.#owner.gap(continuity);
    }
    for (const entry of page.entries) if (entry.offset <= at.offset) this.#deliver(entry);
    if (isSame(this.#since, at)) return "level";
    if (this.#since.offset > at.offset) return "wait";
    this.#waitsAt = undefined;
    return "page";
  }

  #deliver(entry: Entry): void {
    this.#since = { epoch: entry.epoch, offset: entry.offset };
    this.#owner.deliver(entry);
  }
}

/** Whether the node's position is a place in the page's log, as far as the page tells: the node may not know of a fork yet. */
function leadsTo({ epoch, last, entries }: LogPage, at: LogPosition): boolean {
  if (epoch !== at.epoch) return false;
  const places = [entries[0]?.prev ?? last, ...entries.map(({ offset }) => offset)];
  return at.offset < places[0]! || at.offset > places.at(-1)! || places.includes(at.offset);
}

function isSame(one: LogPosition, other: LogPosition): boolean {
  return one.epoch === other.epoch && one.offset === other.offset;
}
