/**
 * Masking, RFC 6455 section 5.3: each byte XOR the key's byte at its index modulo 4.
 *
 * A key is a 32-bit integer whose top byte is the first on the wire. `phase` is the number of bytes of the payload that
 * came before, so that a payload can be masked in parts.
 */

import { fillRandom } from "../runtime/random.ts";
import { maskReadBuffer, readBuffer } from "./mask-wasm.ts";

/** The fewest bytes that are masked faster by 32-bit words than by bytes (measured on Node 20: level at 100 bytes). */
const wordwiseFrom = 128;

/** Four bytes in which a key becomes a word in the byte order of this machine. */
const keyWord = new Int32Array(1);
const keyBytes = new DataView(keyWord.buffer);

/**
 * XORs `bytes[start..end)` in place.
 *
 * Returns a number whose bit 7 is set if a byte of the result is not ASCII. For long ranges outside of `readBuffer` the
 * bytes are not examined, and that bit is always set.
 */
export function mask(bytes: Uint8Array, start: number, end: number, key: number, phase: number): number {
  if (bytes === readBuffer && maskReadBuffer) {
    return maskReadBuffer(start, end, swap(rotate(key, phase))) === 0 ? 0 : 0x80;
  }
  if (end - start >= wordwiseFrom) return maskWords(bytes, start, end, rotate(key, phase));
  return maskBytes(bytes, start, end, rotate(key, phase));
}

/** Writes `source`, XORed with the key, to `target` at `offset`. The two must not overlap. */
export function maskCopy(source: Uint8Array, target: Uint8Array, offset: number, key: number): void {
  target.set(source, offset);
  mask(target, offset, offset + source.length, key, 0);
}

/** Returns the key as it applies `phase` bytes into the payload. */
function rotate(key: number, phase: number): number {
  const bits = (phase & 3) << 3;
  // With 0 bits the second shift is by 32, which JavaScript takes for 0.
  return (key << bits) | (key >>> (32 - bits));
}

/** Returns the word with its bytes in the opposite order. */
function swap(word: number): number {
  return (word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24);
}

function maskBytes(bytes: Uint8Array, start: number, end: number, key: number): number {
  const first = key >>> 24;
  const second = (key >>> 16) & 0xff;
  const third = (key >>> 8) & 0xff;
  const fourth = key & 0xff;
  let seen = 0;
  let i = start;
  for (const last = end - 3; i < last; i += 4) {
    seen |= bytes[i] = bytes[i]! ^ first;
    seen |= bytes[i + 1] = bytes[i + 1]! ^ second;
    seen |= bytes[i + 2] = bytes[i + 2]! ^ third;
    seen |= bytes[i + 3] = bytes[i + 3]! ^ fourth;
  }
  if (i < end) seen |= bytes[i] = bytes[i]! ^ first;
  if (i + 1 < end) seen |= bytes[i + 1] = bytes[i + 1]! ^ second;
  if (i + 2 < end) seen |= bytes[i + 2] = bytes[i + 2]! ^ third;
  return seen;
}

function maskWords(bytes: Uint8Array, start: number, end: number, key: number): number {
  const misaligned = (4 - ((bytes.byteOffset + start) & 3)) & 3;
  const aligned = start + misaligned;
  maskBytes(bytes, start, aligned, key);
  const turned = rotate(key, misaligned);
  const words = (end - aligned) >>> 2;
  const view = new Int32Array(bytes.buffer, bytes.byteOffset + aligned, words);
  keyBytes.setInt32(0, turned);
  const word = keyWord[0]!;
  let i = 0;
  for (const last = words - 3; i < last; i += 4) {
    view[i] = view[i]! ^ word;
    view[i + 1] = view[i + 1]! ^ word;
    view[i + 2] = view[i + 2]! ^ word;
    view[i + 3] = view[i + 3]! ^ word;
  }
  for (; i < words; i++) view[i] = view[i]! ^ word;
  maskBytes(bytes, aligned + words * 4, end, turned);
  return 0x80;
}

const keys = new Int32Array(2048);
let nextKey = keys.length;

/**
 * Returns a fresh masking key from the runtime's cryptographic source, which is asked for 8 KiB at a time (section
 * 10.3).
 */
export function createMaskingKey(): number {
  if (nextKey === keys.length) {
    fillRandom(keys);
    nextKey = 0;
  }
  return keys[nextKey++]!;
}
