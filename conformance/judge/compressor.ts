/**
 * The judge as a sender of permessage-deflate, RFC 7692 section 7.2.1.
 *
 * Each message is compressed on its own with the window of the earlier ones as dictionary, which gives the
 * same references as a lasting context and can be done with the synchronous call.
 */
import { constants, deflateRawSync } from "node:zlib";

/** Compresses messages for one connection. */
export class Compressor {
  readonly #windowBits: number;
  readonly #noContextTakeover: boolean;
  #history: Buffer = Buffer.alloc(0);

  constructor(windowBits: number, noContextTakeover: boolean) {
    this.#windowBits = windowBits;
    this.#noContextTakeover = noContextTakeover;
  }

  /** The payload of a compressed message; `level` 0 gives stored blocks. */
  compress(data: Buffer, level = 6): Buffer {
    const out = deflateRawSync(data, {
      level,
      // zlib cannot deflate with 8 bits; with 9 its furthest match is 250 bytes, which 8 bits allow
      windowBits: Math.max(9, this.#windowBits),
      finishFlush: constants.Z_SYNC_FLUSH,
      ...(this.#history.length > 0 ? { dictionary: this.#history } : {}),
    });
    this.remember(data);
    return out.length === 0 ? Buffer.from([0]) : out.subarray(0, -4);
  }

  /** Takes note of a message whose bytes were made by hand. */
  remember(data: Buffer): void {
    const reach = (1 << Math.max(8, this.#windowBits)) - 262;
    if (this.#noContextTakeover || reach <= 0) return;
    this.#history = Buffer.concat([this.#history, data]).subarray(-reach);
  }
}
