/**
 * Has V8 collect what long messages leave behind before it comes to collect the whole heap.
 *
 * A collection of young objects is cheap, and frees the messages that nobody keeps. V8 starts one when young objects fill
 * their part of the heap, but the bytes of a message lie outside of it. Before version 13 so many bytes outside started one,
 * too; since then (Node 24) they start a collection of everything first, every 64 MiB. Therefore a long message takes a
 * third of its size in the heap as well, for nothing: a quarter less CPU for echoes of 16 KiB and of 1 MiB (measured; with
 * less than a third, collections of everything go on where many young objects live on and their part has grown).
 */

import { readBuffer } from "../protocol/mask-kernel.ts";

/** What a shorter message leaves in the heap by itself is enough. */
const least = 4096;
/** Elements of an array that V8 still counts as young, of eight bytes each. */
const most = 4096;

const needed = process.versions.bun === undefined && Number.parseInt(process.versions.v8 ?? "", 10) >= 13;
/** Where V8 cannot tell that nobody looks at it. */
const taken: { last?: undefined[] } = {};

/** A message or a part of one has come. */
export function collectInTime(data: Uint8Array | string): void {
  if (needed && data.length >= least && typeof data !== "string" && data.buffer !== readBuffer.buffer) {
    takeYoung(data.length / 3);
  }
}

/** Takes so many bytes among the young objects, and lets them go. */
export function takeYoung(bytes: number): void {
  for (let left = bytes >> 3; left > 0; left -= most) taken.last = new Array(Math.min(left, most));
}
