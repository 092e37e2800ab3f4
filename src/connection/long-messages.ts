/**
 * Long messages of all connections, counted: where they are many, their memory is kept for the next ones.
 *
 * Where they are few, what a peak took would stay for nothing: 30 MiB in an hour of one long message a second (measured).
 */

import { keepFreedMemory } from "../protocol/free-memory.ts";

/**
 * A message is long when so many bytes of it have come and more are to come: glibc gives such memory back to the system at
 * once, unless asked to keep it.
 */
export const longFrom: number = 128 * 1024;
/** So many within a second are many. */
const many = 100;

let count = 0;
let countedFrom = Number.NEGATIVE_INFINITY;
let kept = false;

/** A message has become long. */
export function countLongMessage(): void {
  if (kept) return;
  const now = performance.now();
  if (now - countedFrom >= 1000) {
    countedFrom = now;
    count = 0;
  }
  if (++count < many) return;
  kept = true;
  keepFreedMemory();
}
