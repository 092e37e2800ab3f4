/**
 * A topic's log as a broker keeps it: entries in one order, each with the offset of the one before it.
 *
 * Offsets are no counters. One is made of the broker's clock and is larger than all before it, so that a broker that lost
 * the end of its log, or came back with an old one, never gives an offset a second time; `prev` is what shows continuity.
 */

import type { LogPosition } from "../../resume/position.ts";

export { type LogPosition, positionFromText, positionToText } from "../../resume/position.ts";

/** A message as the broker hands it out; without history its epoch is empty, and both offsets are 0. */
export interface Entry extends LogPosition {
  /** The offset of the entry before it in its topic; 0 for the first. */
  readonly prev: number;
  /** What its publisher called it, once for each call; no white space. */
  readonly id: string;
  /** The message and its wrapping, which the broker does not look into. */
  readonly payload: Uint8Array;
}

/** A piece of a log, all read at one moment. */
export interface LogPage {
  /** The log that it is a piece of. */
  readonly epoch: string;
  /** The offset of the newest entry that the log ever had; 0 where it had none. */
  readonly last: number;
  /** Entries in the log's order, without a gap among them. */
  readonly entries: readonly Entry[];
}

/** How a piece of a log stands to a position. */
export type Continuity = "complete" | "epoch" | "trimmed" | "fork";

/**
 * Whether a page that was read behind `since` continues there: `epoch` when the log is another one, `trimmed` when
 * entries after `since` are gone, `fork` when the log went on without the entry at `since`.
 */
export function continuityOf({ epoch, last, entries }: LogPage, since: LogPosition): Continuity {
  if (epoch !== since.epoch) return "epoch";
  const from = entries[0]?.prev ?? last;
  if (from === since.offset) return "complete";
  return from > since.offset ? "trimmed" : "fork";
}

/** An offset for an entry that is stored at `now`, in milliseconds since 1970: larger than `last`, and below 2^53 until 2248. */
export function nextOffset(last: number, now: number): number {
  return Math.max(last + 1, Math.floor(now) * 1024);
}
