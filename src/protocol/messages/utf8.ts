/**
 * Validation of UTF-8 that comes in parts, RFC 6455 section 8.1 and RFC 3629.
 *
 * It fails at the first byte that cannot continue any valid text, wherever the parts are cut. The runtime's own
 * validator reads most of each part; only the bytes of a character that is cut in two are examined one by one.
 */

import { isUtf8 } from "../runtime/text.ts";

/** Validates one text after another, part by part. */
export class Utf8Validator {
  /** The number of continuation bytes that the unfinished character still needs. */
  #missing = 0;
  /** The lowest valid value of the next continuation byte: above 80 just after E0 and F0. */
  #low = 0x80;
  /** The highest valid value of the next continuation byte: below BF just after ED and F4. */
  #high = 0xbf;

  /** Takes `bytes[start..end)`; false if no continuation could make the text valid. */
  write(bytes: Uint8Array, start: number, end: number): boolean {
    let from = start;
    while (this.#missing > 0 && from < end) {
      if (!this.#step(bytes[from++]!)) return false;
    }
    const cut = lastCharacterStart(bytes, from, end);
    if (!isUtf8(bytes.subarray(from, cut))) return false;
    for (let i = cut; i < end; i++) {
      if (!this.#step(bytes[i]!)) return false;
    }
    return true;
  }

  /** Whether the text may end here; false inside a character. */
  get complete(): boolean {
    return this.#missing === 0;
  }

  /** Takes a byte of a character that is cut in two; false if the byte cannot be there. */
  #step(byte: number): boolean {
    if (this.#missing > 0) {
      if (byte < this.#low || byte > this.#high) return false;
      this.#missing--;
      this.#low = 0x80;
      this.#high = 0xbf;
      return true;
    }
    if (byte < 0xc2 || byte > 0xf4) return false;
    this.#missing = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
    if (byte === 0xe0) this.#low = 0xa0;
    else if (byte === 0xed) this.#high = 0x9f;
    else if (byte === 0xf0) this.#low = 0x90;
    else if (byte === 0xf4) this.#high = 0x8f;
    return true;
  }
}

/** Returns where the last character begins if it is so near to `end` that it may be cut off; otherwise `end`. */
function lastCharacterStart(bytes: Uint8Array, start: number, end: number): number {
  const nearest = Math.max(start, end - 3);
  for (let at = end - 1; at >= nearest; at--) {
    const byte = bytes[at]!;
    if (byte < 0x80) return end;
    if (byte >= 0xc0) return at;
  }
  return end;
}
