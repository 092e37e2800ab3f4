/**
 * One message that comes in several parts: fragments, or pieces of a frame as they arrive; RFC 6455 section 5.4.
 *
 * Memory grows with what was received, never with what was announced: the buffer is at most 64 KiB or 32 times the
 * bytes received, and every byte is copied a bounded number of times. Beyond 1 MiB a message is collected in segments, so
 * that what many connections let go of is of use to the others (fault A02).
 */

import type { Violation } from "../protocol-error.ts";
import { allocateBytes, copyRange } from "../runtime/memory.ts";
import { freeMemory } from "./free-memory.ts";
import type { StreamedMessage } from "./streamed-message.ts";
import { Utf8Validator } from "./utf8.ts";

const firstGrowth = 64 * 1024;
/**
 * How many times what a peer has sent is set aside for the rest of its frame. Memory that nothing was written to is not
 * resident, so this costs address space; with 4 instead, 1 MiB takes a quarter longer (measured).
 */
const trustedGrowth = 32;
const smallest = 256;
/** What is known to be longer is collected in segments, and put together at its end: 1 MiB itself takes a copy less. */
const longestWhole = 1024 * 1024;
const segmentSize = 256 * 1024;

/** Collects a message; made when its first part arrives, thrown away when it is delivered. */
export class MessageAssembler {
  readonly text: boolean;
  /** Whether RSV1 was set on its first frame: the payload is DEFLATE data. */
  readonly compressed: boolean;
  /** Bytes received so far and kept here: none of a message that is handed on in parts. */
  length = 0;
  /** Bytes received and handed on in parts. */
  handedOn = 0;
  /** Set when the message is handed on in parts. */
  readonly parts: StreamedMessage | undefined;
  /** Where the next bytes go, from `#used` on. */
  #buffer: Uint8Array | undefined;
  #used = 0;
  /** What comes before it, of a message in segments. */
  #segments: Uint8Array[] | undefined;
  #utf8: Utf8Validator | undefined;
  #emptyInARow = 0;
  readonly #maxSize: number;

  constructor(text: boolean, compressed: boolean, maxSize: number, parts?: StreamedMessage) {
    this.text = text;
    this.compressed = compressed;
    this.parts = parts;
    this.#maxSize = maxSize;
    if (text && !compressed && parts === undefined) this.#utf8 = new Utf8Validator();
  }

  /** Counts a fragment that carried nothing, and names the broken rule when there were too many in a row. */
  addEmptyFragment(most: number): Violation | undefined {
    return ++this.#emptyInARow > most ? "too-many-empty-fragments" : undefined;
  }

  /** Counts bytes of a part that is handed on; if there are any, the next empty fragment is the first in a row. */
  handOn(length: number): void {
    this.handedOn += length;
    if (length > 0) this.#emptyInARow = 0;
  }

  /**
   * Adds `chunk[start..end)`; `coming` is how many bytes of the same frame follow.
   *
   * Names the broken rule when the text cannot be UTF-8 any more.
   */
  add(chunk: Uint8Array, start: number, end: number, coming: number): Violation | undefined {
    const added = end - start;
    if (added === 0) return undefined;
    this.#emptyInARow = 0;
    if (this.#utf8 !== undefined && !this.#utf8.write(chunk, start, end)) return "text-not-utf8";
    for (let from = start; from < end; ) {
      this.#makeRoom(end - from, coming);
      const buffer = this.#buffer!;
      const copied = Math.min(end - from, buffer.length - this.#used);
      copyRange(chunk, from, from + copied, buffer, this.#used);
      from += copied;
      this.#used += copied;
      this.length += copied;
    }
    return undefined;
  }

  /** The whole payload, in memory of exactly its size that nothing else uses; names the rule if text breaks off. */
  finish(): Uint8Array | Violation {
    if (this.#utf8 !== undefined && !this.#utf8.complete) {
      this.discard();
      return "text-not-utf8";
    }
    const buffer = this.#buffer ?? allocateBytes(0);
    this.#buffer = undefined;
    if (buffer.length === this.length) return buffer;
    const exact = allocateBytes(this.length);
    let at = 0;
    for (const segment of this.#segments ?? []) {
      exact.set(segment, at);
      at += segment.length;
      freeMemory(segment);
    }
    copyRange(buffer, 0, this.#used, exact, at);
    freeMemory(buffer);
    this.#segments = undefined;
    return exact;
  }

  /** The message will not be finished: its memory is free at once. */
  discard(): void {
    for (const segment of this.#segments ?? []) freeMemory(segment);
    this.#segments = undefined;
    if (this.#buffer !== undefined) freeMemory(this.#buffer);
    this.#buffer = undefined;
  }

  /** Makes room for `wanted` bytes, or for as many as the segment takes. */
  #makeRoom(wanted: number, coming: number): void {
    const capacity = this.#buffer?.length ?? 0;
    const needed = this.length + wanted;
    if (this.#segments === undefined && needed <= capacity) return;
    if (this.#segments === undefined && needed + coming <= longestWhole) return this.#growTo(needed, coming);
    if (this.#used < capacity) return;
    if (this.#buffer !== undefined) {
      this.#segments ??= [];
      this.#segments.push(this.#buffer);
    }
    this.#buffer = allocateBytes(Math.min(segmentSize, Math.max(firstGrowth, trustedGrowth * this.length)));
    this.#used = 0;
  }

  #growTo(needed: number, coming: number): void {
    const capacity = this.#buffer?.length ?? 0;
    const ofFrame = Math.min(needed + coming, Math.max(firstGrowth, trustedGrowth * needed));
    const ofFragments = capacity === 0 ? 0 : Math.min(this.#maxSize, Math.max(smallest, 2 * capacity));
    const size = Math.max(needed, ofFrame, ofFragments);
    const grown = allocateBytes(size);
    if (this.#buffer !== undefined) {
      copyRange(this.#buffer, 0, this.#used, grown, 0);
      freeMemory(this.#buffer);
    }
    this.#buffer = grown;
  }
}
