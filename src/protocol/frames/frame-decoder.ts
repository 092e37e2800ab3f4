/**
 * The decoder of frames, RFC 6455 section 5.2: it reads headers and unmasks payloads, part by part as the bytes arrive.
 *
 * The decoder judges nothing: it reports each header, and the caller stops asking when a rule is broken. It keeps the
 * chunk until all of it is read, and otherwise only the bytes of an unfinished header. Bytes from `takePayload` share
 * their memory with nothing else, so that the application may transfer or overwrite them (fault D21).
 */

import { viewPlain } from "../bytes.ts";
import { allocateBytes, copyRange } from "../runtime/memory.ts";
import { decodeLatin1 } from "../runtime/text.ts";
import type { FrameHeader } from "./frame-rules.ts";
import { mask } from "./mask.ts";
import { readBuffer, unmaskPlain } from "./mask-wasm.ts";

const empty = allocateBytes(0);
const longestHeader = 14;
/**
 * Up to this length V8 keeps an array's bytes on its heap, and a copy costs less than a view with its ArrayBuffer: 41
 * ns against 58 on Node 20, 174 on Node 26 (measured).
 */
const shortCopy = 64;
/** The shared read buffer as a plain `Uint8Array`: V8 slices it fastest. */
const plainReads = viewPlain(readBuffer);
/**
 * The most text of several messages that is decoded at once: a message is then a slice that keeps all of it. 16 messages
 * of 64 bytes take 130 ns, one by one 820 (measured on Node 20).
 */
const longestSharedText = 4096;
const decodersKept = 32;
const pool: FrameDecoder[] = [];

/** Returns a decoder at the beginning of a frame, used before or new. */
export function takeDecoder(): FrameDecoder {
  return pool.pop() ?? new FrameDecoder();
}

/** Takes back a decoder that is at the beginning of a frame and holds no chunk. */
export function giveDecoder(decoder: FrameDecoder): void {
  if (pool.length < decodersKept) pool.push(decoder);
}

/** Reads frames. The fields describe the frame and the part of its payload that were read last. */
export class FrameDecoder implements FrameHeader {
  firstByte = 0;
  masked = false;
  payloadLength = 0;
  lengthBits: 7 | 16 | 64 = 7;
  lengthSign = false;

  /** Bytes of the frame's payload that were not read yet; 0 when the frame is complete. */
  remaining = 0;
  /** The chunk. The part of the payload that was read last is `chunk[start..end)`, unmasked. */
  chunk: Uint8Array = empty;
  /** The index in the chunk at which the received bytes end. */
  limit = 0;
  start = 0;
  end = 0;
  /** The result of `mask` for that part: bit 7 is clear only if every byte is known to be ASCII. */
  seen = 0x80;

  /** Whether the owner of the chunk's memory uses it again after `keepUnread`. */
  #lent = false;
  /** Whether the `ArrayBuffer` under the chunk holds nothing else, and is used for nothing else. */
  #exclusive = false;
  #maskingKey = 0;
  /** The index of the next unread byte of the chunk. */
  #position = 0;
  /** The beginning of a header that the end of a chunk cut off; undefined until the first time. */
  #cut: Uint8Array | undefined;
  #cutLength = 0;
  /** Up to here the unread bytes of the chunk are plain frames whose payloads are unmasked already. */
  #plainEnd = 0;
  /** What `seen` is for all of them. */
  #plainSeen = 0;
  /** Their bytes from `#textStart` on as text, frame headers and all. */
  #text = "";
  #textStart = 0;

  /**
   * Takes the next `length` bytes from the transport. They may be overwritten, and are not kept if they are only lent.
   */
  push(chunk: Uint8Array, length: number = chunk.length, lent = false): void {
    if (this.unread > 0) {
      this.#moveFrom(this.#position, length);
      copyRange(chunk, 0, length, this.chunk, this.limit - length);
    } else {
      this.chunk = chunk;
      this.limit = length;
      this.#position = this.#plainEnd = 0;
      this.#lent = lent;
      this.#exclusive = !lent && length === chunk.buffer.byteLength;
    }
  }

  /** Bytes that were pushed and not read yet. */
  get unread(): number {
    return this.limit - this.#position;
  }

  /** The number of bytes that have come of an incomplete header. */
  get headerProgress(): number {
    return this.#cutLength;
  }

  /** Lets go of a chunk that is read to its end. */
  discard(): void {
    this.chunk = empty;
    this.limit = this.#position = this.#plainEnd = 0;
    this.#text = "";
  }

