/**
 * Bytes to frames, RFC 6455 section 5.2: reads headers, unmasks payloads, part by part as the bytes arrive.
 *
 * The decoder judges nothing: it reports each header, and the caller stops asking when a rule is broken. It holds on
 * to the chunk it was given until all of it is read, and to no other byte but those of an unfinished header. The memory of
 * what `takePayload` hands out is nobody else's, so the application may do with it as it likes (fault D21).
 */

import { viewPlain } from "../bytes.ts";
import { allocateBytes, copyRange } from "../runtime/memory.ts";
import type { FrameHeader } from "./frame-rules.ts";
import { mask } from "./mask.ts";
import { readBuffer } from "./mask-wasm.ts";

const empty = allocateBytes(0);
const longestHeader = 14;
/**
 * Up to this length V8 keeps an array's bytes on its heap, and a copy costs less than a view with its ArrayBuffer: 41 ns
 * against 58 on Node 20, 174 on Node 26 (measured).
 */
const shortCopy = 64;
/** The shared read buffer as a plain array, of which V8 copies a part most quickly. */
const plainReads = viewPlain(readBuffer);
const decodersKept = 32;
const pool: FrameDecoder[] = [];

/** A decoder at the beginning of a frame, whoever had it before. */
export function takeDecoder(): FrameDecoder {
  return pool.pop() ?? new FrameDecoder();
}

/** Takes back one that is at the beginning of a frame and holds no chunk. */
export function giveDecoder(decoder: FrameDecoder): void {
  if (pool.length < decodersKept) pool.push(decoder);
}

/** Reads frames; the fields describe the frame and the part of its payload that were read last. */
export class FrameDecoder implements FrameHeader {
  firstByte = 0;
  masked = false;
  payloadLength = 0;
  lengthBits: 7 | 16 | 64 = 7;
  lengthSign = false;

  /** Bytes of the frame's payload that were not read yet. */
  remaining = 0;
  /** The part of the payload that `readPayload` found is `chunk[start..end)`, unmasked. */
  chunk: Uint8Array = empty;
  /** Where the received bytes of the chunk end. */
  limit = 0;
  start = 0;
  end = 0;
  /** What `mask` told of that part: bit 7 is clear only if every byte is known to be ASCII. */
  seen = 0x80;

  /** Whether the chunk's memory is used again after `keepUnread`. */
  #lent = false;
  /** Whether nothing but the chunk lies in its `ArrayBuffer`, and nobody else uses that. */
  #exclusive = false;
  #maskingKey = 0;
  /** Where the next unread byte of the chunk is. */
  #position = 0;
  /** A header cut off by the end of a chunk; made when first needed. */
  #cut: Uint8Array | undefined;
  #cutLength = 0;

  /** Takes the next `length` bytes from the transport; they may be overwritten, and are not kept if only lent. */
  push(chunk: Uint8Array, length: number = chunk.length, lent = false): void {
    if (this.unread > 0) {
      this.#moveFrom(this.#position, length);
      copyRange(chunk, 0, length, this.chunk, this.limit - length);
    } else {
      this.chunk = chunk;
      this.limit = length;
      this.#position = 0;
      this.#lent = lent;
      this.#exclusive = !lent && length === chunk.buffer.byteLength;
    }
  }

  /** Bytes that were pushed and not read yet. */
  get unread(): number {
    return this.limit - this.#position;
  }

  /** How many bytes of a header have come that is not complete. */
  get headerProgress(): number {
    return this.#cutLength;
  }

  /** Lets go of a chunk that is read to its end, or of what is left when nothing more will be read. */
  discard(): void {
    this.chunk = empty;
    this.limit = this.#position = 0;
  }

