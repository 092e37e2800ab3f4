/**
 * One message that comes in several parts: fragments, or pieces of a frame as they arrive; RFC 6455 section 5.4.
 *
 * Memory grows with the bytes received, never with the length announced: the buffer is at most 64 KiB or 32 times the
 * bytes received, and every byte is copied a bounded number of times. Beyond 1 MiB a message is collected in segments
 * of one size, so that memory of one connection can be used again by others (fault A02), until its frame may have a
 * buffer for all of it.
 */

import type { Violation } from "../protocol-error.ts";
import { allocateBytes, copyRange } from "../runtime/memory.ts";
import { freeMemory } from "./free-memory.ts";
import type { StreamedMessage } from "./streamed-message.ts";
import { Utf8Validator } from "./utf8.ts";

const firstGrowth = 64 * 1024;
/**
 * The size of the buffer as a multiple of the bytes received, while the rest of a frame is awaited. Memory that was
 * never written to is not resident, so this costs address space only. With 4, 1 MiB takes a quarter longer (measured on
 * Node 20).
 */
const trustedGrowth = 32;
const smallest = 256;
/** The longest message that is collected in one buffer from its beginning. */
const longestWhole = 1024 * 1024;
const segmentSize = 256 * 1024;
/** Default for `maxProcessAllotment`. */
export const defaultAllotment: number = 16 * 1024 * 1024;
/** The bytes of buffers that all messages of the process have which are longer than `longestWhole`. */
let allotted = 0;

/** Those of one message. */
interface Allotment {
  size: number;
}

/** Takes back what a message has that was neither finished nor discarded, as where a program drops an endpoint. */
const dropped = new FinalizationRegistry<Allotment>(takeBack);

function allot(allotment: Allotment, size: number): void {
  allotted += size - allotment.size;
  allotment.size = size;
}

function takeBack(allotment: Allotment): void {
  allot(allotment, 0);
}

/** How a message is collected that differs from most. */
export interface AssemblingManner {
  /** The state of a message that is handed on in parts. */
  readonly parts?: StreamedMessage | undefined;
  /** Whether text is validated. Default true. */
  readonly validates?: boolean;
  /**
   * The most bytes of buffers that all long messages of the process may have, this one's included, for it to have a
   * buffer for all of its frame. Otherwise it is collected in segments, which costs a copy more: a fifth of an echo of
   * 16 MiB (measured on Node 20). Default 16 MiB.
   */
  readonly maxProcessAllotment?: number;
}

/** Collects one message: made when its first part arrives, dropped when the message is delivered. */
export class MessageAssembler {
  /** Whether it is a text message. */
  readonly text: boolean;
  /** Whether RSV1 was set on the first frame: the payload is DEFLATE data. */
  readonly compressed: boolean;
  /** The number of bytes received and kept here: 0 for a message that is handed on in parts. */
  length = 0;
  /** The number of bytes received and handed on in parts. */
  handedOn = 0;
  /** The state of a message that is handed on in parts; undefined for one that is kept until it is complete. */
  readonly parts: StreamedMessage | undefined;
  /** The buffer into which the next bytes go, from `#used` on; undefined before the first byte. */
  #buffer: Uint8Array | undefined;
  #used = 0;
  /** The full segments before the buffer; undefined for a message in one buffer. */
  #segments: Uint8Array[] | undefined;
  /** Undefined for a message that is not long. */
  #allotment: Allotment | undefined;
  #utf8: Utf8Validator | undefined;
  #emptyInARow = 0;
  readonly #maxSize: number;
  readonly #maxProcessAllotment: number;

  constructor(text: boolean, compressed: boolean, maxSize: number, manner: AssemblingManner = {}) {
    const { parts, validates = true, maxProcessAllotment = defaultAllotment } = manner;
    this.text = text;
    this.compressed = compressed;
    this.parts = parts;
    this.#maxSize = maxSize;
    this.#maxProcessAllotment = maxProcessAllotment;
    if (text && validates && !compressed && parts === undefined) this.#utf8 = new Utf8Validator();
  }

  /** How many bytes of a long message's buffers are still to come. */
  get ahead(): number {
    return this.#allotment === undefined ? 0 : Math.max(0, this.#allotment.size - this.length);
  }

