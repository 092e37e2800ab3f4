/**
 * A message that is encoded once and sent to many.
 *
 * A server sends its frame as it is; a client must mask each copy with a fresh key (RFC 6455 section 5.3), so there it
 * saves nothing.
 */

import { Buffer } from "node:buffer";
import { Opcode } from "../protocol/frame.ts";
import { encodeFrame, encodeTextFrame } from "../protocol/frame-encoder.ts";
import { OutputBuffer } from "../protocol/output-buffer.ts";

const fin = 0x80;

/** A message for `connection.send`, encoded at most once. */
export class PreparedMessage {
  /** Text as it was given, or a copy of the bytes. */
  readonly data: string | Uint8Array;
  #frame: Uint8Array | undefined;

  /** Takes a copy of `data`; a TypeError for anything but a string or a Uint8Array. */
  constructor(data: string | Uint8Array) {
    if (typeof data !== "string" && !(data instanceof Uint8Array)) {
      throw new TypeError(`Cannot prepare a message: data must be a string or a Uint8Array, not ${typeof data}`);
    }
    this.data = typeof data === "string" ? data : new Uint8Array(data);
  }

  /** The whole unmasked, uncompressed frame. */
  get frame(): Uint8Array {
    this.#frame ??= encode(this.data);
    return this.#frame;
  }
}

function encode(data: string | Uint8Array): Uint8Array {
  const output = new OutputBuffer();
  if (typeof data === "string") encodeTextFrame(output, "server", fin | Opcode.Text, data);
  else encodeFrame(output, "server", fin | Opcode.Binary, data);
  const frame = Buffer.concat(output.take());
  output.taken(true);
  return frame;
}