  /** Replaces unread bytes in lent memory by a copy, so that the memory may be used again. */
  keepUnread(): void {
    if (this.unread === 0) return this.discard();
    if (this.#lent) this.#moveFrom(this.#position, 0);
  }

  /** Reads the next header; false while it is incomplete. */
  readHeader(): boolean {
    if (this.#position < this.#plainEnd) return this.#readPlainHeader();
    if (this.#cutLength > 0) return this.#readCutHeader();
    if (this.chunk === readBuffer && unmaskPlain !== undefined && this.#findPlainFrames(unmaskPlain))
      return this.#readPlainHeader();
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
   * Reads and unmasks the part of the payload that has come: `chunk[start..end)`, which may be empty.
   *
   * The frame is complete when `remaining` is 0.
   */
  readPayload(): void {
    const length = Math.min(this.remaining, this.limit - this.#position);
    this.start = this.#position;
    this.end = this.#position = this.start + length;
    if (this.start < this.#plainEnd) {
      this.seen = this.#plainSeen;
      this.remaining = 0;
      return;
    }
    this.seen = this.masked
      ? mask(this.chunk, this.start, this.end, this.#maskingKey, this.payloadLength - this.remaining)
      : 0x80;
    this.remaining -= length;
  }

  /** Returns the part of the payload that was read last as text; it must be ASCII. */
  takeAscii(): string {
    const { chunk, start, end } = this;
    if (start >= this.#plainEnd) return decodeLatin1(chunk, start, end);
    if (end - this.#textStart > this.#text.length) {
      // The last frame has nobody to share with.
      if (end === this.#plainEnd) return decodeLatin1(chunk, start, end);
      this.#textStart = start;
      this.#text = decodeLatin1(chunk, start, Math.min(this.#plainEnd, start + longestSharedText));
    }
    return this.#text.slice(start - this.#textStart, end - this.#textStart);
  }

  /**
   * Returns the part of the payload that was read last. If the chunk is lent, it is a view that is valid until
   * `keepUnread`. Otherwise it is what `takePayload` returns, because a view could be transferred with unread bytes.
   */
  lendPayload(): Uint8Array {
    return this.#lent ? this.viewPayload() : this.takePayload();
  }

  /**
   * Returns the part of the payload that was read last in an `ArrayBuffer` that is used for nothing else. It is a copy,
   * or a view of the chunk if nothing in the chunk is unread and little memory is wasted.
   */
  takePayload(): Uint8Array {
    const { chunk, start, end, limit } = this;
    const length = end - start;
    if (length > shortCopy && this.#exclusive && end === limit && length * 2 >= limit) {
      this.#exclusive = false;
      return this.viewPayload();
    }
    const bytes = chunk === readBuffer ? plainReads : viewPlain(chunk);
    return bytes.slice(start, end);
  }

  /** Returns the part of the payload that was read last, as a view that is valid until `keepUnread`. */
  viewPayload(): Uint8Array {
    const { chunk, start, end } = this;
    return new Uint8Array(chunk.buffer as ArrayBuffer, chunk.byteOffset + start, end - start);
  }

  /** Moves all bytes from `at` on to new memory of the decoder's own, with room for `more` bytes behind them. */
  #moveFrom(at: number, more: number): void {
    const kept = this.limit - at;
    const own = allocateBytes(kept + more);
    copyRange(this.chunk, at, this.limit, own, 0);
    this.chunk = own;
    this.limit = own.length;
    this.#position -= at;
    this.start -= at;
    this.end -= at;
    this.#plainEnd -= at;
    this.#textStart -= at;
    this.#lent = false;
    this.#exclusive = true;
  }

  /** Unmasks the plain frames that begin here; false where there are fewer than two. */
  #findPlainFrames(unmask: (at: number, limit: number) => number): boolean {
    const { chunk, limit } = this;
    const at = this.#position;
    const first = chunk[at]!;
    const second = chunk[at + 1]!;
    // What makes a frame plain is said at `unmaskPlain`.
    if ((first !== 0x81 && first !== 0x82) || second < 0x80 || second > 0xfd || at + second - 122 >= limit)
      return false;
    const found = unmask(at, limit);
    this.#plainEnd = found & 0x7fffffff;
    this.#plainSeen = found < 0 ? 0x80 : 0;
    this.#text = "";
    this.#textStart = at;
    return true;
  }

  /** Reads the header of a frame that `#findPlainFrames` has found. */
  #readPlainHeader(): true {
    const at = this.#position;
    this.firstByte = this.chunk[at]!;
    this.payloadLength = this.remaining = this.chunk[at + 1]! & 0x7f;
    this.lengthBits = 7;
    this.lengthSign = false;
    this.masked = true;
    this.#position = at + 6;
    return true;
  }

  /** Adds byte after byte to the header that was cut off; false when it is still incomplete. */
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

  /** Reads a header from `bytes[at..limit)` and returns its length, or 0 when there are too few bytes. */
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

/** Returns the unsigned 32-bit number at `at`, whose top byte comes first. */
function readWord(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}
