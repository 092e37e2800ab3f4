/**
 * A message that is encoded once and sent to many.
 *
 * A server sends its frame as it is; a client must mask each copy with a fresh key (RFC 6455 section 5.3), so there it
 * saves nothing.
 */

import { Buffer } from "node:buffer";
import { finBit, Opcode, rsv1Bit } from "../../protocol/frames/frame.ts";
import { writeHeader } from "../../protocol/frames/frame-encoder.ts";

/** Longer messages are shared as they are: compressing one at once would hold the event loop for too long. */
const longestCompressed = 64 * 1024;

/** How a connection compresses what it shares with others; see `MessageDeflate`. */
export interface SharedCompression {
  readonly sharedKey: string | undefined;
  readonly threshold: number;
  deflateShared(message: string | Uint8Array): Uint8Array;
}

/** A message for `connection.send`, encoded at most once. */
export class PreparedMessage {
  /** Text as it was given, or a copy of the bytes. */
  readonly data: string | Uint8Array;
  #frame: Uint8Array | undefined;
  #compressed: Map<string, Uint8Array> | undefined;

  /** Takes a copy of `data`; a TypeError for anything but a string or a Uint8Array. */
  constructor(data: string | Uint8Array) {
    if (typeof data !== "string" && !(data instanceof Uint8Array)) {
      throw new TypeError(`Cannot prepare a message: data must be a string or a Uint8Array, not ${typeof data}`);
    }
    this.data = typeof data === "string" ? data : new Uint8Array(data);
  }

  /** @internal Whether the constructor made it: what only inherits from it has no frame. */
  static made(value: unknown): value is PreparedMessage {
    return typeof value === "object" && value !== null && #frame in value;
  }

  /** The whole unmasked, uncompressed frame. */
  get frame(): Uint8Array {
    this.#frame ??= frameOf(this.#firstByte, this.data);
    return this.#frame;
  }

  /** The whole unmasked frame for a connection that compresses in this way, or not at all. */
  frameFor(compression: SharedCompression | undefined): Uint8Array {
    const key = compression?.sharedKey;
    if (compression === undefined || key === undefined) return this.frame;
    const { length } = this.data;
    if (length > longestCompressed || length < compression.threshold) return this.frame;
    this.#compressed ??= new Map();
    let frame = this.#compressed.get(key);
    if (frame === undefined) {
      frame = frameOf(this.#firstByte | rsv1Bit, compression.deflateShared(this.data));
      this.#compressed.set(key, frame);
    }
    return frame;
  }

  get #firstByte(): number {
    return finBit | (typeof this.data === "string" ? Opcode.Text : Opcode.Binary);
  }
}

/** A whole unmasked frame in memory of its own. A lone surrogate becomes U+FFFD. */
function frameOf(firstByte: number, payload: string | Uint8Array): Uint8Array {
  const length = typeof payload === "string" ? Buffer.byteLength(payload) : payload.length;
  const headerLength = length < 126 ? 2 : length < 65536 ? 4 : 10;
  const frame = Buffer.allocUnsafe(headerLength + length);
  const start = writeHeader(frame, 0, "server", firstByte, length, 0);
  if (typeof payload === "string") frame.write(payload, start);
  else frame.set(payload, start);
  return frame;
}