  /** Counts an empty fragment, and returns the name of the broken rule when more than `most` came in a row. */
  addEmptyFragment(most: number): Violation | undefined {
    return ++this.#emptyInARow > most ? "too-many-empty-fragments" : undefined;
  }

  /** Counts the bytes of a part that is handed on. If there are any, a row of empty fragments has ended. */
  handOn(length: number): void {
    this.handedOn += length;
    if (length > 0) this.#emptyInARow = 0;
  }

  /**
   * Adds `chunk[start..end)`, of whose frame `coming` more bytes follow.
   *
   * Returns the name of the broken rule if the text cannot be UTF-8 any more.
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

  /**
   * Returns the payload in memory of exactly its size that nothing else uses, or the broken rule if text breaks off.
   */
  finish(): Uint8Array | Violation {
    if (this.#utf8 !== undefined && !this.#utf8.complete) {
      this.discard();
      return "text-not-utf8";
    }
    if (this.#buffer?.length !== this.length) this.#gatherIn(allocateBytes(this.length));
    const payload = this.#buffer!;
    this.#buffer = undefined;
    this.#release();
    return payload;
  }

  /** Frees the memory of a message that will not be finished. */
  discard(): void {
    for (const segment of this.#segments ?? []) freeMemory(segment);
    this.#segments = undefined;
    if (this.#buffer !== undefined) freeMemory(this.#buffer);
    this.#buffer = undefined;
    this.#release();
  }

  /** Makes room for `wanted` bytes, or for as many as one segment takes. */
  #makeRoom(wanted: number, coming: number): void {
    const capacity = this.#buffer?.length ?? 0;
    const needed = this.length + wanted;
    if (this.#segments === undefined && needed <= capacity) return;
    if (this.#segments === undefined && needed + coming <= longestWhole) return this.#growTo(needed, coming);
    if (this.#used < capacity) return;
    if (this.#mayTakeAll(needed, coming)) {
      this.#allot(needed + coming);
      return this.#gatherIn(allocateBytes(needed + coming));
    }
    if (this.#buffer !== undefined) {
      this.#segments ??= [];
      this.#segments.push(this.#buffer);
    }
    const size = Math.min(segmentSize, Math.max(firstGrowth, trustedGrowth * this.length));
    this.#allot(this.length + size);
    this.#buffer = allocateBytes(size);
    this.#used = 0;
  }

  #growTo(needed: number, coming: number): void {
    const capacity = this.#buffer?.length ?? 0;
    const ofFrame = Math.min(needed + coming, Math.max(firstGrowth, trustedGrowth * needed));
    const ofFragments = capacity === 0 ? 0 : Math.min(this.#maxSize, Math.max(smallest, 2 * capacity));
    const size = Math.max(needed, ofFrame, ofFragments);
    this.#gatherIn(allocateBytes(size));
  }

  /** Whether there may be a buffer for all of a frame of which `coming` more bytes follow. */
  #mayTakeAll(needed: number, coming: number): boolean {
    const all = needed + coming;
    if (coming === 0 || all > trustedGrowth * needed) return false;
    return allotted - (this.#allotment?.size ?? 0) + all <= this.#maxProcessAllotment;
  }

  /** Moves what was received to a buffer with room for it. */
  #gatherIn(buffer: Uint8Array): void {
    let at = 0;
    for (const segment of this.#segments ?? []) {
      buffer.set(segment, at);
      at += segment.length;
      freeMemory(segment);
    }
    this.#segments = undefined;
    if (this.#buffer !== undefined) {
      copyRange(this.#buffer, 0, this.#used, buffer, at);
      freeMemory(this.#buffer);
    }
    this.#buffer = buffer;
    this.#used += at;
  }

  /** Notes how many bytes the buffers have from now on. */
  #allot(size: number): void {
    if (this.#allotment === undefined) {
      this.#allotment = { size: 0 };
      dropped.register(this, this.#allotment);
    }
    allot(this.#allotment, size);
  }

  #release(): void {
    if (this.#allotment !== undefined) takeBack(this.#allotment);
  }
}
