/**
 * Streaming UTF-8 validation, RFC 6455 section 8.1 and RFC 3629.
 *
 * Fails at the first byte that cannot continue any valid text, wherever the parts are cut. The bulk of each part goes
 * through the runtime's own validator; only the bytes of a character cut in two are looked at one by one.
 */

import { isUtf8 } from "../runtime/text.ts";

/** Validates one text after another, part by part. */
export class Utf8Validator {
  /** How many continuation bytes the character under way still needs. */
  #missing = 0;
  /** The range of its next byte: narrower than 80..BF just after E0, ED, F0 and F4. */
  #low = 0x80;
  #high = 0xbf;

  /** Takes `bytes[start..end)`; false as soon as no continuation could make the text valid. */
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

  /** Whether the text may end here: false inside a character. */
  get complete(): boolean {
    return this.#missing === 0;
  }

  /** Takes a byte of a character that the end of the part cuts off, or that the last one did. */
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

/** Where the last character begins if it is so near to `end` that it might be cut off, else `end`. */
function lastCharacterStart(bytes: Uint8Array, start: number, end: number): number {
  const nearest = Math.max(start, end - 3);
  for (let at = end - 1; at >= nearest; at--) {
    const byte = bytes[at]!;
    if (byte < 0x80) return end;
    if (byte >= 0xc0) return at;
  }
  return end;
}
