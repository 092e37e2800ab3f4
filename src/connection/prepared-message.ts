/**
 * A message that is encoded once and sent to many.
 *
 * A server sends its frame as it is; a client must mask each copy with a fresh key (RFC 6455 section 5.3), so there it
 * saves nothing.
 */

import { Buffer } from "node:buffer";
import { Opcode } from "../protocol/frame.ts";
import { encodeFrame } from "../protocol/frame-encoder.ts";
import { OutputBuffer } from "../protocol/output-buffer.ts";

/** A message for `connection.send`, encoded at most once. */
export class PreparedMessage {
  /** Whether it is a text message. */
  readonly text: boolean;
  /** The message's bytes: the UTF-8 of text, a copy of binary data. */
  readonly payload: Uint8Array;
  #frame: Uint8Array | undefined;

  /** Takes a copy of `data`. */
  constructor(data: string | Uint8Array) {
    this.text = typeof data === "string";
    this.payload = typeof data === "string" ? Buffer.from(data) : new Uint8Array(data);
  }

  /** The whole unmasked, uncompressed frame. */
  get frame(): Uint8Array {
    if (this.#frame === undefined) {
      const output = new OutputBuffer();
      encodeFrame(output, "server", 0x80 | (this.text ? Opcode.Text : Opcode.Binary), this.payload);
      this.#frame = Buffer.concat(output.take());
      output.taken(true);
    }
    return this.#frame;
  }
}
