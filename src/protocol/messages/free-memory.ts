/**
 * The freeing of memory at once, before the garbage collector does it: the memory that many connections let go of in a
 * short time would otherwise grow the process far beyond what they hold (fault A02).
 *
 * An `ArrayBuffer` is freed by transferring it: to a length of 0, or to a closed port, where no message ever arrives.
 */

import { allocateBytes } from "../runtime/memory.ts";

/** The fewest bytes that are freed. For fewer the collector is quick enough, and the cost of freeing would show. */
export const leastFreed: number = 64 * 1024;

const free = freer();

/**
 * Frees the `ArrayBuffer` under `bytes`, which must hold nothing else that is in use. The length of `bytes` is then 0.
 */
export function freeMemory(bytes: Uint8Array): void {
  if (bytes.length < leastFreed) return;
  free?.(bytes.buffer as ArrayBuffer);
}

/**
 * Makes glibc keep up to 64 MiB of freed memory for the next long messages, which saves 1 MiB its 256 page faults and a
 * third of its cost (measured on Node 20). glibc keeps twice the size of the longest block below 32 MiB that was ever
 * freed (mallopt(3), M_MMAP_THRESHOLD). The block freed here is never written to, and so never resident.
 */
export function keepFreedMemory(): void {
  freeMemory(allocateBytes(32 * 1024 * 1024 - 64 * 1024));
}

/**
 * Returns what frees a buffer; undefined where nothing does and the collector frees all memory. Node 20 has no
 * `ArrayBuffer.prototype.transfer`, and on Deno a closed port leaves what is posted to it to the collector.
 */
function freer(): ((buffer: ArrayBuffer) => void) | undefined {
  if ("transfer" in ArrayBuffer.prototype) {
    return (buffer) => void (buffer as ArrayBuffer & { transfer(length: number): ArrayBuffer }).transfer(0);
  }
  if (typeof MessageChannel !== "function") return undefined;
  const { port1, port2 } = new MessageChannel();
  port1.close();
  port2.close();
  return (buffer) => port1.postMessage(undefined, [buffer]);
}