  /** Replaces unread bytes in memory that is only lent by a copy, so that it may be used again. */
  keepUnread(): void {
    if (this.unread === 0) return this.discard();
    if (this.#lent) this.#moveFrom(this.#position, 0);
  }

  /** Reads the next header, and is false while it is not complete. */
  readHeader(): boolean {
    if (this.#cutLength > 0) return this.#readCutHeader();
    const length = this.#parseHeader(this.chunk, this.#position, this.limit);
    if (length > 0) {
      this.#position += length;
      return true;
    }
    const rest = this.limit - this.#position;
    if (rest > 0) {
      this.#cut ??= allocateBytes(longestHeader);
      copyRange(this.chunk, this.#position, this.limit, this.#cut, 0);
      this.#cutLength = rest;
      this.#position += rest;
    }
    return false;
  }

  /**
   * Reads and unmasks as much of the payload as is there: `chunk[start..end)`, empty when nothing was.
   *
   * The frame is complete when `remaining` is 0.
   */
  readPayload(): void {
    const length = Math.min(this.remaining, this.limit - this.#position);
    this.start = this.#position;
    this.end = this.#position = this.start + length;
    this.seen = this.masked
      ? mask(this.chunk, this.start, this.end, this.#maskingKey, this.payloadLength - this.remaining)
      : 0x80;
    this.remaining -= length;
  }

  /**
   * The part of the payload that was read last, where it was read if the chunk's memory is lent: there it stays only until
   * `keepUnread`. Memory of the chunk's own might be given away, with all that is unread in it: then as `takePayload`.
   */
  lendPayload(): Uint8Array {
    return this.#lent ? this.#view() : this.takePayload();
  }

  /**
   * That part as bytes of the application's own, whose `ArrayBuffer` holds nothing that anybody else has or will get: a
   * copy, or the chunk itself when nothing in it is unread and that wastes little memory.
   */
  takePayload(): Uint8Array {
    const { chunk, start, end, limit } = this;
    const length = end - start;
    if (length > shortCopy && this.#exclusive && end === limit && length * 2 >= limit) {
      this.#exclusive = false;
      return this.#view();
    }
    const bytes = chunk === readBuffer ? plainReads : viewPlain(chunk);
    return bytes.slice(start, end);
  }

  #view(): Uint8Array {
    const { chunk, start, end } = this;
    return new Uint8Array(chunk.buffer as ArrayBuffer, chunk.byteOffset + start, end - start);
  }

  /** Moves all from `at` on to the beginning of memory of its own, with room for `more` bytes behind it. */
  #moveFrom(at: number, more: number): void {
    const kept = this.limit - at;
    const own = allocateBytes(kept + more);
    copyRange(this.chunk, at, this.limit, own, 0);
    this.chunk = own;
    this.limit = own.length;
    this.#position -= at;
    this.start -= at;
    this.end -= at;
    this.#lent = false;
    this.#exclusive = true;
  }

  /** Adds byte after byte to the header that was cut off, until it is complete. */
  #readCutHeader(): boolean {
    const cut = this.#cut!;
    while (this.#position < this.limit) {
      cut[this.#cutLength++] = this.chunk[this.#position++]!;
      if (this.#parseHeader(cut, 0, this.#cutLength) > 0) {
        this.#cutLength = 0;
        return true;
      }
    }
    return false;
  }

  /** Reads a header from `bytes[at..limit)`; its length, or 0 when there are too few bytes. */
  #parseHeader(bytes: Uint8Array, at: number, limit: number): number {
    if (limit - at < 2) return 0;
    const second = bytes[at + 1]!;
    const masked = second > 127;
    const short = second & 0x7f;
    let length = masked ? 6 : 2;
    if (short === 126) length += 2;
    else if (short === 127) length += 8;
    if (limit - at < length) return 0;

    this.firstByte = bytes[at]!;
    this.masked = masked;
    this.lengthSign = false;
    if (short < 126) {
      this.lengthBits = 7;
      this.payloadLength = short;
    } else if (short === 126) {
      this.lengthBits = 16;
      this.payloadLength = (bytes[at + 2]! << 8) | bytes[at + 3]!;
    } else {
      this.lengthBits = 64;
      this.lengthSign = bytes[at + 2]! > 127;
      this.payloadLength = readWord(bytes, at + 2) * 2 ** 32 + readWord(bytes, at + 6);
    }
    this.remaining = this.payloadLength;
    if (masked) {
      const keyAt = at + length - 4;
      this.#maskingKey =
        (bytes[keyAt]! << 24) | (bytes[keyAt + 1]! << 16) | (bytes[keyAt + 2]! << 8) | bytes[keyAt + 3]!;
    }
    return length;
  }
}

/** The unsigned word at `at`, its top byte first. */
function readWord(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}
