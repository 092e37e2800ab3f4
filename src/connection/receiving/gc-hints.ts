/**
 * The memory of long messages, in two ways in which a runtime left to itself does badly.
 *
 * Where long messages are many, what they free is kept for the next ones: glibc would give most of it back to the system
 * with each collection, and every page of it has to be mapped again (1.5 page faults for 16 KiB, 256 for 1 MiB, measured
 * on Node 20). Where they are few, what a peak took would stay for nothing: 30 MiB in an hour of one long message a second
 * (measured).
 *
 * And what they leave behind is collected before V8 comes to collect the whole heap. A collection of young objects is
 * cheap, and frees the messages that are not kept. V8 starts one when young objects fill their part of the heap, but
 * the bytes of a message lie outside of it. Since version 13 (Node 24) every 64 MiB of those start a collection of
 * everything first; before, 32 MiB start one of young objects, but a small heap may not grow by as much without all of it
 * being marked, again and again. Therefore a long message takes a third of its size in the heap as well, for nothing. Since
 * 13 that takes a quarter off the CPU of echoes of 16 KiB and of 1 MiB; before, it adds 3 %, the longest pause is 0.7 ms in
 * place of 8, and p99 less than half. A fourth is too little once the part for young objects has grown to its full size
 * (all measured). Where output waits, as all does over TLS, more lies outside, and then no version begins with the young ones in
 * time: in two of five runs on Node 26 an echo of 16 KiB took half as much again.
 */

import { readBuffer } from "../../protocol/frames/mask-wasm.ts";
import { slabSize } from "../../protocol/frames/output-buffer.ts";
import { keepFreedMemory } from "../../protocol/messages/free-memory.ts";

/** Shorter messages leave enough in the heap by themselves. */
const leastHeld = 4096;
/** From this many bytes of long messages in a second on, freed memory is kept. */
const many = 32 * 1024 * 1024;
/** Elements of an array that V8 still counts as young, of eight bytes each. */
const mostElements = 4096;

const hasV8 = process.versions.bun === undefined && process.versions.v8 !== undefined;
/** A place that V8 cannot prove to be never read. */
const taken: { last?: undefined[] } = {};

let came = 0;
let countedFrom = Number.NEGATIVE_INFINITY;
let kept = false;

/** A message or a part of one has come. */
export function messageCame(data: Uint8Array | string): void {
  if (data.length < leastHeld) return;
  const text = typeof data === "string";
  if (!text && data.buffer === readBuffer.buffer) return;
  if (!kept) countBytes(data.length);
  if (hasV8 && !text) takeYoung(data.length / 3);
}

/** So many bytes of output have not left with their write. */
export function outputWaits(length: number): void {
  if (hasV8 && length >= leastHeld && length <= slabSize) takeYoung((2 * length) / 3);
}

function countBytes(length: number): void {
  const now = performance.now();
  if (now - countedFrom >= 1000) {
    countedFrom = now;
    came = 0;
  }
  came += length;
  if (came < many) return;
  kept = true;
  keepFreedMemory();
}

/** Allocates this many bytes among the young objects, and lets them go. */
export function takeYoung(bytes: number): void {
  for (let left = bytes >> 3; left > 0; left -= mostElements) taken.last = new Array(Math.min(left, mostElements));
}
